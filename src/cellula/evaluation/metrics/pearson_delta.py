"""Correlation of the predicted with the observed change from control."""

from __future__ import annotations

from typing import ClassVar, final

import numpy as np
from numpy.typing import NDArray

from cellula.core.comparison import Comparison
from cellula.core.metric import MetricDefinition, Terms
from cellula.core.numerals import plural
from cellula.evaluation.metrics.change import centred_change, row_correlation
from cellula.evaluation.metrics.sums import mean_terms, missing, no_terms, ratio

__all__ = ["PearsonDelta"]

#: Fewest readouts of a profile: two points always correlate perfectly.
MIN_READOUTS = 3


@final
class PearsonDelta:
    """Pearson correlation over readouts of observed - control with predicted - control, -1 to 1."""

    definition: ClassVar[MetricDefinition] = MetricDefinition(
        name="pearson_delta",
        version=1,
        equation=(
            "mean over groups of the Pearson correlation over readouts of (observed - control) "
            "with (predicted - control); 0 where the predicted change is the same in all readouts"
        ),
        layer="gene",
        space="readouts",
        genes="all readouts",
        control="mean of the real controls of the group's context, on both sides",
        aggregation=f"equal-weight mean over groups; at least {MIN_READOUTS} readouts, "
        "an observed change that varies",
        direction="higher",
        ideal=1.0,
        is_per_group=True,
    )

    def terms(self, comparison: Comparison) -> Terms:
        """Correlation of the group, and 1."""
        n_groups, n_readouts = comparison.observed.shape
        if n_readouts < MIN_READOUTS:
            return no_terms(
                n_groups, f"{plural(n_readouts, 'readout')}, a profile needs {MIN_READOUTS}"
            )
        if comparison.reference is None:
            return no_terms(n_groups, "there are no controls to take a change from")
        reference = comparison.reference
        observed = centred_change(comparison.observed, reference)
        predicted = centred_change(comparison.predicted, reference)
        sides = missing(
            control=reference, observed=comparison.observed, predicted=comparison.predicted
        )
        flat = "the observed change is the same in all readouts"
        reasons = np.where((sides == "") & ((observed**2).sum(axis=1) == 0), flat, sides)
        return mean_terms(row_correlation(observed, predicted), reasons)

    def finish(self, sums: NDArray[np.float64]) -> NDArray[np.float64]:
        """Mean over groups; NaN without groups."""
        return ratio(sums[..., 0], sums[..., 1])
