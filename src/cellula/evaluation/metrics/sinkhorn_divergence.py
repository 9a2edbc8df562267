"""Entropic optimal transport between observed and predicted cells, without its bias."""

from __future__ import annotations

from typing import ClassVar, final

import numpy as np
from numpy.typing import NDArray

from cellula.core.comparison import Comparison
from cellula.core.metric import MetricDefinition, Terms
from cellula.evaluation.metrics.samples import Sample, distances, population_terms
from cellula.evaluation.metrics.sums import ratio
from cellula.kernels.entropic_transport import entropic_cost

__all__ = ["SinkhornDivergence"]

#: The entropy's share of the median cost.
SHARE = 0.05

Floats = NDArray[np.float64]


@final
class SinkhornDivergence:
    """Cost of moving the predicted cells onto the real ones, softened by entropy [feydy2019]_.

    Not negative, 0 for equal samples; between Wasserstein (little entropy) and MMD (much).
    """

    definition: ClassVar[MetricDefinition] = MetricDefinition(
        name="sinkhorn_divergence",
        version=1,
        equation=(
            "mean over groups of S(x, y) - S(x, x) / 2 - S(y, y) / 2, S the least <P, C> + e KL(P "
            "| uniform) over couplings P, to marginals within 1e-3 or 500 iterations; C squared "
            f"Euclidean distances, e = {SHARE} times the median of C between different observed "
            "cells"
        ),
        layer="population",
        space="the space of the compared cells; readouts where none is chosen",
        genes="all dimensions of the space",
        control="none",
        aggregation="equal-weight mean over groups with at least 2 cells on each side",
        direction="lower",
        ideal=0.0,
        references=("cuturi2013", "feydy2019"),
        needs_cells=True,
        is_per_group=True,
    )

    def terms(self, comparison: Comparison) -> Terms:
        """Divergence of the group, and 1."""
        return population_terms(comparison, _divergence, min_cells=2)

    def finish(self, sums: Floats) -> Floats:
        """Mean over groups; NaN without groups."""
        return ratio(sums[..., 0], sums[..., 1])


def _divergence(x: Sample, y: Sample) -> float:
    between, entropy = distances(x, y), x.derived(_entropy)
    if entropy:
        own = x.derived(_own_cost)
    else:  # half of the pairs of observed cells are equal
        entropy = SHARE * float(between.mean())
        if not entropy:
            return 0.0  # all cells of both sides are equal
        own = entropic_cost(distances(x, x), entropy)
    own += entropic_cost(distances(y, y), entropy)
    return max(entropic_cost(between, entropy) - own / 2.0, 0.0)


def _entropy(x: Sample) -> float:
    within = distances(x, x)
    return SHARE * float(np.median(within[np.triu_indices(len(x), 1)]))


def _own_cost(x: Sample) -> float:
    return entropic_cost(distances(x, x), x.derived(_entropy))
