"""Splits: which profiles are sealed for a claim, and which a model may see.

Every claim kind holds out something that must then be unseen in training::

    unseen_perturbation   a perturbation, alone and inside every combination
    unseen_combination    a combination; its components may be seen alone or in others
    unseen_pair           a (perturbation, context) pair; each of the two is seen elsewhere
    unseen_dose, unseen_time, unseen_context, unseen_donor, unseen_batch
                          a value of that role, or of the column ``over`` that groups it
    random                profiles

Controls are never sealed. Those of held-out contexts, donors and batches are no training
data either: they are what the model is given when it is asked.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from cellula.core.claim import ClaimKind
from cellula.core.dataset import Dataset
from cellula.core.errors import DataError
from cellula.core.numerals import plural_of
from cellula.core.perturbation import components

__all__ = ["Fold", "Folds", "Fraction", "HoldOut", "held_out_labels", "split"]


class Fraction(BaseModel):
    """A share of the labels, drawn once with a seed."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    fraction: float = Field(gt=0, lt=1)
    """Share of the labels that is held out."""
    seed: int = Field(ge=0)
    """Seed of the draw."""


class Folds(BaseModel):
    """All labels in turn, dealt into folds with a seed."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    folds: int = Field(ge=2)
    """How many parts; each is held out once."""
    seed: int = Field(ge=0)
    """Seed of the deal."""


#: ``"each"`` (leave one out), names, a fraction with a seed, or folds with a seed.
HoldOut: TypeAlias = Literal["each"] | tuple[str, ...] | Fraction | Folds

#: Claim kind -> the role whose labels are held out; pairs, combinations and rows are special.
ROLE = {
    ClaimKind.UNSEEN_PERTURBATION: "perturbation",
    ClaimKind.UNSEEN_COMBINATION: "perturbation",
    ClaimKind.UNSEEN_DOSE: "dose_molar",
    ClaimKind.UNSEEN_TIME: "time_s",
    ClaimKind.UNSEEN_CONTEXT: "context",
    ClaimKind.UNSEEN_DONOR: "donor",
    ClaimKind.UNSEEN_BATCH: "batch",
}
#: Kinds whose held-out controls are an input of the question, not training data.
WITH_OWN_CONTROLS = frozenset(
    {ClaimKind.UNSEEN_CONTEXT, ClaimKind.UNSEEN_DONOR, ClaimKind.UNSEEN_BATCH}
)


@dataclass(frozen=True, slots=True)
class Fold:
    """One part of a split: positions of profiles, ascending.

    train: what a model may see; test: the sealed profiles; control: the controls that a model
    is given with the questions. A profile may be in none (it would leak).
    """

    name: str
    train: NDArray[np.int64]
    test: NDArray[np.int64]
    control: NDArray[np.int64]


def held_out_labels(data: Dataset, kind: ClaimKind, over: str | None = None) -> pd.Categorical:
    """What each profile would be held out by: shape (profiles,).

    ``over`` names an obs column that groups the role of the kind (tissues of cell lines); it
    must have one value a label. Raises DataError when a role is missing or the grouping is not
    one.
    """
    if kind is ClaimKind.UNSEEN_PAIR:
        pairs = data.queries().frame().groupby(["perturbation", "context"], observed=True).ngroup()
        codes, names = pd.factorize(pairs.to_numpy(), sort=True)
        return pd.Categorical.from_codes(codes, categories=[str(name) for name in names])
    if kind is ClaimKind.RANDOM:
        codes = np.arange(data.n_profiles)
        return pd.Categorical.from_codes(codes, categories=[str(code) for code in codes])
    role = ROLE[kind]
    data.role(role)
    labels = data.labels(role)
    if over is None or over == role:
        return labels
    groups = data.labels(over)
    table = pd.DataFrame({"label": labels.astype(str), "group": groups.astype(str)})
    many = table[~data.is_control].groupby("label")["group"].nunique()
    if (many > 1).any():
        raise DataError(
            f"{role} {many.idxmax()!r} has {many.max()} values of {over!r}; a column that groups "
            f"{plural_of(role)} has one value for each"
        )
    return groups


def split(
    data: Dataset, kind: ClaimKind, hold_out: HoldOut, over: str | None = None
) -> tuple[Fold, ...]:
    """The folds of a claim; the same data and arguments always give the same folds.

    Raises DataError when nothing can be held out, a name is unknown, or a fold would leave
    nothing to train on.
    """
    labels = held_out_labels(data, kind, over)
    eligible = ~data.is_control
    if kind is ClaimKind.UNSEEN_COMBINATION:
        combined = np.array([len(components(str(name))) > 1 for name in labels.categories])
        eligible &= combined[labels.codes]
    codes = np.unique(labels.codes[eligible])
    what = over or kind.value.removeprefix("unseen_")
    if len(codes) < 2 and not isinstance(hold_out, tuple):
        raise DataError(f"{len(codes)} {what} to hold out; a split needs at least 2")
    folds = [
        _fold(data, kind, labels, eligible, name, held)
        for name, held in _deal(labels, codes, hold_out, what)
    ]
    return tuple(folds)


def _deal(
    labels: pd.Categorical, codes: NDArray[np.int64], hold_out: HoldOut, what: str
) -> list[tuple[str, NDArray[np.int64]]]:
    """Name and held-out label codes of every fold."""
    if isinstance(hold_out, Fraction):
        n = max(1, round(hold_out.fraction * len(codes)))
        drawn = np.random.default_rng(hold_out.seed).permutation(codes)
        return [("held-out", np.sort(drawn[:n]))]
    if isinstance(hold_out, Folds):
        if hold_out.folds > len(codes):
            raise DataError(f"{hold_out.folds} folds of {len(codes)} {what}s: ask for fewer folds")
        drawn = np.random.default_rng(hold_out.seed).permutation(codes)
        parts = np.array_split(drawn, hold_out.folds)
        return [(f"fold-{number}", np.sort(part)) for number, part in enumerate(parts, 1)]
    names = [str(name) for name in labels.categories]
    if hold_out == "each":
        return [(names[code], np.array([code])) for code in codes]
    position = {name: code for code, name in enumerate(names)}
    known = {names[code] for code in codes}
    unknown = [name for name in hold_out if name not in known]
    if unknown:
        raise DataError(
            f"hold_out names {', '.join(unknown)}, which is no {what} of the data; "
            f"there are: {', '.join(sorted(known)[:20])}"
        )
    return [("held-out", np.array(sorted(position[name] for name in hold_out), np.int64))]


def _fold(
    data: Dataset,
    kind: ClaimKind,
    labels: pd.Categorical,
    eligible: NDArray[np.bool_],
    name: str,
    held: NDArray[np.int64],
) -> Fold:
    is_held = np.isin(labels.codes, held)
    test = is_held & eligible
    control = data.is_control
    train = ~test & ~_leaks(data, kind, labels, held)
    if kind in WITH_OWN_CONTROLS:
        train &= ~is_held
    if kind is ClaimKind.UNSEEN_PAIR:
        train, test = _seen_elsewhere(data, train, test)
    if not test.any() or not (train & ~control).any():
        raise DataError(
            f"fold {name!r} would train on {int((train & ~control).sum())} and hold out "
            f"{int(test.sum())} profiles; hold out less, or other labels"
        )
    return Fold(name, np.flatnonzero(train), np.flatnonzero(test), np.flatnonzero(control))


def _leaks(
    data: Dataset, kind: ClaimKind, labels: pd.Categorical, held: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Profiles outside the hold-out that would show it: combinations with a held component."""
    leaking = np.zeros(data.n_profiles, bool)
    if kind is not ClaimKind.UNSEEN_PERTURBATION:
        return leaking
    perturbation = data.labels("perturbation")
    parts = [set(components(str(name))) for name in perturbation.categories]
    is_held = np.isin(labels.codes, held) & ~data.is_control
    hidden: set[str] = set()
    for code in np.unique(perturbation.codes[is_held]):
        hidden |= parts[code]
    shows = np.array([bool(part & hidden) for part in parts])
    return np.asarray(shows[perturbation.codes] & ~data.is_control & ~is_held)


def _seen_elsewhere(
    data: Dataset, train: NDArray[np.bool_], test: NDArray[np.bool_]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Give back to training the pairs whose perturbation or context would be seen nowhere."""
    perturbation, context = data.labels("perturbation"), data.labels("context")
    unseen = np.zeros(len(test), bool)
    for column in (perturbation, context):
        seen = np.zeros(len(column.categories), bool)
        seen[column.codes[train]] = True
        unseen |= ~seen[column.codes]
    back = test & unseen
    return train | back, test & ~back
