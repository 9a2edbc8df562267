"""Whether a prediction is told from the others: centroid accuracy, and its transposed question.

Both rank the own profile among those of the rivals of a group: the other perturbations of its pool,
which is as narrow as holds one (see :mod:`cellula.evaluation.metrics.rivals`). A rival whose
observed profile is the group's own cannot be told from it and does not count.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, Literal, final

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from cellula.core.comparison import Comparison
from cellula.core.metric import MetricDefinition, Terms
from cellula.evaluation.metrics.rivals import POOL, pools, strata
from cellula.evaluation.metrics.sums import mean_terms, missing, ratio
from cellula.evaluation.question import labels_of

__all__ = ["CentroidAccuracy", "NormalisedInverseRank"]

#: Groups whose distances to all their rivals are held at once.
BLOCK = 1024

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]
Asked = Literal["predicted", "observed"]

RIVALS = f"the other perturbations of its pool whose observed profile differs; pool: {POOL}"


@final
class CentroidAccuracy:
    """Share of the rivals' observed profiles that are farther from the prediction than its own.

    Systema's centroid accuracy [vinastorne2025]_: 1 where the nearest observed profile is the own
    one, .5 by chance. One answer for all perturbations, whatever it is, has exactly .5 over the
    groups of a context. The distance is Euclidean, so changes from control times 3 may raise or
    lower it: an answer that is too small is nearest to weak responses.
    """

    definition: ClassVar[MetricDefinition] = MetricDefinition(
        name="centroid_accuracy",
        version=1,
        equation=(
            "mean over groups g of the share, among all groups h that are rivals of g, with "
            "|predicted_g - observed_h| > |predicted_g - observed_g|, equal distances counted half"
        ),
        layer="gene",
        space="readouts",
        genes="all readouts",
        control="none: profiles of one context share their control",
        aggregation=f"equal-weight mean over groups with a rival; rivals of a group are {RIVALS}",
        direction="higher",
        ideal=1.0,
        references=("vinastorne2025",),
    )

    def terms(self, comparison: Comparison) -> Terms:
        """Share of the group, and 1."""
        return _terms(comparison, "predicted")

    def finish(self, sums: Floats) -> Floats:
        """Mean over groups; NaN without groups."""
        return ratio(sums[..., 0], sums[..., 1])


@final
class NormalisedInverseRank:
    """Share of the rivals' predictions that are farther from the observation than its own.

    The transposed question of the centroid accuracy, which shows the collapse of all answers into
    one [mejia2025]_: 1 where the nearest prediction is the own one, .5 by chance, and exactly .5
    for one answer to all perturbations, because equal distances count half. A prediction that is
    no number counts as nearer than any. The distance is Euclidean, so changes from control times 3
    may raise or lower it.
    """

    definition: ClassVar[MetricDefinition] = MetricDefinition(
        name="normalised_inverse_rank",
        version=1,
        equation=(
            "mean over groups g of the share, among all groups h that are rivals of g, with "
            "|observed_g - predicted_h| > |observed_g - predicted_g|, equal distances counted half"
        ),
        layer="gene",
        space="readouts",
        genes="all readouts",
        control="none: profiles of one context share their control",
        aggregation=f"equal-weight mean over groups with a rival; rivals of a group are {RIVALS}",
        direction="higher",
        ideal=1.0,
        references=("mejia2025",),
    )

    def terms(self, comparison: Comparison) -> Terms:
        """Share of the group, and 1."""
        return _terms(comparison, "observed")

    def finish(self, sums: Floats) -> Floats:
        """Mean over groups; NaN without groups."""
        return ratio(sums[..., 0], sums[..., 1])


def _terms(comparison: Comparison, asked: Asked) -> Terms:
    """asked: the side whose profile looks for its own among those of the other side."""
    observed, predicted = comparison.observed, comparison.predicted
    own, others = (predicted, observed) if asked == "predicted" else (observed, predicted)
    reasons = missing(observed=observed, predicted=predicted)
    has_observed = np.asarray(np.isfinite(observed).all(axis=1), bool)
    perturbation, _ = labels_of(comparison.groups["perturbation"])
    same = np.unique(observed + 0.0, axis=0, return_inverse=True)[1].ravel()
    values = np.full(len(observed), np.nan)
    waiting = np.asarray(reasons == "", bool)
    for stratum in strata(comparison):
        for rows, pool in _blocks(stratum, waiting, has_observed):
            is_rival = (perturbation[rows][:, None] != perturbation[pool]) & (
                same[rows][:, None] != same[pool]
            )
            values[rows] = _shares(
                cdist(own[rows], others[pool], "sqeuclidean"), rows, pool, is_rival
            )
        waiting = np.asarray(waiting & np.isnan(values), bool)
    alone = "no other perturbation with another observed profile in the group's context"
    return mean_terms(values, np.where(waiting, alone, reasons))


def _blocks(
    stratum: Codes, waiting: NDArray[np.bool_], is_there: NDArray[np.bool_]
) -> Iterator[tuple[Codes, Codes]]:
    """Some waiting groups of a stratum, and all of it that are there."""
    for pool in pools(stratum):
        rows = pool[waiting[pool]]
        for start in range(0, len(rows), BLOCK):
            yield rows[start : start + BLOCK], pool[is_there[pool]]


def _shares(distance: Floats, rows: Codes, pool: Codes, is_rival: NDArray[np.bool_]) -> Floats:
    """Share of the rivals in the pool that are farther than the own one; NaN without rivals.

    distance, is_rival: (rows, pool); rows, pool: groups, the rows among the pool.
    """
    near = distance[rows[:, None] == pool][:, None]
    counted = (distance > near) + 0.5 * (distance == near)
    n_rivals = is_rival.sum(axis=1).astype(np.float64)
    return ratio((counted * is_rival).sum(axis=1), n_rivals)
