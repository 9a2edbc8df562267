"""Are observations spread over their predictive distributions as they should be?"""

from __future__ import annotations

from typing import ClassVar, final

import numpy as np
from numpy.typing import NDArray

from cellula.core.comparison import Comparison
from cellula.core.metric import MetricDefinition, Terms
from cellula.evaluation.metrics.bounds import forecast_terms
from cellula.evaluation.metrics.sums import ratio
from cellula.evaluation.metrics.two_piece_normal import TwoPieceNormal

__all__ = ["PitError"]

#: Equal bins of the histogram.
BINS = 10

Floats = NDArray[np.float64]


@final
class PitError:
    """How far the histogram of the probability integral transform is from flat; 0 to .9.

    The transform is the predictive distribution function at the observation [dawid1984]_,
    flat where intervals of every level hold what they say: a hump shows intervals that are too
    wide, a trough too narrow, a slope a bias. Where the distribution is a point the observation
    counts evenly over its jump [czado2009]_. Of n observations even a right distribution has an
    error of about 1.2 / sqrt(n).
    """

    definition: ClassVar[MetricDefinition] = MetricDefinition(
        name="pit_error",
        version=1,
        equation=(
            f"total variation, half the sum over {BINS} equal bins of |share - 1/{BINS}|, of the "
            "histogram over groups and readouts of F(observed); F = two halves of normal "
            "distributions that meet in the median, the prediction moved into its interval, with "
            "lower and upper as the quantiles of 5 % and 95 %; an observation on a jump of F "
            "counts evenly over it"
        ),
        layer="calibration",
        space="readouts",
        genes="all readouts, equal weight",
        control="none",
        aggregation="one histogram, equal weight of the groups with an interval",
        direction="lower",
        ideal=0.0,
        references=("dawid1984", "czado2009"),
    )

    def terms(self, comparison: Comparison) -> Terms:
        """Share of the readouts in every bin: (groups, bins)."""
        return forecast_terms(comparison, BINS, _histogram)

    def finish(self, sums: Floats) -> Floats:
        """Half the sum of the deviations from equal shares; NaN without groups."""
        share = ratio(sums, np.broadcast_to(sums.sum(axis=-1, keepdims=True), sums.shape))
        return np.asarray(0.5 * np.abs(share - 1.0 / BINS).sum(axis=-1), np.float64)


def _histogram(lower: Floats, predicted: Floats, upper: Floats, observed: Floats) -> Floats:
    """Share of the readouts in every bin: (groups, bins)."""
    before, until = TwoPieceNormal.through(lower, predicted, upper).cdf(observed)
    edges = [number / BINS for number in range(1, BINS)]
    below = [_share_below(before, until, edge).mean(axis=1) for edge in edges]
    ends = np.zeros(len(observed)), np.ones(len(observed))
    return np.diff(np.column_stack([ends[0], *below, ends[1]]), axis=1)


def _share_below(before: Floats, until: Floats, edge: float) -> Floats:
    """Share of a jump from ``before`` to ``until`` that lies below an edge; without one, 0 or 1."""
    size = until - before
    is_jump = size > 0
    part = np.divide(edge - before, size, out=np.zeros(before.shape), where=is_jump)
    return np.where(is_jump, np.clip(part, 0.0, 1.0), (until < edge).astype(np.float64))
