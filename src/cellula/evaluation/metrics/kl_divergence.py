"""Kullback-Leibler divergence between observed and predicted cells, gene by gene."""

from __future__ import annotations

from typing import ClassVar, final

import numpy as np
from numpy.typing import NDArray

from cellula.core.comparison import Comparison
from cellula.core.metric import MetricDefinition, Terms
from cellula.evaluation.metrics.samples import Sample, columns, population_terms
from cellula.evaluation.metrics.sums import ratio
from cellula.kernels.divergence import histogram_divergence_sorted

__all__ = ["KlDivergence"]


@final
class KlDivergence:
    """Kullback-Leibler divergence of the predicted from the observed distribution of every gene.

    In nats, by histograms [kullback1951]_ whose bins come from the OBSERVED cells alone; averaged
    over genes and groups. Not negative, 0 for equal samples, not symmetric.
    """

    definition: ClassVar[MetricDefinition] = MetricDefinition(
        name="kl_divergence",
        version=1,
        equation=(
            "mean over groups of mean over genes of sum over bins of p log(p / q), p of observed, "
            "q of predicted cells; 10 bins of equal width over the observed range and an open one "
            "on either side, 1/2 added to every count"
        ),
        layer="gene",
        space="the space of the compared cells; a gene is a dimension of it",
        genes="all readouts, equal weight",
        control="none",
        aggregation="equal-weight mean over groups with at least 2 cells on each side",
        direction="lower",
        ideal=0.0,
        references=("kullback1951",),
        needs_cells=True,
        is_per_group=True,
    )

    def terms(self, comparison: Comparison) -> Terms:
        """Mean divergence over the genes of the group, and 1."""
        return population_terms(comparison, _mean_divergence, min_cells=2)

    def finish(self, sums: NDArray[np.float64]) -> NDArray[np.float64]:
        """Mean over groups; NaN without groups."""
        return ratio(sums[..., 0], sums[..., 1])


def _mean_divergence(x: Sample, y: Sample) -> float:
    return float(histogram_divergence_sorted(columns(x), columns(y)).mean())
