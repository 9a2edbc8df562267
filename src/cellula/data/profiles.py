"""Profiles from a file: rows kept, roles named, the matrix dense float or CSR."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import pandas as pd
import scipy.sparse as sp
from anndata import AnnData
from numpy.typing import NDArray

from cellula.core.dataset import Matrix
from cellula.core.errors import DataError
from cellula.data.data_source import DataSource
from cellula.data.layout import melt
from cellula.data.roles import keep_rows, place, require_columns, with_roles

__all__ = ["profiles_of"]

#: The layer of raw counts beside log-normalised values.
COUNTS = "counts"


def profiles_of(content: object, source: DataSource) -> AnnData:
    """The profiles of one source as an AnnData whose obs has the roles.

    content: an AnnData, a table of one row a profile, or a wide table with a layout. Kept are
    X, obs, var, obsm and the layer ``counts``. Raises DataError naming file, column and row.
    """
    if isinstance(content, AnnData):
        if source.layout or source.readouts:
            raise DataError(
                f"{source.name} is an annotated matrix: layout and readouts are for tables; "
                "remove them"
            )
        return _from_matrix(content, source)
    if not isinstance(content, pd.DataFrame):
        raise DataError(
            f"{source.name} holds a {type(content).__name__}; profiles come as h5ad or as a table"
        )
    if source.where:
        content = content[keep_rows(content, source.where, source.name)]
    return _from_layout(content, source) if source.layout else _from_rows(content, source)


def _from_matrix(content: AnnData, source: DataSource) -> AnnData:
    if content.X is None:
        raise DataError(f"{source.name} has no matrix X; write the values into X")
    _require_unique(content.var_names, "readout", source.name)
    _require_unique(content.obs_names, "profile", source.name)
    columns = _columns_kept(content.var_names.astype(str), source)
    rows = (
        keep_rows(content.obs, source.where, source.name)
        if source.where
        else np.ones(content.n_obs, bool)
    )

    def part(matrix: Matrix) -> Matrix:
        return _block(matrix, rows, columns)

    return AnnData(
        _as_float(part(content.X), source.name),
        obs=with_roles(content.obs[rows], source),
        var=content.var[columns],
        obsm={key: value[rows] for key, value in content.obsm.items()},
        layers={COUNTS: part(content.layers[COUNTS])} if COUNTS in content.layers else {},
    )


def _require_unique(names: pd.Index, what: str, file: str) -> None:
    repeated = names[names.duplicated()].unique()
    if len(repeated):
        shown = ", ".join(map(str, repeated[:5])) + (" ..." if len(repeated) > 5 else "")
        raise DataError(
            f"{file}: {len(repeated)} {what} name(s) occur more than once: {shown}; make them "
            f"unique or merge the {what}s"
        )


def _block(matrix: Matrix, rows: NDArray[np.bool_], columns: NDArray[np.bool_]) -> Matrix:
    """The kept rows and columns; CSR when sparse, without a copy when all are kept."""
    kept = sp.csr_matrix(matrix) if sp.issparse(matrix) else np.asarray(matrix)
    if not rows.all():
        kept = kept[rows]
    return kept if columns.all() else kept[:, columns]


def _columns_kept(names: pd.Index, source: DataSource) -> NDArray[np.bool_]:
    require_columns(pd.DataFrame(columns=list(names)), source.exclude, source.name)
    return cast("NDArray[np.bool_]", ~names.isin(source.exclude))


def _as_float(matrix: Matrix, file: str) -> Matrix:
    """float32 and float64 stay, other numbers become float32 or float64, whichever is exact."""
    if not (np.issubdtype(matrix.dtype, np.number) or matrix.dtype == bool):
        raise DataError(f"{file}: the matrix holds {matrix.dtype}; expected numbers")
    if matrix.dtype in (np.float32, np.float64):
        return matrix
    return matrix.astype(np.float32 if matrix.dtype.itemsize <= 2 else np.float64)


def _from_layout(table: pd.DataFrame, source: DataSource) -> AnnData:
    layout = source.layout
    if layout is None:
        raise DataError(f"{source.name} has no layout")
    row_column = source.columns[layout.rows]
    obs, values = melt(table, layout, row_column, source.exclude, source.name)
    named = source.model_copy(
        update={"columns": {layout.rows: layout.rows, layout.columns: layout.columns}}
    )
    return AnnData(
        values, obs=with_roles(obs, named), var=pd.DataFrame(index=pd.Index([layout.readout]))
    )


def _from_rows(table: pd.DataFrame, source: DataSource) -> AnnData:
    if not source.readouts:
        raise DataError(
            f"{source.name} is a table without a layout: name the columns that are readouts, "
            'readouts = ["..."], or describe a wide table with layout = { ... }'
        )
    _require_unique(pd.Index(source.readouts), "readout", source.name)
    require_columns(table, [*source.readouts, *source.exclude], source.name)
    for name in source.readouts:
        _require_numbers(table[name], name, source.name)
    obs = table.drop(columns=[*source.readouts, *source.exclude])
    obs.index = pd.Index([str(label) for label in table.index])
    return AnnData(
        table[list(source.readouts)].to_numpy(np.float64),
        obs=with_roles(obs, source),
        var=pd.DataFrame(index=pd.Index(source.readouts)),
    )


def _require_numbers(column: pd.Series[Any], name: str, file: str) -> None:
    numbers = pd.to_numeric(column, errors="coerce")
    wrong = np.flatnonzero(~np.isfinite(numbers.to_numpy(np.float64)))
    if len(wrong):
        raise DataError(
            f"{file}: readout {name!r} holds {place(column, wrong[0])} (and "
            f"{len(wrong) - 1} other rows like it); expected a number in every row: drop the rows "
            "or keep others with 'where'"
        )
    if not pd.api.types.is_numeric_dtype(column):
        raise DataError(f"{file}: readout {name!r} holds text; write plain numbers")
