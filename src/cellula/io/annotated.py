"""An annotated matrix from its parts, as the readers of tables put it together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from anndata import AnnData
from numpy.typing import NDArray

from cellula.core.errors import DataError

__all__ = ["annotated", "numbers", "readout_names", "typed"]

#: A number with a needless zero is an identifier.
PADDED = r"[+-]?0\d"
WHOLE = r"[+-]?\d{1,18}"
TRUTH = {"True": True, "False": False}


def annotated(
    values: Any,
    obs: pd.DataFrame,
    var: pd.DataFrame,
    file: str,
    layers: Mapping[str, Any] | None = None,
) -> AnnData:
    """Profiles x readouts; obs and var are indexed by the names of profiles and readouts.

    values, layers: shape (profiles, readouts). Raises DataError, naming the file, when a name
    repeats, the shapes differ or there is nothing in it.
    """
    for what, names in (("profile", obs.index), ("readout", var.index)):
        repeated = names[names.duplicated()]
        if len(repeated):
            raise DataError(
                f"{file}: the {what} {str(repeated[0])!r} occurs more than once ({len(repeated)} "
                f"repeated names); keep or merge one of each"
            )
    if values.shape != (len(obs), len(var)):
        raise DataError(
            f"{file}: {values.shape[0]} x {values.shape[1]} values but {len(obs)} profiles and "
            f"{len(var)} readouts; fetch the file again"
        )
    if 0 in values.shape:
        raise DataError(
            f"{file} holds {len(obs)} profiles and {len(var)} readouts: nothing to read; "
            "check that it is the file you mean"
        )
    names = {"obs": obs, "var": var}
    text = {key: table.set_axis(table.index.astype(str)) for key, table in names.items()}
    return AnnData(values, text["obs"], text["var"], layers=dict(layers or {}))


def numbers(table: pd.DataFrame, file: str) -> NDArray[np.float64]:
    """A table of numbers as float64 of its shape; an empty field is NaN.

    Raises DataError naming column, row and text where a field is no number.
    """
    columns = [_column(table.iloc[:, place], file) for place in range(table.shape[1])]
    shape = (len(table), len(columns))
    return np.column_stack(columns) if columns else np.empty(shape)


def _column(column: pd.Series[Any], file: str) -> NDArray[np.float64]:
    if pd.api.types.is_numeric_dtype(column) or pd.api.types.is_bool_dtype(column):
        return np.asarray(column.to_numpy(np.float64))
    values = np.full(len(column), np.nan)
    for place, value in enumerate(column.tolist()):
        if value is None or value != value:
            continue
        try:
            values[place] = float(value)
        except (TypeError, ValueError) as error:
            raise DataError(
                f"{file}: column {str(column.name)!r} holds {value!r} in row "
                f"{column.index[place]}; expected numbers: leave text columns out or write numbers"
            ) from error
    return values


def readout_names(symbols: Sequence[str], ids: Sequence[str]) -> list[str]:
    """The symbol of every readout; one that several share is told apart as ``SYMBOL_ID``.

    A readout without a symbol is called by its id.
    """
    named = [
        id if symbol in ("", "nan", "None") else symbol
        for symbol, id in zip(map(str, symbols), map(str, ids), strict=True)
    ]
    counts = pd.Series(named).value_counts()
    return [
        name if counts[name] == 1 or name == id else f"{name}_{id}"
        for name, id in zip(named, map(str, ids), strict=True)
    ]


def typed(table: pd.DataFrame, missing: str = "") -> pd.DataFrame:
    """Annotations read as text: columns of plain numbers, or of True and False, get that type.

    A field that is empty or ``missing`` has no value. A column with a padded number (``007``)
    stays text.
    """
    columns = {
        str(name): _typed(table.iloc[:, place], missing) for place, name in enumerate(table.columns)
    }
    return pd.DataFrame(columns, index=table.index)


def _typed(column: pd.Series[Any], missing: str) -> pd.Series[Any]:
    text = column.astype(object).where(column.notna() & ~column.isin(["", missing]), None)
    there = text.dropna().astype(str)
    is_whole = len(there) == len(text) > 0
    if not len(there) or there.str.match(PADDED).any():
        return text
    if is_whole and there.isin(TRUTH).all():
        return text.map(TRUTH).astype(bool)
    if is_whole and there.str.fullmatch(WHOLE).all():
        return there.map(int)
    try:
        return text.map(float, na_action="ignore").astype(np.float64)
    except ValueError:
        return text
