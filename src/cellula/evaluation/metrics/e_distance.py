"""Squared E-distance between the observed and the predicted population."""

from __future__ import annotations

from typing import ClassVar, final

import numpy as np
from numpy.typing import NDArray

from cellula.core.comparison import Comparison
from cellula.core.metric import MetricDefinition, Terms
from cellula.evaluation.metrics.samples import Sample, population_terms, values
from cellula.evaluation.metrics.sums import ratio
from cellula.kernels.squared_distance import Centre, centre_of, e_distance_of

__all__ = ["EDistance"]


@final
class EDistance:
    """Squared E-distance [peidli2024]_ of two populations, averaged over groups; squared units.

    It equals 2(|a - b|^2 - S_x/n - S_y/m), a and b the mean profiles and S the summed unbiased
    variances: it compares means and nothing else. Unbiased, so a perfect prediction has 0 in
    expectation and may fall below; the energy distance sees whole distributions.
    """

    definition: ClassVar[MetricDefinition] = MetricDefinition(
        name="e_distance",
        version=1,
        equation=(
            "mean over groups of 2 mean|x-y|^2 - mean|x-x'|^2 - mean|y-y'|^2, x the observed and y "
            "the predicted cells, x' and y' different cells of the same side (unbiased, may be "
            "negative)"
        ),
        layer="population",
        space="the space of the compared cells; readouts where none is chosen",
        genes="all dimensions of the space",
        control="none",
        aggregation="equal-weight mean over groups with at least 2 cells on each side",
        direction="lower",
        ideal=0.0,
        references=("peidli2024",),
        needs_cells=True,
        is_per_group=True,
    )

    def terms(self, comparison: Comparison) -> Terms:
        """Squared E-distance of the group, and 1."""
        return population_terms(comparison, _squared, min_cells=2)

    def finish(self, sums: NDArray[np.float64]) -> NDArray[np.float64]:
        """Mean over groups; NaN without groups."""
        return ratio(sums[..., 0], sums[..., 1])


def _squared(x: Sample, y: Sample) -> float:
    return e_distance_of(x.derived(_centre), y.derived(_centre))


def _centre(sample: Sample) -> Centre:
    return centre_of(values(sample))
