"""Maximum mean discrepancy between the observed and the predicted population."""

from __future__ import annotations

from typing import ClassVar, final

import numpy as np
from numpy.typing import NDArray

from cellula.core.comparison import Comparison
from cellula.core.metric import MetricDefinition, Terms
from cellula.evaluation.metrics.pair_sums import pair_sums
from cellula.evaluation.metrics.samples import Sample, population_terms
from cellula.evaluation.metrics.sums import ratio
from cellula.kernels.mmd import mmd_of_sums

__all__ = ["Mmd"]


@final
class Mmd:
    """Squared maximum mean discrepancy [gretton2008]_ of two populations, averaged over groups.

    Five Gaussian kernels whose widths come from the OBSERVED cells alone, so that a prediction
    cannot choose them. Without unit, at most 2. The number of predicted cells does not matter in
    expectation, as in the energy distance.
    """

    definition: ClassVar[MetricDefinition] = MetricDefinition(
        name="mmd",
        version=1,
        equation=(
            "mean over groups of the mean over b = -2 .. 2 of E k(X,X') + E k(Y,Y') - 2 E k(X,Y) + "
            "(1/n - 1/m)(1 - K), k = exp(-2^b |x - y|^2 / s^2), X the n observed and Y the m "
            "predicted cells, s^2 the mean squared distance of two different observed cells; E "
            "over all pairs (V-statistic), K the mean k of two different predicted cells"
        ),
        layer="population",
        space="the space of the compared cells; readouts where none is chosen",
        genes="all dimensions of the space",
        control="none",
        aggregation="equal-weight mean over groups with at least 2 cells on each side",
        direction="lower",
        ideal=0.0,
        references=("gretton2008",),
        needs_cells=True,
        is_per_group=True,
    )

    def terms(self, comparison: Comparison) -> Terms:
        """Squared discrepancy of the group, and 1."""
        return population_terms(comparison, _discrepancy, min_cells=2)

    def finish(self, sums: NDArray[np.float64]) -> NDArray[np.float64]:
        """Mean over groups; NaN without groups."""
        return ratio(sums[..., 0], sums[..., 1])


def _discrepancy(x: Sample, y: Sample) -> float:
    sums = pair_sums(x, y)
    kernels = sums.between[1:], sums.within_x[1:], sums.within_y[1:]
    return float(mmd_of_sums(kernels, len(x), len(y), is_sized=True).mean())
