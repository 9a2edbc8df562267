"""Predictions for training profiles by fits that have not seen them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cellula.core.claim import ClaimKind
from cellula.core.dataset import Dataset
from cellula.core.errors import DataError
from cellula.core.model import Fitted, Model
from cellula.core.query import QueryTable
from cellula.core.run import RunContext
from cellula.data.splits import Folds, split
from cellula.models.baselines.pseudobulk import pseudobulk

__all__ = ["HeldOut", "held_out_kind", "held_out_moments", "stacked_means"]

#: Roles whose labels may be held out, in the order in which they are looked for.
KINDS = (
    ("perturbation", ClaimKind.UNSEEN_PERTURBATION),
    ("context", ClaimKind.UNSEEN_CONTEXT),
    ("donor", ClaimKind.UNSEEN_DONOR),
    ("batch", ClaimKind.UNSEEN_BATCH),
    ("dose_molar", ClaimKind.UNSEEN_DOSE),
    ("time_s", ClaimKind.UNSEEN_TIME),
)
#: How many more parts of training are held out besides the validation data.
PARTS = 4
SEED = 3


@dataclass(frozen=True, slots=True)
class HeldOut:
    """Second moments of members' predictions and the truth over one held-out part.

    gram: (members, members) mean of p_i p_j; cross: (members,) mean of p_i y; square: mean of
    y^2; all over groups and readouts, each p and y less the mean of the members, which weights
    that sum to 1 leave alone.
    """

    gram: NDArray[np.float64]
    cross: NDArray[np.float64]
    square: float

    def error(self, weights: NDArray[np.float64]) -> float:
        """Mean squared error of the weighted members."""
        return float(weights @ self.gram @ weights - 2.0 * weights @ self.cross + self.square)


def held_out_kind(train: Dataset, valid: Dataset) -> ClaimKind:
    """As what ``valid`` was held out of ``train``, from labels that the two do not share."""
    for role, kind in KINDS:
        if train.has_role(role) and valid.has_role(role):
            known = set(np.asarray(train.treated.obs[role], object))
            asked = set(np.asarray(valid.treated.obs[role], object))
            if not known & asked:
                is_combined = all("+" in str(name) for name in asked)
                if kind is ClaimKind.UNSEEN_PERTURBATION and is_combined:
                    return ClaimKind.UNSEEN_COMBINATION
                return kind
    pairs = [
        set(zip(queries.perturbation, queries.context, strict=True))
        for queries in (train.treated.queries(), valid.treated.queries())
    ]
    return ClaimKind.RANDOM if pairs[0] & pairs[1] else ClaimKind.UNSEEN_PAIR


def held_out_moments(
    members: Sequence[Model], train: Dataset, valid: Dataset, run: RunContext
) -> tuple[HeldOut, ...]:
    """The moments of ``valid`` and of parts of ``train`` held out like it.

    Every part is predicted by members tuned on another part and fitted on the rest; where
    training cannot be split further, valid alone is predicted, by members with default options.
    """
    try:
        folds = split(train, held_out_kind(train, valid), Folds(folds=PARTS, seed=SEED))
    except DataError:
        return (_moments(members, train, None, valid, train, run.child("valid")),)
    first = folds[0]
    moments = [
        _moments(
            members,
            train.take(first.train),
            train.take(first.test),
            valid,
            train,
            run.child("valid"),
        )
    ]
    for fold in folds:
        known, held = train.take(fold.train), train.take(fold.test)
        moments.append(_moments(members, known, valid, held, train, run.child(fold.name)))
    return tuple(moments)


def stacked_means(
    fitted: Sequence[Fitted], queries: QueryTable, control: Dataset | None, run: RunContext
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Means (members, queries, readouts) and in-domain flags (members, queries)."""
    means, inside = [], []
    for number, one in enumerate(fitted):
        batches = list(one.predict(queries, control, run.child("member", number)))
        means.append(np.concatenate([batch.mean for batch in batches]))
        inside.append(np.concatenate([batch.in_domain for batch in batches]))
    return np.stack(means), np.stack(inside)


def _moments(
    members: Sequence[Model],
    known: Dataset,
    tune: Dataset | None,
    held: Dataset,
    train: Dataset,
    run: RunContext,
) -> HeldOut:
    fitted = [
        model.fit(known, tune, run.child("fit", number)) for number, model in enumerate(members)
    ]
    truth = pseudobulk([held])
    predicted, _ = stacked_means(fitted, truth.queries(), train.controls, run)
    center = predicted.mean(axis=0)
    p = (predicted - center).reshape(len(members), -1)
    y = (truth.values - center).ravel()
    return HeldOut(p @ p.T / len(y), p @ y / len(y), float(y @ y) / len(y))
