"""Sliced Wasserstein distance between the observed and the predicted population."""

from __future__ import annotations

from functools import lru_cache
from typing import ClassVar, final

import numpy as np
from numpy.typing import NDArray

from cellula.core.comparison import Comparison
from cellula.core.metric import MetricDefinition, Terms
from cellula.evaluation.metrics.samples import Sample, population_terms, values
from cellula.evaluation.metrics.sums import ratio
from cellula.kernels.sliced_wasserstein import directions, projected
from cellula.kernels.sorted_columns import Columns
from cellula.kernels.wasserstein import wasserstein_sorted

__all__ = ["SlicedWasserstein"]

N_DIRECTIONS, KEY = 128, 2015


@final
class SlicedWasserstein:
    """Sliced Wasserstein-1 distance [bonneel2015]_, averaged over groups; units of the space.

    128 directions, fixed for every number of dimensions, so that two runs, two models and two
    laboratories project alike. 0 for equal samples; keeps the triangle inequality.
    """

    definition: ClassVar[MetricDefinition] = MetricDefinition(
        name="sliced_wasserstein",
        version=1,
        equation=(
            "mean over groups of the mean over 128 directions of the Wasserstein-1 distance of the "
            "projections of observed and predicted cells; directions: rows of standard normals of "
            "numpy's Philox with key 2015, normed"
        ),
        layer="population",
        space="the space of the compared cells; readouts where none is chosen",
        genes="all dimensions of the space",
        control="none",
        aggregation="equal-weight mean over groups with at least 1 cell on each side",
        direction="lower",
        ideal=0.0,
        references=("bonneel2015", "salmon2011"),
        needs_cells=True,
        is_per_group=True,
    )

    def terms(self, comparison: Comparison) -> Terms:
        """Sliced distance of the group, and 1."""
        cells = comparison.observed_cells
        along = _along(1 if cells is None else cells.n_dimensions)

        def sliced(x: Sample, y: Sample) -> float:
            left, right = (part.derived(_projected, along) for part in (x, y))
            return float(wasserstein_sorted(left, right).mean())

        return population_terms(comparison, sliced, min_cells=1)

    def finish(self, sums: NDArray[np.float64]) -> NDArray[np.float64]:
        """Mean over groups; NaN without groups."""
        return ratio(sums[..., 0], sums[..., 1])


@lru_cache(maxsize=2)
def _along(n_dimensions: int) -> NDArray[np.float64]:
    return np.asfortranarray(directions(n_dimensions, N_DIRECTIONS, KEY))


def _projected(sample: Sample, along: NDArray[np.float64]) -> Columns:
    return projected(values(sample), along)
