"""Squared error of the predicted response, weighted by differential expression."""

from __future__ import annotations

from typing import ClassVar, final

import numpy as np
from numpy.typing import NDArray

from cellula.core.comparison import Comparison
from cellula.core.metric import MetricDefinition, Terms
from cellula.evaluation.metrics.control_cells import CELLS_OF_CONTROLS
from cellula.evaluation.metrics.de_weights import RULE, de_weights
from cellula.evaluation.metrics.sums import mean_terms, missing, pooled_terms, ratio

__all__ = ["R2Weighted", "WeightedMse"]

#: A spread below this share of the mean square is rounding, not a spread.
TOLERANCE = 1e-12


@final
class WeightedMse:
    """Squared error of the pseudobulk, weighted by differential expression [mejia2025]_.

    Readouts that do not respond have next to no weight, so an answer that changes nothing pays for
    every readout that does. The weights come from the observed cells; a prediction needs a mean
    only, and how it spreads its cells is not seen. Changes
    times 3 have a smaller error where they were less than half of the observed ones, and in no
    other case.
    """

    definition: ClassVar[MetricDefinition] = MetricDefinition(
        name="weighted_mse",
        version=1,
        equation=(f"mean over groups of sum over readouts of w (observed - predicted)^2; {RULE}"),
        layer="gene",
        space="readouts",
        genes="all readouts, by their weight in the group",
        control=f"real controls, for the weights: {CELLS_OF_CONTROLS}",
        aggregation="equal-weight mean over groups with at least 2 observed cells and 2 controls",
        direction="lower",
        ideal=0.0,
        references=("mejia2025", "welch1947"),
        needs_cells=True,
    )

    def terms(self, comparison: Comparison) -> Terms:
        """Weighted squared error of the group, and 1."""
        weights = de_weights(comparison)
        error = comparison.observed - comparison.predicted
        sides = missing(observed=comparison.observed, predicted=comparison.predicted)
        reasons = np.where(sides == "", weights.reasons, sides)
        return mean_terms(np.einsum("ij,ij->i", weights.values, error**2), reasons)

    def finish(self, sums: NDArray[np.float64]) -> NDArray[np.float64]:
        """Mean over groups; NaN without groups."""
        return ratio(sums[..., 0], sums[..., 1])


@final
class R2Weighted:
    """Share of the weighted spread of the observed change that is predicted: 1 at most.

    The weighted R2 of changes [mejia2025]_, with the numerators and the denominators summed over
    groups before they are divided: in one group it is the published value, but in a mean over
    groups one weak response, whose denominator is near 0, would outweigh all others. No change has
    a value of at most 0; a change that is the same in all readouts has 0 at best. Changes times 3
    gain where they were less than half as large as observed, and in no other case.
    """

    definition: ClassVar[MetricDefinition] = MetricDefinition(
        name="r2_weighted",
        version=1,
        equation=(
            "1 - sum over groups and readouts of w (d - e)^2 / sum over groups and readouts of "
            f"w (d - sum over readouts of w d)^2, d = observed - control, e = predicted - control; "
            f"{RULE}"
        ),
        layer="gene",
        space="readouts",
        genes="all readouts, by their weight in the group",
        control=(
            "mean of the real controls of the group's context and unit on both sides; for the "
            f"weights: {CELLS_OF_CONTROLS}"
        ),
        aggregation="both sums pooled over groups with at least 2 observed cells and 2 controls",
        direction="higher",
        ideal=1.0,
        references=("mejia2025", "welch1947"),
        needs_cells=True,
    )

    def terms(self, comparison: Comparison) -> Terms:
        """Weighted squared error and weighted spread of the group."""
        n_groups = len(comparison.groups)
        if comparison.reference is None:
            reason = "there are no controls to take a change from"
            return pooled_terms(np.full((n_groups, 3), np.nan), np.full(n_groups, reason))
        weights = de_weights(comparison)
        change = comparison.observed - comparison.reference
        error = comparison.observed - comparison.predicted
        mean = np.einsum("ij,ij->i", weights.values, change)[:, None]
        values = np.column_stack(
            [
                np.einsum("ij,ij->i", weights.values, error**2),
                np.einsum("ij,ij->i", weights.values, (change - mean) ** 2),
                np.einsum("ij,ij->i", weights.values, change**2),
            ]
        )
        sides = missing(
            control=comparison.reference,
            observed=comparison.observed,
            predicted=comparison.predicted,
        )
        return pooled_terms(values, np.where(sides == "", weights.reasons, sides))

    def finish(self, sums: NDArray[np.float64]) -> NDArray[np.float64]:
        """One minus the ratio; NaN where the observed changes are all the same."""
        spread = np.where(sums[..., 1] > TOLERANCE * sums[..., 2], sums[..., 1], 0.0)
        return 1.0 - ratio(sums[..., 0], spread)
