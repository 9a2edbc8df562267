"""Do predicted cells lie where real cells lie, everywhere, among them? By nearest neighbours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
from numpy.typing import NDArray

from cellula.core.comparison import Comparison
from cellula.core.metric import MetricDefinition, Terms
from cellula.evaluation.metrics.samples import (
    Sample,
    distance_rows,
    distances,
    is_small,
    population_terms,
    row_blocks,
)
from cellula.evaluation.metrics.sums import ratio
from cellula.kernels.nearest_neighbours import mixed_neighbours

__all__ = ["KnnCoverage", "KnnDensity", "KnnMixing", "KnnPrecision", "KnnRecall"]

#: Neighbours that make the ball of a cell.
K = 5
#: Most neighbours of a cell among the cells of both sides.
MOST = 30
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
        return population_terms(
            comparison, lambda x, y: y.derived(_shares, x).precision, min_cells=K + 1
        )

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
        return population_terms(
            comparison, lambda x, y: y.derived(_shares, x).recall, min_cells=K + 1
        )

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
        return population_terms(
            comparison, lambda x, y: y.derived(_shares, x).density, min_cells=K + 1
        )

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
        return population_terms(
            comparison, lambda x, y: y.derived(_shares, x).coverage, min_cells=K + 1
        )

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


@dataclass(frozen=True, slots=True)
class _Shares:
    """What the four metrics of balls say of one group."""

    precision: float
    recall: float
    density: float
    coverage: float


def _shares(y: Sample, x: Sample) -> _Shares:
    """Of observed cells x and predicted cells y. Rounding counts as the surface of a ball."""
    of_x, of_y = x.derived(_radii), y.derived(_radii)
    is_real, is_covered = np.zeros(len(y), bool), np.zeros(len(x), bool)
    n_around, n_known = 0, 0
    for rows in row_blocks(x, y):
        squared, radii = distance_rows(x, rows, y), of_x[rows, None]
        is_near = squared <= radii * (1.0 + TINY)
        is_real |= is_near.any(axis=0)
        is_covered[rows] = is_near.any(axis=1)
        n_around += int(np.count_nonzero(squared <= radii * (1.0 - TINY)))
        n_known += int((squared <= of_y * (1.0 + TINY)).any(axis=1).sum())
    return _Shares(
        precision=float(is_real.mean()),
        recall=n_known / len(x),
        density=n_around / (len(y) * K),
        coverage=float(is_covered.mean()),
    )


def _radii(sample: Sample) -> Floats:
    """Squared distance of every cell from its K-th nearest neighbour on its own side."""
    blocks = row_blocks(sample, sample)
    parts = [np.partition(distance_rows(sample, rows, sample), K, axis=1)[:, K] for rows in blocks]
    return np.concatenate(parts)


def _mixing(x: Sample, y: Sample) -> float:
    n, m = len(x), len(y)
    k = min(MOST, n - 1, m - 1)
    total = x.derived(_summed, x) + y.derived(_summed, y) + 2.0 * y.derived(_summed, x)
    rounding = TINY * total / (2.0 * (n + m) ** 2)  # of the mean squared distance from the mean
    found = 0.0
    for cells, others in ((x, y), (y, x)):
        for rows in row_blocks(cells, x, y):
            own = distance_rows(cells, rows, cells)
            if cells is x or not is_small(x, y):
                other = distance_rows(cells, rows, others)
            else:
                other = np.ascontiguousarray(distances(x, y)[:, rows].T)
            found += mixed_neighbours(own, other, rows.start, k, rounding)
    return found / k * (n + m - 1) / (2.0 * n * m)


def _summed(y: Sample, x: Sample) -> float:
    return float(sum(distance_rows(x, rows, y).sum() for rows in row_blocks(x, y)))
