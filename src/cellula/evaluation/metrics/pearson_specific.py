"""Correlation of what is specific to a perturbation: each side from its own centroid."""

from __future__ import annotations

from typing import ClassVar, final

import numpy as np
from numpy.typing import NDArray

from cellula.core.comparison import Comparison
from cellula.core.metric import MetricDefinition, Terms
from cellula.core.numerals import plural
from cellula.evaluation.metrics.change import centred_change, row_correlation
from cellula.evaluation.metrics.rivals import POOL, pools, strata
from cellula.evaluation.metrics.sums import mean_terms, missing, no_terms, ratio
from cellula.evaluation.question import labels_of

__all__ = ["PearsonSpecific"]

#: Fewest readouts of a profile: two points always correlate perfectly.
MIN_READOUTS = 3

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]


@final
class PearsonSpecific:
    """Pearson correlation over readouts of deviations from the centroid of the own side, -1 to 1.

    The question of [vinastorne2025]_, does an answer tell one perturbation from another, with the
    observed profiles taken from the observed centroid and the predicted ones from the predicted
    centroid. So it needs no estimate of a centroid from other data, and one answer for all
    perturbations, right or wrong, has exactly 0; ``pearson_centroid`` rewards one that is nearer
    to the truth than the mean response. What all answers have in common plays no part, nor does a
    factor of all changes.
    """

    definition: ClassVar[MetricDefinition] = MetricDefinition(
        name="pearson_specific",
        version=1,
        equation=(
            "mean over groups of the Pearson correlation over readouts of (observed - mean "
            "observed over all groups of its pool) with (predicted - mean predicted over all "
            "groups of its pool); 0 where the predicted deviation is the same in all readouts"
        ),
        layer="gene",
        space="readouts",
        genes="all readouts",
        control="none: the centroid of the pool, on each side its own",
        aggregation=(
            f"equal-weight mean over groups; at least {MIN_READOUTS} readouts, an observed "
            "deviation that varies, two perturbations in the pool; pool, of groups that have both "
            f"profiles: {POOL}"
        ),
        direction="higher",
        ideal=1.0,
        references=("vinastorne2025",),
    )

    def terms(self, comparison: Comparison) -> Terms:
        """Correlation of the group, and 1."""
        n_groups, n_readouts = comparison.observed.shape
        if n_readouts < MIN_READOUTS:
            reason = f"{plural(n_readouts, 'readout')}, a profile needs {MIN_READOUTS}"
            return no_terms(n_groups, reason)
        sides = missing(observed=comparison.observed, predicted=comparison.predicted)
        observed, predicted = _centroids(comparison, np.asarray(sides == "", bool))
        is_alone = np.isnan(observed).any(axis=1)
        alone = "no other perturbation in the group's context"
        reasons = np.where((sides == "") & is_alone, alone, sides)
        truth = centred_change(comparison.observed, observed)
        flat = "the observed deviation from the centroid is the same in all readouts"
        reasons = np.where((reasons == "") & ((truth**2).sum(axis=1) == 0), flat, reasons)
        values = row_correlation(truth, centred_change(comparison.predicted, predicted))
        return mean_terms(values, reasons)

    def finish(self, sums: Floats) -> Floats:
        """Mean over groups; NaN without groups."""
        return ratio(sums[..., 0], sums[..., 1])


def _centroids(comparison: Comparison, is_there: Mask) -> tuple[Floats, Floats]:
    """Mean over the groups of the pool of every group, of both sides: (groups, readouts).

    NaN for a group whose pool holds no other perturbation.
    """
    perturbation, _ = labels_of(comparison.groups["perturbation"])
    both = np.stack([comparison.observed, comparison.predicted])
    centroids = np.full(both.shape, np.nan)
    waiting = is_there
    for stratum in strata(comparison):
        for pool in pools(stratum):
            members = pool[is_there[pool]]
            rows = members[waiting[members]]
            if len(rows) and len(np.unique(perturbation[members])) > 1:
                centroids[:, rows] = both[:, members].mean(axis=1, keepdims=True)
        waiting = waiting & np.isnan(centroids[0]).any(axis=1)
    return centroids[0], centroids[1]
