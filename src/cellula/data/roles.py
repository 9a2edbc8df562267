"""From the columns of a file to the roles of a dataset, in canonical units and text labels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cellula.core.errors import DataError
from cellula.core.perturbation import PerturbationKind, components
from cellula.core.roles import ROLES
from cellula.core.units import convert
from cellula.data.data_source import DataSource

__all__ = ["CONTROL", "keep_rows", "label_text", "place", "require_columns", "with_roles"]

#: The perturbation label of every control.
CONTROL = "control"
NUMERIC = ("dose_molar", "time_s")
#: What the Connectivity Map writes where a treatment has no value.
NO_VALUE = -666.0
#: Whole numbers below this are exact as floats.
EXACT = 2**53
TRUTH = {"true": True, "false": False, "1": True, "0": False, "1.0": True, "0.0": False}


def require_columns(table: pd.DataFrame, names: Iterable[str], file: str) -> None:
    """Raise DataError, with the nearest names, when a column is missing."""
    columns = [str(name) for name in table.columns]
    for name in names:
        if name not in columns:
            near = get_close_matches(name, columns, n=3)
            hint = f"did you mean {' or '.join(near)}?" if near else f"it has {_some(columns)}"
            raise DataError(f"{file} has no column {name!r}; {hint}")


def place(column: pd.Series[Any], position: int) -> str:
    """What stands where, for messages: ``'x' in row 7`` (row of the file, or profile)."""
    value = column.iloc[position]
    value = value.item() if isinstance(value, np.generic) else value
    return f"{value!r} in row {column.index[position]}"


def keep_rows(table: pd.DataFrame, where: Mapping[str, Any], file: str) -> NDArray[np.bool_]:
    """Which rows have the wanted values in every column of ``where``: shape (rows,).

    Raises DataError on a missing column, on a value that does not occur, and when no row is
    left.
    """
    require_columns(table, where, file)
    keep = np.ones(len(table), bool)
    for column, wanted in where.items():
        values = [str(value) for value in (wanted if isinstance(wanted, tuple) else (wanted,))]
        text = _text(table[column])
        values = [_like(value, table[column]) for value in values]
        there = set(text.unique())
        absent = [value for value in values if value not in there]
        if absent:
            near = get_close_matches(absent[0], there, n=3) or sorted(there)[:5]
            raise DataError(
                f"{file}: column {column!r} never holds {absent[0]!r}, which 'where' asks for; "
                f"it holds e.g. {', '.join(near)}"
            )
        keep &= text.isin(values).to_numpy()
    if not keep.any():
        raise DataError(f"{file}: no row fulfils all of where = {dict(where)}; loosen it")
    return keep


def label_text(column: pd.Series[Any], name: str, file: str) -> list[str]:
    """Labels as text, whole numbers without a decimal point (``"683665"``).

    Raises DataError, naming the row, where a label is missing or empty.
    """
    missing = np.flatnonzero((column.isna() | (column.astype(str).str.strip() == "")).to_numpy())
    if len(missing):
        first = column.index[missing[0]]
        raise DataError(
            f"{file}: column {name!r} has no value in row {first} (and {len(missing) - 1} other "
            "rows); fill the values or keep only rows that have one"
        )
    return cast("list[str]", _text(column).tolist())


def _text(column: pd.Series[Any]) -> pd.Series[Any]:
    if pd.api.types.is_float_dtype(column):
        whole = column.dropna()
        if len(whole) and ((whole == whole.round()) & (whole.abs() < EXACT)).all():
            return column.astype("Int64").astype(str)
    return column.astype(str)


def with_roles(obs: pd.DataFrame, source: DataSource) -> pd.DataFrame:
    """The obs table with its roles as columns of the same name, units canonical, labels text.

    A column that is given a role is replaced by it. A column that bears the name of a role
    without being given it gets a trailing underscore, so that it cannot pass for the role.
    A combination's components are sorted and its control components dropped; controls are
    called ``control`` and have dose 0 where theirs is missing. Raises DataError, naming
    column, row and remedy.
    """
    file, columns = source.name, dict(source.columns)
    control = columns.pop("control", None)
    require_columns(obs, columns.values(), file)
    is_control = _controls(obs, control, columns.get("perturbation"), file)
    roles: dict[str, Any] = {}
    for role, column in columns.items():
        if role in NUMERIC:
            unit = source.dose_unit if role == "dose_molar" else source.time_unit
            zero = is_control if role == "dose_molar" else None
            roles[role] = _numbers(obs[column], column, cast("str", unit), role, zero, file)
        elif role == "perturbation":
            roles[role] = _perturbations(obs[column], column, is_control, control, file)
        else:
            roles[role] = pd.Categorical(label_text(obs[column], column, file))
    if is_control is not None:
        roles["is_control"] = is_control
    if source.perturbation_kind is not None:
        roles["perturbation_kind"] = pd.Categorical([source.perturbation_kind.value] * len(obs))
    elif "perturbation_kind" in roles:
        _require_kinds(roles["perturbation_kind"], columns["perturbation_kind"], file)
    used = {*columns.values(), *([control] if control in obs.columns else [])}
    rest = obs.drop(columns=[name for name in used if name in obs.columns])
    rest = rest.rename(columns=_spare_names([str(name) for name in rest.columns]))
    return pd.concat([pd.DataFrame(roles, index=obs.index), rest], axis=1)


def _spare_names(names: list[str]) -> dict[str, str]:
    """New names of leftover columns that bear the name of a role."""
    renamed: dict[str, str] = {}
    for name in names:
        if name in ROLES:
            spare = f"{name}_"
            while spare in names:
                spare += "_"
            renamed[name] = spare
    return renamed


def _like(value: str, column: pd.Series[Any]) -> str:
    """A wanted number as the column's text writes it, so that 10 finds 10.0."""
    if not pd.api.types.is_float_dtype(column):
        return value
    try:
        number = float(value)
    except ValueError:
        return value
    near = column[column == number]
    return str(_text(column)[near.index[0]]) if len(near) else value


def _controls(
    obs: pd.DataFrame, control: str | None, perturbation: str | None, file: str
) -> NDArray[np.bool_] | None:
    """Which profiles are controls: by a true/false column, ``column=value`` or their label."""
    if control is None:
        return None
    column, _, value = control.partition("=")
    if value and column in obs.columns:
        return keep_rows(obs, {column: value}, file)
    if control in obs.columns:
        truth = _text(obs[control]).str.lower().map(TRUTH)
        if not truth.isna().any():
            return _some_controls(truth.to_numpy(bool), control, file)
    if perturbation is None:
        raise DataError(
            f"{file}: control = {control!r} is no true/false column, and without "
            "columns.perturbation it cannot be a label; name a true/false column"
        )
    labels = _text(obs[perturbation])
    if control not in set(labels.unique()):
        known = sorted(labels.unique())
        near = get_close_matches(control, known, n=3, cutoff=0.4) or known[:5]
        raise DataError(
            f"{file}: control = {control!r} is neither a true/false column nor a label of column "
            f"{perturbation!r}; labels near it: {', '.join(near)}"
        )
    mask: NDArray[np.bool_] = (labels == control).to_numpy(bool)
    return mask


def _some_controls(mask: NDArray[np.bool_], column: str, file: str) -> NDArray[np.bool_]:
    if not mask.any():
        raise DataError(f"{file}: column {column!r} is false in every row: there is no control")
    return mask


def _perturbations(
    column: pd.Series[Any],
    name: str,
    is_control: NDArray[np.bool_] | None,
    control: str | None,
    file: str,
) -> pd.Categorical:
    text = pd.Categorical(label_text(column, name, file))
    dropped = {CONTROL, control or CONTROL} if is_control is not None else set()
    clean = [_combination(label, dropped) for label in text.categories]
    labels = np.asarray(clean, object)[text.codes]
    if is_control is not None:
        wrong = np.flatnonzero((labels == CONTROL) & ~is_control)
        if len(wrong):
            raise DataError(
                f"{file}: column {name!r} holds {place(column, wrong[0])}, which "
                f"would be called {CONTROL!r}, but it is not marked as a control ({len(wrong)} "
                "such rows); rename the perturbation or mark the rows"
            )
        labels[is_control] = CONTROL
    return pd.Categorical(labels)


def _combination(label: str, dropped: set[str]) -> str:
    parts = components(label)
    if len(parts) < 2:
        return label
    return "+".join(part for part in parts if part not in dropped) or CONTROL


def _numbers(
    column: pd.Series[Any],
    name: str,
    unit: str,
    role: str,
    zero: NDArray[np.bool_] | None,
    file: str,
) -> NDArray[np.float64]:
    plain = column.astype(object) if isinstance(column.dtype, pd.CategoricalDtype) else column
    numbers = np.array(pd.to_numeric(plain, errors="coerce"), np.float64)
    if zero is not None:
        numbers[zero & (column.isna().to_numpy() | (numbers == NO_VALUE))] = 0.0
    wrong = np.flatnonzero(~np.isfinite(numbers) | (numbers < 0))
    if len(wrong):
        raise DataError(
            f"{file}: column {name!r} holds {place(column, wrong[0])} (and "
            f"{len(wrong) - 1} other rows like it); {role} needs a number in {unit}, not negative: "
            "fill the values or keep other rows with 'where'"
        )
    return numbers * convert(1.0, unit, role)


def _require_kinds(values: pd.Categorical, name: str, file: str) -> None:
    known = [kind.value for kind in PerturbationKind]
    wrong = [str(value) for value in values.categories if value not in known]
    if wrong:
        raise DataError(
            f"{file}: column {name!r} holds {', '.join(wrong[:3])}; a perturbation kind is one of "
            f"{', '.join(known)}: rename the values or give perturbation_kind once for all"
        )


def _some(names: list[str]) -> str:
    return ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
