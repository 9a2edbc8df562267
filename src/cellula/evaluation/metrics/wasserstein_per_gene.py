"""Wasserstein distance between observed and predicted cells, gene by gene."""

from __future__ import annotations

from typing import ClassVar, final

import numpy as np
from numpy.typing import NDArray

from cellula.core.comparison import Comparison
from cellula.core.metric import MetricDefinition, Terms
from cellula.evaluation.metrics.samples import Sample, columns, population_terms
from cellula.evaluation.metrics.sums import ratio
from cellula.kernels.wasserstein import wasserstein_sorted

__all__ = ["WassersteinPerGene"]


@final
class WassersteinPerGene:
    """One-dimensional Wasserstein-1 distance [vallender1974]_, averaged over genes and groups.

    In units of the value type; 0 for equal distributions.
    """

    definition: ClassVar[MetricDefinition] = MetricDefinition(
        name="wasserstein_per_gene",
        version=1,
        equation=(
            "mean over groups of mean over genes of the integral of |F - G|, F and G the "
            "empirical distribution functions of observed and predicted cells"
        ),
        layer="gene",
        space="the space of the compared cells; a gene is a dimension of it",
        genes="all readouts, equal weight",
        control="none",
        aggregation="equal-weight mean over groups with at least 1 cell on each side",
        direction="lower",
        ideal=0.0,
        references=("ramdas2017",),
        needs_cells=True,
        is_per_group=True,
    )

    def terms(self, comparison: Comparison) -> Terms:
        """Mean distance over the genes of the group, and 1."""
        return population_terms(comparison, _mean_distance, min_cells=1)

    def finish(self, sums: NDArray[np.float64]) -> NDArray[np.float64]:
        """Mean over groups; NaN without groups."""
        return ratio(sums[..., 0], sums[..., 1])


def _mean_distance(x: Sample, y: Sample) -> float:
    return float(wasserstein_sorted(columns(x), columns(y)).mean())
