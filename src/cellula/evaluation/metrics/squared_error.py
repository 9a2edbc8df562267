"""Squared error of pseudobulks: RMSE, R2 and variance explained over a named baseline."""

from __future__ import annotations

from typing import ClassVar, final

import numpy as np
from numpy.typing import NDArray

from cellula.core.comparison import Comparison
from cellula.core.metric import MetricDefinition, Terms
from cellula.evaluation.metrics.sums import mean_terms, missing, pooled_terms, ratio

__all__ = ["R2", "Rmse", "VarianceExplained"]

#: A variance below this share of the mean square is rounding, not variation.
TOLERANCE = 1e-10


@final
class Rmse:
    """Root mean squared error over groups and readouts, in units of the value type."""

    definition: ClassVar[MetricDefinition] = MetricDefinition(
        name="rmse",
        version=1,
        equation="sqrt(mean over groups of mean over readouts of (observed - predicted)^2)",
        layer="gene",
        space="readouts",
        genes="all readouts, equal weight",
        control="none",
        aggregation="squared errors averaged over groups with equal weight, then the root",
        direction="lower",
        ideal=0.0,
        is_per_group=True,
    )

    def terms(self, comparison: Comparison) -> Terms:
        """Mean squared error over readouts, and 1."""
        observed, predicted = comparison.observed, comparison.predicted
        reasons = missing(observed=observed, predicted=predicted)
        return mean_terms(_mean_square(observed - predicted), reasons)

    def finish(self, sums: NDArray[np.float64]) -> NDArray[np.float64]:
        """Root of the mean; NaN without groups."""
        return np.sqrt(ratio(sums[..., 0], sums[..., 1]))


@final
class R2:
    """Share of the observed variance over groups that the prediction explains: 1 at most."""

    definition: ClassVar[MetricDefinition] = MetricDefinition(
        name="r2",
        version=1,
        equation=(
            "1 - sum (observed - predicted)^2 / sum (observed - m)^2 over groups and readouts; "
            "m = each readout's mean over the same groups"
        ),
        layer="gene",
        space="readouts",
        genes="all readouts, by their variance",
        control="none",
        aggregation="both sums pooled over all groups; needs an observed value that varies",
        direction="higher",
        ideal=1.0,
        is_per_group=True,
    )

    def terms(self, comparison: Comparison) -> Terms:
        """1, mean squared error, mean square and the observed value of every readout."""
        observed, predicted = comparison.observed, comparison.predicted
        columns = [np.ones(len(observed)), _mean_square(observed - predicted)]
        values = np.column_stack([*columns, _mean_square(observed), observed])
        return pooled_terms(values, missing(observed=observed, predicted=predicted))

    def finish(self, sums: NDArray[np.float64]) -> NDArray[np.float64]:
        """One minus the ratio; NaN where the observed values do not vary."""
        n, error, square = sums[..., 0], sums[..., 1], sums[..., 2]
        about_zero = (sums[..., 3:] ** 2).mean(axis=-1)
        spread = square - ratio(about_zero, n)
        is_varied = spread > TOLERANCE * square
        return 1.0 - ratio(error, np.where(is_varied, spread, 0.0))


@final
class VarianceExplained:
    """Share of the baseline's squared error that the prediction removes: 1 at most."""

    definition: ClassVar[MetricDefinition] = MetricDefinition(
        name="variance_explained",
        version=1,
        equation=(
            "1 - sum (observed - predicted)^2 / sum (observed - baseline)^2 "
            "over groups and readouts"
        ),
        layer="gene",
        space="readouts",
        genes="all readouts, by their squared error",
        control="none; the baseline is the one that the comparison names",
        aggregation="both sums pooled over all groups; needs a baseline that errs",
        direction="higher",
        ideal=1.0,
        is_per_group=True,
    )

    def terms(self, comparison: Comparison) -> Terms:
        """Mean squared error of the prediction and of the baseline."""
        n_groups = len(comparison.groups)
        if comparison.baseline is None:
            reason = "the comparison names no baseline; compare with baseline=..."
            return pooled_terms(np.full((n_groups, 2), np.nan), np.full(n_groups, reason))
        error = _mean_square(comparison.observed - comparison.predicted)
        base = _mean_square(comparison.observed - comparison.baseline)
        reasons = missing(
            observed=comparison.observed,
            predicted=comparison.predicted,
            baseline=comparison.baseline,
        )
        return pooled_terms(np.column_stack([error, base]), reasons)

    def finish(self, sums: NDArray[np.float64]) -> NDArray[np.float64]:
        """One minus the ratio; NaN where the baseline makes no error."""
        return 1.0 - ratio(sums[..., 0], sums[..., 1])


def _mean_square(difference: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean square over readouts: (groups,)."""
    size = max(difference.shape[1], 1)
    return np.asarray(np.einsum("ij,ij->i", difference, difference) / size, np.float64)
