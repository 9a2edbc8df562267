"""Profiles from a file: rows kept, roles named, the matrices dense float or CSR."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pandas as pd
from anndata import AnnData

from cellula.core.errors import DataError
from cellula.data.data_source import DataSource, Layout
from cellula.data.layout import melt, turn
from cellula.data.matrix import matrix_part, require_unique
from cellula.data.modalities import profiles_of_modalities
from cellula.data.roles import keep_rows, place, require_columns, with_roles
from cellula.io.modalities import by_measured_table

if TYPE_CHECKING:
    from mudata import MuData

__all__ = ["profiles_of"]


def profiles_of(content: object, source: DataSource) -> AnnData | MuData:
    """The profiles of one source as an AnnData, or a MuData, whose obs has the roles.

    content: an AnnData, a MuData, a table of one row a profile, or a wide table with a layout.
    Kept are X, obs, var, obsm and the layer ``counts``. Raises DataError naming file, column
    and row.
    """
    if isinstance(content, pd.DataFrame):
        if source.modality is not None:
            raise DataError(f"{source.name} is a table, which has no modality; remove the key")
        if source.layer is not None or source.value_types:
            raise DataError(
                f"{source.name} is a table, which has no layer and no modalities; remove layer "
                "and value_types"
            )
        if source.where and not _is_turned(source):
            content = content[keep_rows(content, source.where, source.name)]
        return _from_layout(content, source) if source.layout else _from_rows(content, source)
    is_several = not isinstance(content, AnnData) and hasattr(content, "mod")
    if not isinstance(content, AnnData) and not is_several:
        raise DataError(
            f"{source.name} holds a {type(content).__name__}; profiles come as h5ad or as a table"
        )
    if source.layout or source.readouts:
        raise DataError(
            f"{source.name} is an annotated matrix: layout and readouts are for tables; remove them"
        )
    if isinstance(content, AnnData) and (source.modality or source.value_types):
        content = by_measured_table(content, source.name)
    if not isinstance(content, AnnData):
        return profiles_of_modalities(cast("MuData", content), source)
    if source.modality is not None or source.value_types:
        raise DataError(f"{source.name} has one modality only; remove modality and value_types")
    return _from_matrix(content, source)


def _from_matrix(content: AnnData, source: DataSource) -> AnnData:
    names = pd.DataFrame(columns=list(content.var_names.astype(str)))
    require_columns(names, source.exclude, source.name)
    rows = (
        keep_rows(content.obs, source.where, source.name)
        if source.where
        else np.ones(content.n_obs, bool)
    )
    require_unique(content.obs_names, "profile", source.name)
    obs = with_roles(content.obs[rows], source)
    return matrix_part(content, rows, obs, source.exclude, source.name, source.layer)


def _is_turned(source: DataSource) -> bool:
    return source.layout is not None and source.layout.orientation == "readouts_as_rows"


def _from_layout(table: pd.DataFrame, source: DataSource) -> AnnData:
    layout = source.layout
    if layout is None:
        raise DataError(f"{source.name} has no layout")
    if layout.rows is None:
        return _from_turned(table, layout, source)
    row_column = source.columns[layout.rows]
    obs, values = melt(table, layout, row_column, source.exclude, source.name)
    named = source.model_copy(
        update={"columns": {layout.rows: layout.rows, layout.columns: layout.columns}}
    )
    return AnnData(
        values, obs=with_roles(obs, named), var=pd.DataFrame(index=pd.Index([layout.readout]))
    )


def _from_turned(table: pd.DataFrame, layout: Layout, source: DataSource) -> AnnData:
    obs, readouts, values = turn(table, layout, source.exclude, source.name)
    if source.where:
        keep = keep_rows(obs, source.where, source.name)
        obs, values = obs[keep], values[keep]
    named = source.model_copy(
        update={"columns": {**source.columns, layout.columns: layout.columns}}
    )
    return AnnData(values, obs=with_roles(obs, named), var=pd.DataFrame(index=pd.Index(readouts)))


def _from_rows(table: pd.DataFrame, source: DataSource) -> AnnData:
    if not source.readouts:
        raise DataError(
            f"{source.name} is a table without a layout: name the columns that are readouts, "
            'readouts = ["..."], or describe a wide table with layout = { ... }'
        )
    require_unique(pd.Index(source.readouts), "readout", source.name)
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
