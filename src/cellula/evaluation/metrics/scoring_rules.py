"""Proper scoring rules of predictive intervals: the truth told is the best score.

Coverage rewards an interval for being wide, width for being narrow; these reward it for being
right: in expectation nothing scores better than the bounds, or the distribution, that one
believes.
"""

from __future__ import annotations

from typing import ClassVar, final

import numpy as np
from numpy.typing import NDArray

from cellula.core.comparison import Comparison
from cellula.core.metric import MetricDefinition, Terms
from cellula.evaluation.metrics.bounds import forecast_terms
from cellula.evaluation.metrics.sums import ratio
from cellula.evaluation.metrics.two_piece_normal import TwoPieceNormal

__all__ = ["Crps", "IntervalScore"]

#: Share of the observations that may lie outside the interval.
OUTSIDE = 0.1

Floats = NDArray[np.float64]


@final
class IntervalScore:
    """Width of the 90 % interval and 20 times the miss [gneiting2007]_, in units of the value type.

    It asks about the bounds alone, whatever the distribution between and beyond them.
    """

    definition: ClassVar[MetricDefinition] = MetricDefinition(
        name="interval_score",
        version=1,
        equation=(
            "mean over groups of mean over readouts of (upper - lower) + (2 / 0.1) "
            "(max(lower - observed, 0) + max(observed - upper, 0))"
        ),
        layer="calibration",
        space="readouts",
        genes="all readouts, equal weight",
        control="none",
        aggregation="equal-weight mean over groups with an interval",
        direction="lower",
        ideal=0.0,
        references=("gneiting2007",),
    )

    def terms(self, comparison: Comparison) -> Terms:
        """Mean score over readouts, and 1."""
        return forecast_terms(comparison, 2, _interval_score)

    def finish(self, sums: Floats) -> Floats:
        """Mean over groups; NaN without groups."""
        return ratio(sums[..., 0], sums[..., 1])


@final
class Crps:
    """Continuous ranked probability score [gneiting2007]_, in units of the value type; 0 at best.

    A prediction is a mean with two bounds; the score needs a distribution, and takes the one of
    :class:`~cellula.evaluation.metrics.two_piece_normal.TwoPieceNormal`. Without a width it is
    the absolute error.
    """

    definition: ClassVar[MetricDefinition] = MetricDefinition(
        name="crps",
        version=1,
        equation=(
            "mean over groups of mean over readouts of the integral over t of "
            "(F(t) - 1[t >= observed])^2; F = two halves of normal distributions that meet in the "
            "median, the prediction moved into its interval, with lower and upper as the quantiles "
            "of 5 % and 95 %"
        ),
        layer="calibration",
        space="readouts",
        genes="all readouts, equal weight",
        control="none",
        aggregation="equal-weight mean over groups with an interval",
        direction="lower",
        ideal=0.0,
        references=("gneiting2007",),
    )

    def terms(self, comparison: Comparison) -> Terms:
        """Mean score over readouts, and 1."""
        return forecast_terms(comparison, 2, _crps)

    def finish(self, sums: Floats) -> Floats:
        """Mean over groups; NaN without groups."""
        return ratio(sums[..., 0], sums[..., 1])


def _interval_score(lower: Floats, _: Floats, upper: Floats, observed: Floats) -> Floats:
    miss = np.maximum(lower - observed, 0.0) + np.maximum(observed - upper, 0.0)
    return _mean(upper - lower + 2.0 / OUTSIDE * miss)


def _crps(lower: Floats, predicted: Floats, upper: Floats, observed: Floats) -> Floats:
    return _mean(TwoPieceNormal.through(lower, predicted, upper).crps(observed))


def _mean(values: Floats) -> Floats:
    """The mean over readouts, and 1: (groups, 2)."""
    return np.column_stack([values.mean(axis=1), np.ones(len(values))])
