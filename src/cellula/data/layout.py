"""From a wide table to profiles: one row a measured value, or one row a column of the table."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cellula.core.errors import DataError
from cellula.data.data_source import Layout
from cellula.data.roles import label_text, place, require_columns

__all__ = ["melt", "turn"]


def melt(
    table: pd.DataFrame, layout: Layout, row_column: str, exclude: Sequence[str], file: str
) -> tuple[pd.DataFrame, NDArray[np.float64]]:
    """One row a measured value: obs (values, 2 labels) and values (values, 1).

    table: a column of row labels and one numeric column a column label; NaN means not measured.
    Values come row by row. obs has the categorical columns ``layout.rows`` and
    ``layout.columns`` and as index ``row label|column label``. Raises DataError on a column
    that the pattern does not match, a label that occurs twice, or text among the values.
    """
    if layout.rows is None:
        raise DataError(f"{file}: layout.rows is missing; say what a row of the table is")
    require_columns(table, [row_column, *exclude], file)
    rows = label_text(table[row_column], row_column, file)
    names = [str(name) for name in table.columns if name not in {row_column, *exclude}]
    columns = _column_labels(names, layout, file)
    _require_unique(rows, f"column {row_column!r}", file)
    _require_unique(columns, "the column names", file)
    values = _numbers(table, names, file)
    row, column = np.nonzero(~np.isnan(values))
    if not len(row):
        raise DataError(f"{file}: no value is measured; every cell of the table is empty")
    obs = pd.DataFrame(
        {
            layout.rows: pd.Categorical.from_codes(row, categories=rows),
            layout.columns: pd.Categorical.from_codes(column, categories=columns),
        }
    )
    obs.index = pd.Index(np.asarray(rows, object)[row] + "|" + np.asarray(columns, object)[column])
    return obs, values[row, column][:, None]


def turn(
    table: pd.DataFrame, layout: Layout, exclude: Sequence[str], file: str
) -> tuple[pd.DataFrame, list[str], NDArray[np.float64]]:
    """A table of readouts as rows, turned: obs (profiles, 1 label), readouts, values.

    table: the column ``layout.readout`` of the readouts' names and one numeric column a
    profile; several columns may have one label (replicates). exclude: columns, or readouts.
    values: shape (profiles, readouts). obs has the categorical column ``layout.columns`` and as
    index the column's name. Raises DataError on a column that the pattern does not match, a
    readout that occurs twice, or a value that is missing or no number.
    """
    column = layout.readout
    require_columns(table, [column], file)
    readouts = label_text(table[column], column, file)
    _require_known(exclude, [*map(str, table.columns), *readouts], file)
    keep = ~pd.Index(readouts).isin(exclude)
    kept = [name for name, is_kept in zip(readouts, keep, strict=True) if is_kept]
    names = [str(name) for name in table.columns if name not in {column, *exclude}]
    labels = _column_labels(names, layout, file)
    _require_unique(kept, f"column {column!r}", file)
    values = _numbers(table[keep], names, file)
    missing = np.argwhere(np.isnan(values))
    if len(missing):
        row, place_ = missing[0]
        raise DataError(
            f"{file}: readout {kept[row]!r} has no value in column {names[place_]!r} (and "
            f"{len(missing) - 1} other cells are empty); every profile needs every readout: "
            "exclude the readouts or the columns"
        )
    obs = pd.DataFrame({layout.columns: pd.Categorical(labels)}, index=pd.Index(names))
    return obs, kept, np.ascontiguousarray(values.T)


def _require_known(names: Sequence[str], known: Sequence[str], file: str) -> None:
    absent = sorted(set(names) - set(known))
    if absent:
        raise DataError(
            f"{file}: exclude names {absent[0]!r}, which is no column and no readout; correct it"
        )


def _column_labels(names: Sequence[str], layout: Layout, file: str) -> list[str]:
    matches = [re.fullmatch(layout.pattern, name) for name in names]
    strangers = [name for name, match in zip(names, matches, strict=True) if match is None]
    if strangers or not names:
        shown = ", ".join(strangers[:5]) or "there is none"
        raise DataError(
            f"{file}: {len(strangers)} of {len(names)} columns do not match the pattern "
            f"{layout.pattern!r}: {shown}; change the pattern or exclude them"
        )
    return [match[1] for match in matches if match is not None]


def _require_unique(labels: Sequence[str], where: str, file: str) -> None:
    repeated = pd.Index(labels)
    repeated = repeated[repeated.duplicated()]
    if len(repeated):
        raise DataError(
            f"{file}: {where} gives the label {repeated[0]!r} twice; a wide table has one value a "
            "pair: merge them, or hand over a table of one row a value with a replicate column"
        )


def _numbers(table: pd.DataFrame, names: Sequence[str], file: str) -> NDArray[np.float64]:
    part: Any = table[list(names)]
    for name in names:
        if not pd.api.types.is_numeric_dtype(part[name]) and not part[name].isna().all():
            numbers = pd.to_numeric(part[name], errors="coerce")
            row = int(np.flatnonzero((numbers.isna() & part[name].notna()).to_numpy())[0])
            raise DataError(
                f"{file}: column {name!r} holds {place(part[name], row)}; expected "
                "numbers, or nothing where nothing was measured"
            )
    values: NDArray[np.float64] = part.astype(np.float64).to_numpy()
    infinite = np.argwhere(np.isinf(values))
    if len(infinite):
        row, column = infinite[0]
        raise DataError(
            f"{file}: column {names[column]!r} is infinite in row {table.index[row]}; "
            "leave it empty if it was not measured"
        )
    return values
