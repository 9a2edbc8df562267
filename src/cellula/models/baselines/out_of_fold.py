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
from cellula.models.baselines.reference import Reference, responses

__all__ = ["HeldOut", "held_out_kind", "held_out_moments", "response_strata", "stacked_means"]

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
#: Ranks of the response, as shares, that part readouts that hardly respond from those that do
#: middling, and these from those that do strongly.
CUTS = (0.5, 0.9)
#: Fewer readouts are one stratum.
FEWEST_READOUTS = 30


@dataclass(frozen=True, slots=True)
class HeldOut:
    """Second moments of members' predictions and the truth over one held-out part.

    gram: (groups, strata, members, members) sums of p_i p_j over the readouts of a stratum;
    cross: (groups, strata, members) sums of p_i y; square: (groups, strata) sums of y^2; each
    divided by the number of readouts, each p and y less the mean of the members, which weights
    that sum to 1 leave alone.
    """

    gram: NDArray[np.float64]
    cross: NDArray[np.float64]
    square: NDArray[np.float64]

    @classmethod
    def of(
        cls, truth: NDArray[np.float64], predicted: NDArray[np.float64], stratum: NDArray[np.int64]
    ) -> HeldOut:
        """truth: (groups, readouts); predicted: (members, groups, readouts); stratum: (readouts,)
        numbered from 0 without a gap.
        """
        center = predicted.mean(axis=0)
        p, y = predicted - center, truth - center
        parts = [np.flatnonzero(stratum == s) for s in range(int(stratum.max()) + 1)]
        n = len(stratum)
        return cls(
            np.stack([np.einsum("igr,jgr->gij", p[..., s], p[..., s]) for s in parts], 1) / n,
            np.stack([np.einsum("igr,gr->gi", p[..., s], y[:, s]) for s in parts], 1) / n,
            np.stack([(y[:, s] ** 2).sum(axis=1) for s in parts], 1) / n,
        )

    def errors(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """Mean squared error of the weighted members: (groups,).

        weights: (members,), or (strata, members).
        """
        w = np.broadcast_to(weights, self.cross.shape[1:])
        quadratic = np.einsum("si,gsij,sj->g", w, self.gram, w)
        linear = np.einsum("si,gsi->g", w, self.cross)
        return np.asarray(quadratic - 2.0 * linear + self.square.sum(axis=1), np.float64)


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
    """The moments of ``valid`` and of parts of ``train`` held out like it, by stratum.

    The strata of a part are those of what its members were fitted on. Every part is predicted by
    members tuned on another part and fitted on the rest; where training cannot be split further,
    valid alone is predicted, by members with default options.
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
    seen = [known] if tune is None else [known, tune]
    return HeldOut.of(truth.values, predicted, response_strata(seen))


def response_strata(parts: Sequence[Dataset]) -> NDArray[np.int64]:
    """The stratum of every readout by its response in training data: (readouts,).

    0: the half that hardly responds, 1: middling, 2: the tenth that responds most. The response is
    the root mean square over treatments and contexts of the change from control; where there are
    no controls, of the deviation from the readout's mean. Fewer than 30 readouts are all 0.
    """
    bulk = responses(parts, Reference.of(parts))
    values = bulk.values
    if values.shape[1] < FEWEST_READOUTS:
        return np.zeros(values.shape[1], np.int64)
    if not any(part.is_control.any() for part in parts):
        values = values - values.mean(axis=0)
    rank = np.argsort(np.argsort((values**2).mean(axis=0), kind="stable"), kind="stable")
    return np.searchsorted(CUTS, (rank + 0.5) / len(rank)).astype(np.int64)
