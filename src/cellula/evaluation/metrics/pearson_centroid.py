"""Correlation of the predicted with the observed deviation from the mean response."""

from __future__ import annotations

from typing import ClassVar, final

import numpy as np
from numpy.typing import NDArray

from cellula.core.comparison import Comparison
from cellula.core.metric import MetricDefinition, Terms
from cellula.core.numerals import plural
from cellula.evaluation.metrics.change import centred_change, row_correlation
from cellula.evaluation.metrics.sums import mean_terms, missing, no_terms, ratio

__all__ = ["PearsonCentroid"]

#: Fewest readouts of a profile: two points always correlate perfectly.
MIN_READOUTS = 3
#: The baseline that is the perturbed centroid.
CENTROID = "mean_response"


@final
class PearsonCentroid:
    """Pearson correlation over readouts of deviations from the perturbed centroid, -1 to 1.

    What all perturbations do alike is taken away from both sides [vinastorne2025]_, so it earns
    nothing. The centroid is what the mean response of the training part answers: for a perturbation
    that was not trained on, its context's control plus the mean effect of the others; for one that
    was (a new context, dose or donor), plus its own mean effect elsewhere, so that only what
    differs here counts. It never holds the group's own profile.

    The mean response has 0 by definition. Another single answer for all perturbations has not: the
    error of a mean of few perturbations is on both sides, so that a better mean correlates with
    every response (``pearson_specific`` gives it 0), and the control correlates with the responses
    that are weaker than the mean. The anchored score takes the better of control and mean response
    as its baseline. Deviations times 3 score the same; changes from control times 3 do not, and
    gain where the changes were too small to reach the mean response.
    """

    definition: ClassVar[MetricDefinition] = MetricDefinition(
        name="pearson_centroid",
        version=1,
        equation=(
            "mean over groups of the Pearson correlation over readouts of (observed - centroid) "
            "with (predicted - centroid), centroid = the answer of the mean response; 0 where the "
            "predicted deviation is the same in all readouts"
        ),
        layer="gene",
        space="readouts",
        genes="all readouts",
        control="the mean response of the training part, on both sides",
        aggregation=f"equal-weight mean over groups; at least {MIN_READOUTS} readouts, "
        "an observed deviation that varies",
        direction="higher",
        ideal=1.0,
        references=("vinastorne2025",),
    )

    def terms(self, comparison: Comparison) -> Terms:
        """Correlation of the group, and 1."""
        n_groups, n_readouts = comparison.observed.shape
        centroid = comparison.baseline
        if centroid is None or comparison.baseline_name != CENTROID:
            found = comparison.baseline_name or "none"
            reason = f"the baseline is {found!r}, not the mean response; compare with {CENTROID}"
            return no_terms(n_groups, reason)
        if n_readouts < MIN_READOUTS:
            what = plural(n_readouts, "readout")
            return no_terms(n_groups, f"{what}, a profile needs {MIN_READOUTS}")
        observed = centred_change(comparison.observed, centroid)
        predicted = centred_change(comparison.predicted, centroid)
        sides = missing(
            baseline=centroid, observed=comparison.observed, predicted=comparison.predicted
        )
        flat = "the observed deviation from the mean response is the same in all readouts"
        reasons = np.where((sides == "") & ((observed**2).sum(axis=1) == 0), flat, sides)
        return mean_terms(row_correlation(observed, predicted), reasons)

    def finish(self, sums: NDArray[np.float64]) -> NDArray[np.float64]:
        """Mean over groups; NaN without groups."""
        return ratio(sums[..., 0], sums[..., 1])
