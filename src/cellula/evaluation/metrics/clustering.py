"""Do the predicted responses fall into the clusters into which the real ones fall?

A profile is the change from control of one question (perturbation, context, dose, time,
individual), averaged over its units. Real and predicted profiles are clustered apart, by one
rule at one resolution, and the partitions are compared. A published scorer tries several
resolutions on the predicted side and keeps the best agreement; a maximum over tries rises with
their number and with noise, and it rises for a prediction that has no structure, so ours is
fixed beforehand. Folds are clustered apart: fits of different folds differ, and the clusters of
a prediction that knows nothing would be its folds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
from numpy.typing import NDArray

from cellula.core.comparison import Comparison
from cellula.core.metric import MetricDefinition, Terms
from cellula.core.numerals import plural
from cellula.core.query import QueryTable
from cellula.evaluation.metrics.profile_clusters import K, profile_clusters
from cellula.evaluation.metrics.sums import missing, ratio

__all__ = ["ClusteringAri", "ClusteringNmi"]

#: Fewest real profiles of a fold: two clusters in which all neighbours are of their own.
FEWEST = 2 * (K + 1)
#: Most profiles of a fold: all pairs are compared.
MOST = 5000
#: Most clusters: the contingency table is part of the terms of every group.
MOST_CLUSTERS = 64
#: Profiles whose weights are kept one by one; of more, so many stand for all.
WITNESSES = 256
#: Columns before those of the contingency table: weight, fold, squared fold, witnesses.
HEAD = 3 + WITNESSES
#: A change below this share of the profile is rounding, not a change.
TOLERANCE = 1e-12

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]


def _definition(name: str, what: str, references: tuple[str, ...]) -> MetricDefinition:
    return MetricDefinition(
        name=name,
        version=1,
        equation=(
            f"{what} of the clusters of (observed - control) with those of (predicted - control) "
            "over the questions of all groups, each averaged over its units; clusters = Louvain's "
            f"communities at resolution 1 (seed 0) of the graph of the {K} nearest neighbours by "
            "cosine"
        ),
        layer="phenotype",
        space="readouts",
        genes="all readouts",
        control="mean of the real controls of the group's context, on both sides",
        aggregation=(
            f"every question counts once; equal-weight mean over folds with {FEWEST} to {MOST} "
            f"questions and 2 to {MOST_CLUSTERS} observed clusters; of more predicted ones the "
            "smallest are one"
        ),
        direction="higher",
        ideal=1.0,
        references=("blondel2008", *references),
    )


@final
class ClusteringAri:
    """Adjusted Rand index [hubert1985]_ of real and predicted clusters; 0 by chance, 1 at most.

    Resampled questions are no pair with themselves, so the resamples are not drawn to 1.
    """

    definition: ClassVar[MetricDefinition] = _definition(
        "clustering_ari", "adjusted Rand index", ("hubert1985",)
    )

    def terms(self, comparison: Comparison) -> Terms:
        """Weight, fold, witnesses and the cell of the contingency table of every group."""
        return _terms(comparison)

    def finish(self, sums: Floats) -> Floats:
        """The index over pairs of different questions; NaN where all are in one real cluster."""
        table, total = _table(sums), sums[..., 0]
        witness = sums[..., 3:HEAD]
        alone = total * ratio(np.square(witness).sum(axis=-1), witness.sum(axis=-1))
        both = np.square(table).sum(axis=(-2, -1)) - alone
        real = np.square(table.sum(axis=-1)).sum(axis=-1) - alone
        told = np.square(table.sum(axis=-2)).sum(axis=-1) - alone
        pairs = total**2 - alone
        # both, real and told: the weight of the pairs joined by both sides, by one of them
        expected = ratio(real * told, pairs)
        value = ratio(both - expected, (real + told) / 2.0 - expected)
        return np.where(_is_told(sums, table), value, np.nan)


@final
class ClusteringNmi:
    """Mutual information of real and predicted clusters over the mean of their entropies.

    0 to 1 [danon2005]_. Not corrected for chance: it rises with the number of clusters and, in a
    resample, with the questions that are missing from it; the adjusted Rand index does not.
    """

    definition: ClassVar[MetricDefinition] = _definition(
        "clustering_nmi",
        "mutual information over the mean of the two entropies,",
        ("danon2005",),
    )

    def terms(self, comparison: Comparison) -> Terms:
        """Weight, fold, witnesses and the cell of the contingency table of every group."""
        return _terms(comparison)

    def finish(self, sums: Floats) -> Floats:
        """The quotient; NaN where all questions are in one real cluster."""
        table = _table(sums)
        real, told = (_entropy(table.sum(axis=axis), sums) for axis in (-1, -2))
        joint = _entropy(table.reshape(*sums.shape[:-1], -1), sums)
        value = ratio(real + told - joint, (real + told) / 2.0)
        return np.where(_is_told(sums, table), np.clip(value, 0.0, 1.0), np.nan)


def _table(sums: Floats) -> Floats:
    """The contingency table of sums (..., terms): (..., real clusters, predicted clusters)."""
    size = round(np.sqrt(sums.shape[-1] - HEAD))
    return sums[..., HEAD:].reshape(*sums.shape[:-1], size, size)


def _is_told(sums: Floats, table: Floats) -> NDArray[np.bool_]:
    """Whether the sums are of one fold and of two real clusters or more."""
    total, fold, square = sums[..., 0], sums[..., 1], sums[..., 2]
    is_one_fold = np.abs(total * square - fold**2) <= 1e-9 * total * square
    return np.asarray(is_one_fold & ((table.sum(axis=-1) > 0).sum(axis=-1) > 1), np.bool_)


def _entropy(weights: Floats, sums: Floats) -> Floats:
    """Entropy, in nats, of weights (..., parts) of the sums' total."""
    share = ratio(weights, np.broadcast_to(sums[..., :1], weights.shape))
    logarithm = np.log(np.where(share > 0, share, 1.0))
    return np.asarray(-(share * logarithm).sum(axis=-1), np.float64)


# -- terms ------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class _Fold:
    """The groups of a fold: rows, weights, their question if it is a witness else -1, clusters."""

    rows: Codes
    weight: Floats
    witness: Codes
    real: Codes
    told: Codes


def _terms(comparison: Comparison) -> Terms:
    n_groups = len(comparison.groups)
    fold = np.zeros(n_groups, np.int64) if comparison.fold is None else comparison.fold
    if comparison.reference is None:
        why = "there are no controls to take a change from"
        return Terms(np.full((n_groups, HEAD + 1), np.nan), np.full(n_groups, why), fold)
    observed, predicted, reference = comparison.observed, comparison.predicted, comparison.reference
    reasons = missing(control=reference, observed=observed, predicted=predicted).astype(object)
    is_there = reasons == ""
    question = QueryTable.from_frame(comparison.groups).keys()
    parts: list[_Fold] = []
    for code in np.unique(fold):
        rows = np.flatnonzero((fold == code) & is_there)
        order = rows[np.lexsort((comparison.unit[rows], question[rows]))]
        x, y = (_change(one[order], reference[order]) for one in (observed, predicted))
        found = _clustered(order, x, y, question[order])
        if isinstance(found, str):
            reasons[rows] = found
        else:
            parts.append(found)
    return Terms(_columns(parts, fold), reasons.astype(str), fold)


def _change(profile: Floats, reference: Floats) -> Floats:
    """Profile less reference; 0 where it is rounding only: (groups, readouts)."""
    change = profile - reference
    largest = np.maximum(np.abs(profile), np.abs(reference)).max(axis=1, initial=0.0)
    is_rounding = np.abs(change).max(axis=1, initial=0.0) <= TOLERANCE * largest
    return np.where(is_rounding[:, None], 0.0, change)


def _clustered(rows: Codes, x: Floats, y: Floats, question: Codes) -> _Fold | str:
    """The clusters of the groups of a fold, or why there are none.

    x, y: observed and predicted changes (groups, readouts); question: codes, ascending (groups,).
    """
    codes, count = np.unique(question, return_inverse=True, return_counts=True)[1:]
    n = len(count)
    if n < FEWEST:
        return f"{plural(n, 'question')} of a fold with a value, clusters need {FEWEST}"
    if n > MOST:
        return f"{plural(n, 'question')} of a fold, more than {MOST}: score a part of them"
    real, told = (profile_clusters(_means(side, codes, count)) for side in (x, y))
    n_clusters = int(real.max()) + 1
    if n_clusters == 1:
        return "the observed profiles form one cluster"
    if n_clusters > MOST_CLUSTERS:
        return (
            f"the observed profiles form {n_clusters} clusters, more than {MOST_CLUSTERS}: near "
            "copies, such as the doses of one drug, have only one another as neighbours"
        )
    told = _at_most(told, MOST_CLUSTERS)
    witness = np.full(n, -1)
    chosen = np.linspace(0, n - 1, min(n, WITNESSES)).astype(np.int64)
    witness[chosen] = np.arange(len(chosen))
    return _Fold(rows, 1.0 / count[codes], witness[codes], real[codes], told[codes])


def _at_most(clusters: Codes, most: int) -> Codes:
    """Codes 0 .. most - 1: the largest clusters, of equal ones the first, and one of the rest."""
    size = np.bincount(clusters)
    rank = np.argsort(np.argsort(-size, kind="stable"), kind="stable")
    return np.minimum(rank[clusters], most - 1).astype(np.int64)


def _means(values: Floats, codes: Codes, count: Codes) -> Floats:
    """Mean over the groups of every question, which stand together: (questions, readouts)."""
    first = np.flatnonzero(np.diff(codes, prepend=-1))
    return np.asarray(np.add.reduceat(values, first, axis=0) / count[:, None], np.float64)


def _columns(parts: list[_Fold], fold: Codes) -> Floats:
    """The terms of all groups (groups, HEAD + table); NaN where a group has none."""
    size = max((int(max(part.real.max(), part.told.max())) + 1 for part in parts), default=1)
    values = np.full((len(fold), HEAD + size * size), np.nan)
    for part in parts:
        own = np.zeros((len(part.rows), values.shape[1]))
        each, code = np.arange(len(own)), fold[part.rows]
        own[:, :3] = np.column_stack([np.ones(len(own)), code, code**2]) * part.weight[:, None]
        is_witness = part.witness >= 0
        own[each[is_witness], 3 + part.witness[is_witness]] = part.weight[is_witness]
        own[each, HEAD + part.real * size + part.told] = part.weight
        values[part.rows] = own
    return values
