"""Energy distance between the observed and the predicted population."""

from __future__ import annotations

from typing import ClassVar, final

import numpy as np
from numpy.typing import NDArray

from cellula.core.comparison import Comparison
from cellula.core.metric import MetricDefinition, Terms
from cellula.evaluation.metrics.pair_sums import pair_sums
from cellula.evaluation.metrics.samples import Sample, population_terms
from cellula.evaluation.metrics.sums import ratio
from cellula.kernels.energy import energy_of_sums

__all__ = ["EnergyDistance"]


@final
class EnergyDistance:
    """Energy distance [szekely2013]_ of two populations, averaged over groups; units of the space.

    The numbers of predicted cells do not matter in expectation, so a model that emits thousands
    of cells has no advantage over a replicate of fifty. Two samples of n cells of one
    distribution are apart by about 2E|X-X'|/n, which model, baseline and replicate share.
    """

    definition: ClassVar[MetricDefinition] = MetricDefinition(
        name="energy_distance",
        version=1,
        equation=(
            "mean over groups of 2E|X-Y| - E|X-X'| - E|Y-Y'| + (1/n - 1/m) S, Euclidean, X the n "
            "observed and Y the m predicted cells; E over all pairs (V-statistic), S the mean "
            "distance of two different predicted cells: any m is judged like m = n"
        ),
        layer="population",
        space="the space of the compared cells; readouts where none is chosen",
        genes="all dimensions of the space",
        control="none",
        aggregation="equal-weight mean over groups with at least 2 cells on each side",
        direction="lower",
        ideal=0.0,
        references=("szekely2013",),
        needs_cells=True,
        is_per_group=True,
    )

    def terms(self, comparison: Comparison) -> Terms:
        """Energy distance of the group, and 1."""
        return population_terms(comparison, _sized, min_cells=2)

    def finish(self, sums: NDArray[np.float64]) -> NDArray[np.float64]:
        """Mean over groups; NaN without groups."""
        return ratio(sums[..., 0], sums[..., 1])


def _sized(x: Sample, y: Sample) -> float:
    sums = pair_sums(x, y)
    apart = float(sums.between[0]), float(sums.within_x[0]), float(sums.within_y[0])
    return energy_of_sums(apart, len(x), len(y), is_sized=True)
