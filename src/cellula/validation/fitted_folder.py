"""A fitted model on disk: ``state.npz`` (its arrays) and ``model.json`` (what it is, tier T0).

The folder is there whole or not at all, and replaces only a folder of its own kind.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cellula.core import registry
from cellula.core.canonical import hash_bytes, plain
from cellula.core.claim import ClaimKind
from cellula.core.errors import DataError
from cellula.core.model import Fitted, State
from cellula.core.value_type import ValueType
from cellula.evaluation.uncertainty.abstention import Abstaining, Abstention, AbstentionOptions
from cellula.evaluation.uncertainty.inside_training import IntervalMethod, Restoring, Wrapped
from cellula.io.atomic import replaced_folder, restored, told, write_atomically
from cellula.io.presence import is_there
from cellula.io.state import read_state, state_bytes

__all__ = [
    "FittedCard",
    "IntervalCard",
    "Tuning",
    "fitting_scratch",
    "load_fitted",
    "require_free",
    "save_fitted",
    "without_intervals",
]

CARD, STATE = "model.json", "state.npz"


class Tuning(BaseModel):
    """The share of the labels, drawn as claims of this kind hold out, that tuned the options."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    share: float = Field(gt=0, lt=1)
    kind: ClaimKind


class IntervalCard(BaseModel):
    """What makes the intervals of a fitted model, as ``uncertainty`` of a study says it.

    kind: how parts of the data were held out to calibrate; n_units: units of ``unit`` that were;
    reason: why there is no interval, or "".
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    method: str
    options: Mapping[str, Any]
    abstain: AbstentionOptions | None
    kind: ClaimKind
    unit: str
    n_units: int
    reason: str


class FittedCard(BaseModel):
    """What a fitted model is: everything but its arrays.

    tier: T0, for nothing was registered and no gate was faced. columns: role -> column of the
    training data, as declared; roles: those they had. numbers: their
    distinct doses (mol/l) and times (s), by role. intervals: None where the model's own, if it has
    any, are not calibrated. control_contexts: where they held
    controls. data_digest: of the opened dataset; sources: SHA-256 by file. versions: by package.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal["cellula-fitted"] = "cellula-fitted"
    version: Literal[1] = 1
    tier: Literal["T0"] = "T0"
    status: Literal["exploratory"] = "exploratory"
    model: str
    options: Mapping[str, Any]
    seed: int
    tuning: Tuning | None
    value_type: ValueType
    readouts: tuple[str, ...]
    columns: Mapping[str, str]
    dose_unit: str | None
    time_unit: str | None
    roles: tuple[str, ...]
    numbers: Mapping[str, tuple[float, ...]]
    n_profiles: int
    n_controls: int
    control_contexts: tuple[str, ...]
    data_digest: str
    sources: Mapping[str, str]
    license: str
    citation: str
    references: tuple[str, ...]
    versions: Mapping[str, str]
    state_sha256: str = ""
    intervals: IntervalCard | None = None


def require_free(folder: Path, *, is_replaced: bool = False) -> None:
    """Raise DataError when a fitted model may not be written here.

    A folder that holds anything is refused; with ``is_replaced``, only one that holds anything
    but a fitted model. A model that a killed process had moved aside is put back first.
    """
    restored(folder)
    if not os.path.lexists(folder):
        return
    if not folder.is_dir():
        raise DataError(f"{folder} is a file; name a folder for the fitted model")
    names = {item.name for item in folder.iterdir()}
    if not names:
        return
    if names != {CARD, STATE}:
        raise DataError(
            f"{folder} holds other things than a fitted model ({', '.join(sorted(names)[:3])}); "
            "name a folder of its own"
        )
    if not is_replaced:
        raise DataError(f"{folder} holds a fitted model; replace it with --force or name another")


@contextmanager
def fitting_scratch(folder: Path) -> Iterator[Path]:
    """Scratch of a fit that will be written to ``folder``, in a hidden folder beside it.

    It outlives a fit that was killed or stopped, so that the same command finds what a training
    wrote down. Gone when all went well, or when nothing lies in it. Raises StorageError.
    """
    place = folder.absolute()
    scratch = place.with_name(f".{place.name[:100]}.fitting")
    made = [one for one in (scratch, *scratch.parents) if not one.exists()]
    with told(scratch):
        scratch.mkdir(parents=True, exist_ok=True)
    is_done = False
    try:
        yield scratch
        is_done = True
    finally:
        if is_done:
            shutil.rmtree(scratch, ignore_errors=True)
        with suppress(OSError):  # not empty: a training is written down there
            for one in made or (scratch,):
                one.rmdir()


def save_fitted(
    fitted: Fitted, card: FittedCard, folder: Path, *, is_replaced: bool = False
) -> FittedCard:
    """Write a fitted model; gives the card with the hash of the state.

    Raises DataError as :func:`require_free` does, StorageError when the folder cannot be written;
    then what was there before is there still.
    """
    require_free(folder, is_replaced=is_replaced)
    state = state_bytes(fitted.state())
    card = card.model_copy(update={"state_sha256": hash_bytes(state)})
    text = json.dumps(plain(card.model_dump()), indent=2, sort_keys=True, ensure_ascii=False)
    with replaced_folder(folder.absolute()) as fresh:
        write_atomically(fresh / STATE, state)
        write_atomically(fresh / CARD, f"{text}\n".encode())
    return card


def load_fitted(folder: Path) -> tuple[Fitted, FittedCard]:
    """The fitted model of a folder, and its card.

    Raises DataError when a file is missing, damaged or was changed, PluginError or MissingExtra
    when the model is not installed.
    """
    card = _read_card(folder)
    state = _read(folder / STATE)
    if hash_bytes(state) != card.state_sha256:
        raise DataError(
            f"{folder / STATE} is not the state that {CARD} was written with (its SHA-256 is "
            "another): it was changed or cut short; fit the model again"
        )
    model = registry.create("model", card.model, card.options)
    try:
        return _restoring(card, model).restore(read_state(state)), card
    except KeyError as error:
        raise DataError(
            f"{folder} was written by cellula {card.versions.get('cellula', 'unknown')}, and this "
            f"version of the model {card.model!r} expects {error} in its state; fit it again"
        ) from error


def without_intervals(fitted: Fitted, card: FittedCard) -> Fitted:
    """The model inside the intervals that the card tells of."""
    if card.intervals is not None and isinstance(fitted, Abstaining):
        fitted = fitted.fitted
    if card.intervals is not None and isinstance(fitted, Wrapped):
        fitted = fitted.fitted
    return fitted


@dataclass(frozen=True, slots=True)
class _Around:
    """Restores a model within the intervals of a method."""

    method: IntervalMethod
    model: Restoring

    def restore(self, state: State) -> Fitted:
        return self.method.restore(state, self.model)


@dataclass(frozen=True, slots=True)
class _Declining:
    """Restores a model that declines questions."""

    abstention: Abstention
    inner: Restoring

    def restore(self, state: State) -> Fitted:
        return self.abstention.restore(state, self.inner)


def _restoring(card: FittedCard, model: Restoring) -> Restoring:
    """What restores the state that the card is of."""
    told = card.intervals
    if told is None:
        return model
    around = _Around(registry.create("uncertainty", told.method, told.options), model)
    return around if told.abstain is None else _Declining(Abstention(told.abstain), around)


def _read_card(folder: Path) -> FittedCard:
    if not is_there(folder / CARD):
        raise DataError(f"{folder} holds no fitted model ({CARD}); `cellula fit` writes one")
    try:
        return FittedCard.model_validate_json(_read(folder / CARD))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise DataError(
            f"{folder / CARD} is no card of a fitted model: {where}: {first['msg']}; was it "
            "written by another program or a newer cellula?"
        ) from error


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}; fit again") from error
