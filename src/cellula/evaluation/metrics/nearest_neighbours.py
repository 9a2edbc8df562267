"""Do predicted cells lie where real cells lie, everywhere, among them? By nearest neighbours."""

from __future__ import annotations

from typing import ClassVar, final

import numpy as np
from numpy.typing import NDArray

from cellula.core.comparison import Comparison
from cellula.core.metric import MetricDefinition, Terms
from cellula.evaluation.metrics.sums import population_terms, ratio
from cellula.kernels.pair_distances import squared_distances

__all__ = ["KnnCoverage", "KnnDensity", "KnnMixing", "KnnPrecision", "KnnRecall"]

#: Neighbours that make the ball of a cell.
K = 5
#: Most neighbours of a cell among the cells of both sides.
MOST = 30
#: Cells whose distances to all others are held at once.
BLOCK = 1024
#: Relative rounding of a squared distance.
TINY = 1e-9
REFERENCES = ("kynkaanniemi2019", "naeem2020")
BALL = f"B(x) the ball of a cell up to its {K}th nearest neighbour among its own side"

Floats = NDArray[np.float64]


def _definition(name: str, equation: str, *, is_target: bool = False) -> MetricDefinition:
    return MetricDefinition(
        name=name,
        version=1,
        equation=f"mean over groups of {equation}; {BALL}",
        layer="cell",
        space="the space of the compared cells; readouts where none is chosen",
        genes="all dimensions of the space, Euclidean",
        control="none",
        aggregation=f"equal-weight mean over groups with at least {K + 1} cells on each side",
        direction="target" if is_target else "higher",
        ideal=1.0,
        references=REFERENCES,
        needs_cells=True,
        is_per_group=True,
    )


@final
class KnnPrecision:
    """Share of the predicted cells that lie where real cells lie [kynkaanniemi2019]_; 0 to 1."""

    definition: ClassVar[MetricDefinition] = _definition(
        "knn_precision", "the share of predicted cells inside any B(x), x observed"
    )

    def terms(self, comparison: Comparison) -> Terms:
        """Precision of the group, and 1."""
        return population_terms(comparison, _precision, min_cells=K + 1)

    def finish(self, sums: Floats) -> Floats:
        """Mean over groups; NaN without groups."""
        return ratio(sums[..., 0], sums[..., 1])


@final
class KnnRecall:
    """Share of the real cells that lie where predicted cells lie [kynkaanniemi2019]_; 0 to 1."""

    definition: ClassVar[MetricDefinition] = _definition(
        "knn_recall", "the share of observed cells inside any B(y), y predicted"
    )

    def terms(self, comparison: Comparison) -> Terms:
        """Recall of the group, and 1."""
        return population_terms(comparison, _recall, min_cells=K + 1)

    def finish(self, sums: Floats) -> Floats:
        """Mean over groups; NaN without groups."""
        return ratio(sums[..., 0], sums[..., 1])


@final
class KnnDensity:
    """How many real balls hold a predicted cell, over their number [naeem2020]_; 1 is right.

    Below 1 predicted cells avoid where real cells are dense, above 1 they crowd there: the mean
    cell, repeated, has a high density and a poor coverage.
    """

    definition: ClassVar[MetricDefinition] = _definition(
        "knn_density",
        f"the mean over predicted cells of the number of B(x) around it, x observed, over {K}; "
        "the surface of a ball is outside",
        is_target=True,
    )

    def terms(self, comparison: Comparison) -> Terms:
        """Density of the group, and 1."""
        return population_terms(comparison, _density, min_cells=K + 1)

    def finish(self, sums: Floats) -> Floats:
        """Mean over groups; NaN without groups."""
        return ratio(sums[..., 0], sums[..., 1])


@final
class KnnCoverage:
    """Share of the real cells with a predicted cell in their ball [naeem2020]_; 0 to 1."""

    definition: ClassVar[MetricDefinition] = _definition(
        "knn_coverage", "the share of observed cells x whose B(x) holds a predicted cell"
    )

    def terms(self, comparison: Comparison) -> Terms:
        """Coverage of the group, and 1."""
        return population_terms(comparison, _coverage, min_cells=K + 1)

    def finish(self, sums: Floats) -> Floats:
        """Mean over groups; NaN without groups."""
        return ratio(sums[..., 0], sums[..., 1])


@final
class KnnMixing:
    """Neighbours from the other side over what chance gives; 0 apart, 1 mixed as by chance.

    The mixing by which batches are judged before and after a correction, of a real and a
    predicted population. Both sides weigh the same however many cells they have. Above 1 where
    predicted cells lie nearer to real ones than these to one another, as copies do.
    """

    definition: ClassVar[MetricDefinition] = MetricDefinition(
        name="knn_mixing",
        version=1,
        equation=(
            "mean over groups of the sum over the cells of both sides of the share of their k "
            "nearest neighbours, among all other cells of the group, that are of the other side, "
            f"over its expectation 2 n m / (n + m - 1); k = {MOST}, at most one less than the "
            "smaller side has; equally far neighbours share the places that are left"
        ),
        layer="cell",
        space="the space of the compared cells; readouts where none is chosen",
        genes="all dimensions of the space, Euclidean",
        control="none",
        aggregation=f"equal-weight mean over groups with at least {K + 1} cells on each side",
        direction="target",
        ideal=1.0,
        needs_cells=True,
        is_per_group=True,
    )

    def terms(self, comparison: Comparison) -> Terms:
        """Mixing of the group, and 1."""
        return population_terms(comparison, _mixing, min_cells=K + 1)

    def finish(self, sums: Floats) -> Floats:
        """Mean over groups; NaN without groups."""
        return ratio(sums[..., 0], sums[..., 1])


def _is_near(x: Floats, y: Floats, *, is_open: bool = False) -> NDArray[np.bool_]:
    """Whether a cell of y lies in the ball of a cell of x: (cells of x, cells of y).

    is_open: the surface is outside; rounding counts as the surface.
    """
    centre = x.mean(axis=0)
    x, y = x - centre, y - centre
    radii = np.partition(squared_distances(x, x), K, axis=1)[:, K] * (
        1.0 - TINY if is_open else 1.0 + TINY
    )
    return np.asarray(squared_distances(x, y) <= radii[:, None], np.bool_)


def _precision(x: Floats, y: Floats) -> float:
    return float(_is_near(x, y).any(axis=0).mean())


def _recall(x: Floats, y: Floats) -> float:
    return _precision(y, x)


def _density(x: Floats, y: Floats) -> float:
    return float(_is_near(x, y, is_open=True).sum(axis=0).mean() / K)


def _coverage(x: Floats, y: Floats) -> float:
    return float(_is_near(x, y).any(axis=1).mean())


def _mixing(x: Floats, y: Floats) -> float:
    n, m = len(x), len(y)
    cells = np.concatenate([x, y])
    cells = cells - cells.mean(axis=0)
    k = min(MOST, n - 1, m - 1)
    rounding = TINY * float(np.square(cells).sum(axis=1).mean())
    is_predicted = np.arange(n + m) >= n
    found = 0.0
    for start in range(0, n + m, BLOCK):
        block = cells[start : start + BLOCK]
        distance = squared_distances(block, cells)
        own = np.arange(len(block))
        distance[own, start + own] = np.inf
        radius = np.partition(distance, k - 1, axis=1)[:, k - 1 : k]
        is_other = is_predicted[start : start + BLOCK, None] != is_predicted
        nearer, tied = distance < radius - rounding, np.abs(distance - radius) <= rounding
        left = k - nearer.sum(axis=1)
        of_ties = (tied & is_other).sum(axis=1) / tied.sum(axis=1)
        found += float(((nearer & is_other).sum(axis=1) + left * of_ties).sum()) / k
    return found * (n + m - 1) / (2.0 * n * m)
