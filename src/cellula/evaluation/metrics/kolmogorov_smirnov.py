"""Kolmogorov-Smirnov statistic of observed and predicted cells, gene by gene."""

from __future__ import annotations

from typing import ClassVar, final

import numpy as np
from numpy.typing import NDArray

from cellula.core.comparison import Comparison
from cellula.core.metric import MetricDefinition, Terms
from cellula.evaluation.metrics.samples import Sample, columns, population_terms
from cellula.evaluation.metrics.sums import ratio
from cellula.kernels.kolmogorov_smirnov import kolmogorov_smirnov_sorted

__all__ = ["KolmogorovSmirnov"]


@final
class KolmogorovSmirnov:
    """Two-sample Kolmogorov-Smirnov statistic [smirnov1948]_, averaged over genes and groups.

    Between 0 (equal samples) and 1 (separated); it does not depend on the scale of a gene.
    """

    definition: ClassVar[MetricDefinition] = MetricDefinition(
        name="kolmogorov_smirnov",
        version=1,
        equation=(
            "mean over groups of mean over genes of the largest |F - G|, F and G the empirical "
            "distribution functions of observed and predicted cells"
        ),
        layer="gene",
        space="the space of the compared cells; a gene is a dimension of it",
        genes="all readouts, equal weight",
        control="none",
        aggregation="equal-weight mean over groups with at least 1 cell on each side",
        direction="lower",
        ideal=0.0,
        references=("smirnov1948",),
        needs_cells=True,
        is_per_group=True,
    )

    def terms(self, comparison: Comparison) -> Terms:
        """Mean statistic over the genes of the group, and 1."""
        return population_terms(comparison, _mean_statistic, min_cells=1)

    def finish(self, sums: NDArray[np.float64]) -> NDArray[np.float64]:
        """Mean over groups; NaN without groups."""
        return ratio(sums[..., 0], sums[..., 1])


def _mean_statistic(x: Sample, y: Sample) -> float:
    return float(kolmogorov_smirnov_sorted(columns(x), columns(y)).mean())
