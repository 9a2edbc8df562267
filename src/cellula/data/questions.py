"""Questions from a table: labels as the door of the data writes them, doses and times canonical."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import ValidationError

from cellula.core.errors import DataError
from cellula.core.perturbation import components
from cellula.core.query import QueryTable
from cellula.core.value_type import ValueType
from cellula.data.data_source import DataSource
from cellula.data.roles import CONTROL, with_roles
from cellula.io.formats import read

__all__ = ["read_questions"]

#: Column of a question -> (its role, the unit in which a column of this name is, or None).
COLUMNS = {
    "perturbation": ("perturbation", None),
    "context": ("context", None),
    "individual": ("individual", None),
    "dose": ("dose_molar", None),
    "dose_molar": ("dose_molar", "M"),
    "time": ("time_s", None),
    "time_s": ("time_s", "s"),
}
#: What a question says where the training data have no such role.
UNSAID = {"perturbation": "none", "context": "all"}
#: Two numbers nearer than this share of either are one dose or time in two units.
SAME = 1e-9


def read_questions(
    path: Path,
    roles: Collection[str],
    *,
    control_labels: Collection[str] = (),
    known: Mapping[str, Sequence[float]] | None = None,
    dose_unit: str | None = None,
    time_unit: str | None = None,
) -> QueryTable:
    """The questions of a table, one a row.

    Columns: perturbation, context and, where the training data have them, dose (in
    ``dose_unit``) or dose_molar, time (in ``time_unit``) or time_s; individual is optional.
    roles: those of the training data; a perturbation or context that they lack may be left
    out. control_labels: what the training data called their controls; such a question is for
    ``control``. known: role -> the doses (mol/l) or times (s) of the training data; a number that
    rounding alone sets apart from one of them becomes it, so that 10 uM asks for 10,000 nM.
    Raises DataError, naming column and row, on a table that is no list of
    questions to this model.
    """
    table = read(path, labels=(*UNSAID, "individual"))
    if not isinstance(table, pd.DataFrame):
        raise DataError(f"{path.name} holds no table; questions come as .csv, .tsv or .parquet")
    found = _columns(table, path.name)
    _require_roles(found, roles, path.name)
    if table.empty:
        raise DataError(f"{path.name} asks nothing: it has no row below its header")
    table = table.reset_index(drop=True)
    labelled = with_roles(table, _source(path.name, found, dose_unit, time_unit))
    for role, label in UNSAID.items():
        if role not in labelled:
            labelled[role] = pd.Categorical([label] * len(labelled))
    for role, numbers in (known or {}).items():
        if role in labelled:
            labelled[role] = _snapped(labelled[role].to_numpy(np.float64), np.unique(numbers))
    dropped = {CONTROL, *control_labels}
    names = labelled["perturbation"].cat.categories
    clean = {name: _without_control(str(name), dropped) for name in names}
    labelled["perturbation"] = pd.Categorical(labelled["perturbation"].map(clean).astype(str))
    return QueryTable.from_frame(labelled)


def _columns(table: pd.DataFrame, file: str) -> dict[str, str]:
    """Role -> column. Raises DataError on unknown columns and on a role given twice."""
    unknown = [str(name) for name in table.columns if name not in COLUMNS]
    if unknown:
        raise DataError(
            f"{file} has the column(s) {', '.join(unknown)}, which no question has; expected "
            f"some of {', '.join(COLUMNS)}: rename or remove them"
        )
    found: dict[str, str] = {}
    for name in table.columns:
        role = COLUMNS[name][0]
        if role in found:
            raise DataError(f"{file} has both {found[role]!r} and {name!r}; keep one of them")
        found[role] = str(name)
    return found


def _require_roles(found: Collection[str], roles: Collection[str], file: str) -> None:
    names = {"dose_molar": "dose or dose_molar", "time_s": "time or time_s"}
    asked = ("perturbation", "context", "dose_molar", "time_s")
    missing = [names.get(role, role) for role in asked if role in roles and role not in found]
    if missing:
        raise DataError(
            f"{file} lacks the column(s) {', '.join(missing)}; the model was fitted on data that "
            "have them: say for every question which it asks for"
        )


def _source(
    file: str, found: dict[str, str], dose_unit: str | None, time_unit: str | None
) -> DataSource:
    """The table as a source of data, so that its labels and units are read as all others are."""
    units = {"dose_molar": dose_unit, "time_s": time_unit}
    for role, key in (("dose_molar", "dose"), ("time_s", "time")):
        column = found.get(role)
        own = COLUMNS[column][1] if column else None
        if units[role] is not None and (column is None or own is not None):
            raise DataError(
                f"{file}: a unit of the {key} is given, but there is no column {key!r}"
                + (f" ({column!r} is in {own})" if column else "")
                + "; leave the unit out or name the column so"
            )
        if column is not None and own is None and units[role] is None:
            raise DataError(
                f"{file}: the column {column!r} has no unit; give --{key}-unit, or name the "
                f"column {role!r}"
            )
        units[role] = own or units[role]
    try:
        return DataSource(
            path=file,
            role="profiles",
            value_type=ValueType.QUANTITY,
            columns=found,
            dose_unit=units["dose_molar"],
            time_unit=units["time_s"],
        )
    except ValidationError as error:
        said = "; ".join(str(item["msg"]).removeprefix("Value error, ") for item in error.errors())
        raise DataError(f"{file}: {said}") from error


def _snapped(numbers: NDArray[np.float64], known: NDArray[np.float64]) -> NDArray[np.float64]:
    """The numbers, each as the known one (ascending) that only rounding sets it apart from."""
    if not len(known):
        return numbers
    right = np.minimum(np.searchsorted(known, numbers), len(known) - 1)
    left = np.maximum(right - 1, 0)
    is_left = np.abs(numbers - known[left]) < np.abs(numbers - known[right])
    near = known[np.where(is_left, left, right)]
    return np.where(np.abs(numbers - near) <= SAME * near, near, numbers)


def _without_control(label: str, dropped: Collection[str]) -> str:
    parts = components(label)
    kept = [part for part in parts if part not in dropped]
    if label in dropped or not kept:
        return CONTROL
    return "+".join(kept) if len(parts) > 1 else label
