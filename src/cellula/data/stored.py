"""Profiles of a file larger than memory: its annotations in memory, its matrix in scratch."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from anndata import AnnData
from numpy.typing import NDArray

from cellula.core.dataset import Dataset, Provenance, forget_names
from cellula.core.door import check_finite, check_values
from cellula.core.errors import DataError
from cellula.core.roles import ROLES
from cellula.core.value_type import ValueType
from cellula.data.data_source import DataSource
from cellula.data.matrix import COUNTS, float_type, require_unique
from cellula.data.open import require_control
from cellula.data.roles import keep_rows, with_roles
from cellula.io.backed import BackedCells, BackedMatrix, opened_cells
from cellula.io.digest import hash_source
from cellula.io.row_store import StoredRows, partitioned
from cellula.kernels.memory import give_back

__all__ = ["open_stored", "partition_order"]

#: Columns that tell one group of profiles from another, the question first.
GROUPING = (
    "perturbation",
    "dose_molar",
    "time_s",
    "context",
    "individual",
    "donor",
    "replicate",
    "batch",
)


def open_stored(source: DataSource, folder: Path, scratch: Path) -> Dataset:
    """The profiles of one h5ad file or Zarr folder as :func:`~cellula.data.open.open_dataset`
    gives them, with the matrix in ``scratch``.

    folder: what a relative path starts from; scratch: a new folder. The matrix is read once, in
    blocks of rows, checked, and written in the order of its groups, so that the cells of a group
    lie together. Raises DataError naming file, column, row and remedy, StorageError when the disk
    refuses.
    """
    _require_plain(source)
    path = folder / source.path
    with opened_cells(path) as cells:
        obs, rows = _annotations(cells, source)
        var = cells.var()
        require_unique(var.index, "readout", source.name)
        value_type = source.value_type or ValueType.QUANTITY
        place = np.full(len(rows), -1, np.int64)
        place[rows] = _inverse(partition_order(obs))
        data = AnnData(None, obs=obs, var=var)
        given = cells.matrix("X" if source.layer is None else f"layers/{source.layer}")
        stored = _partition(given, _checked(given, data, rows, value_type), place, scratch / "X")
        counts = f"layers/{COUNTS}"
        matrix = cells.matrix(counts) if cells.has_matrix(counts) else None
        found = Dataset(
            data,
            value_type,
            provenance=Provenance(sources={source.name: hash_source(path)}),
            stored=stored,
            stored_counts=None
            if matrix is None
            else _partition(matrix, matrix.blocks(), place, scratch / COUNTS),
        )
    forget_names(data)
    give_back()
    return found


def partition_order(obs: pd.DataFrame) -> NDArray[np.int64]:
    """The order of the profiles in which those of a group lie together: (profiles,) positions.

    By question, then by unit of replication, then as in the file.
    """
    order = np.arange(len(obs))
    for name in reversed(GROUPING):
        if name in obs.columns:
            column = obs[name]
            is_text = isinstance(column.dtype, pd.CategoricalDtype)
            keys = column.cat.codes.to_numpy() if is_text else column.to_numpy()
            order = order[np.argsort(keys[order], kind="stable")]
    return order.astype(np.int64)


def _require_plain(source: DataSource) -> None:
    """Raise DataError where what is declared needs the whole matrix in memory."""
    asked = {
        "exclude": source.exclude,
        "layout": source.layout,
        "modality": source.modality,
        "catalogue": source.catalogue,
    }
    given = [name for name, value in asked.items() if value]
    if given:
        raise DataError(
            f"{source.name}: {', '.join(given)} needs the matrix in memory; leave it out or use a "
            "machine with more memory"
        )


def _annotations(cells: BackedCells, source: DataSource) -> tuple[pd.DataFrame, NDArray[np.bool_]]:
    """Roles of the kept profiles, and which rows of the file are kept.

    Roles are made of the distinct rows of the columns that tell them, of which there are few.
    """
    control = source.columns.get("control", "")
    named = {*source.columns.values(), *source.where, control, control.partition("=")[0]}
    table = cells.columns(sorted(named))
    if not set(source.columns.values()) | set(source.where) <= {*table.columns, control}:
        table = cells.columns()  # so that the message can tell what there is
    names = cells.names()
    if names.duplicated().any():
        require_unique(names, "profile", source.name)
    codes = _row_codes(table)
    _, first, inverse = np.unique(codes, return_index=True, return_inverse=True)
    few = table.iloc[first].set_axis(names[first].astype(object))
    kept = keep_rows(few, source.where, source.name) if source.where else np.ones(len(few), bool)
    told = with_roles(few[kept], source)
    require_control(told, source)
    rows = np.asarray(kept[inverse], np.bool_)
    place = (np.cumsum(kept) - 1)[inverse[rows]]
    obs = {str(name): _spread(told[name], place) for name in told.columns if name in ROLES}
    return pd.DataFrame(obs, index=names[rows]), rows


def _row_codes(table: pd.DataFrame) -> NDArray[np.int64]:
    """A code of every row, equal for equal rows, rising with the rows: (rows,)."""
    codes = np.zeros(len(table), np.int64)
    for name in table.columns:
        own = pd.factorize(table[name])[0].astype(np.int64) + 1
        codes = np.unique(codes * (own.max(initial=0) + 1) + own, return_inverse=True)[1]
    return codes


def _spread(column: pd.Series[Any], place: NDArray[np.int64]) -> Any:
    """The values of a few rows, set down for all."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        return pd.Categorical.from_codes(
            column.cat.codes.to_numpy()[place], list(column.cat.categories)
        )
    return column.to_numpy()[place]


def _inverse(order: NDArray[np.int64]) -> NDArray[np.int64]:
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    return place


def _checked(
    matrix: BackedMatrix, data: AnnData, rows: NDArray[np.bool_], value_type: ValueType
) -> Iterator[tuple[int, Any]]:
    """The blocks of a matrix, each checked for what the values of a dataset must be."""
    before = 0
    for start, block in matrix.blocks():
        kept = rows[start : start + block.shape[0]]
        n_kept = int(kept.sum())
        if n_kept:
            obs = data.obs.iloc[before : before + n_kept]
            part = AnnData(block if n_kept == len(kept) else block[kept], obs=obs, var=data.var)
            if before == 0:
                check_values(part, value_type)
            else:
                check_finite(part, value_type, before)
            before += n_kept
        yield start, block


def _partition(
    matrix: BackedMatrix, blocks: Iterator[tuple[int, Any]], place: NDArray[np.int64], folder: Path
) -> StoredRows:
    """The matrix in its new order, its rows in the order of the kept profiles."""
    if matrix.shape[0] != len(place):
        raise DataError(
            f"{matrix.file}: {matrix.name} has {matrix.shape[0]} rows but obs {len(place)}; write "
            "the file again"
        )
    dtype = float_type(matrix.dtype, matrix.file)
    lengths = matrix.lengths()
    store = partitioned(folder, blocks, place, lengths, matrix.shape[1], dtype)
    return StoredRows(store, place[place >= 0])
