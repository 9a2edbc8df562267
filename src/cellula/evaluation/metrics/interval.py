"""Predictive intervals: how often they hold the observation and how wide they are."""

from __future__ import annotations

from typing import ClassVar, final

import numpy as np
from numpy.typing import NDArray

from cellula.core.comparison import Comparison
from cellula.core.metric import MetricDefinition, Terms
from cellula.evaluation.metrics.bounds import bound_reasons, no_interval
from cellula.evaluation.metrics.sums import mean_terms, ratio

__all__ = ["Coverage", "IntervalWidth"]


@final
class Coverage:
    """Share, 0 to 1, of observations inside the 90 % predictive interval."""

    definition: ClassVar[MetricDefinition] = MetricDefinition(
        name="coverage",
        version=1,
        equation="mean over groups of the share of readouts with lower <= observed <= upper",
        layer="calibration",
        space="readouts",
        genes="all readouts, equal weight",
        control="none",
        aggregation="equal-weight mean over groups with an interval",
        direction="target",
        ideal=0.9,
        is_per_group=True,
    )

    def terms(self, comparison: Comparison) -> Terms:
        """Share of readouts inside the interval, and 1."""
        lower, upper = comparison.lower, comparison.upper
        if lower is None or upper is None:
            return no_interval(comparison, 2)
        inside = (lower <= comparison.observed) & (comparison.observed <= upper)
        return mean_terms(
            inside.mean(axis=1), bound_reasons(lower, upper, observed=comparison.observed)
        )

    def finish(self, sums: NDArray[np.float64]) -> NDArray[np.float64]:
        """Mean over groups; NaN without groups."""
        return ratio(sums[..., 0], sums[..., 1])


@final
class IntervalWidth:
    """Mean width of the 90 % predictive interval, in units of the value type."""

    definition: ClassVar[MetricDefinition] = MetricDefinition(
        name="interval_width",
        version=1,
        equation="mean over groups of mean over readouts of (upper - lower)",
        layer="calibration",
        space="readouts",
        genes="all readouts, equal weight",
        control="none",
        aggregation="equal-weight mean over groups with an interval",
        direction="lower",
        ideal=0.0,
        is_per_group=True,
    )

    def terms(self, comparison: Comparison) -> Terms:
        """Mean width over readouts, and 1."""
        lower, upper = comparison.lower, comparison.upper
        if lower is None or upper is None:
            return no_interval(comparison, 2)
        return mean_terms((upper - lower).mean(axis=1), bound_reasons(lower, upper, lower=lower))

    def finish(self, sums: NDArray[np.float64]) -> NDArray[np.float64]:
        """Mean over groups; NaN without groups."""
        return ratio(sums[..., 0], sums[..., 1])
