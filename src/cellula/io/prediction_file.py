"""Predictions as a file, batch by batch: a long table (Parquet, CSV) or a matrix (h5ad).

A long table has one row a query and readout: the query's columns, ``readout``, ``mean``,
``lower`` and ``upper`` where there are intervals, ``in_domain``, ``tier``. An h5ad file has one
row a query (X the mean, intervals as layers) or one a predicted cell (X the cells); obs holds
``query`` (the row of the question), the query's columns and ``in_domain``, uns what was said
about the predictions.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any, Protocol, final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import scipy.sparse as sp
from anndata.io import sparse_dataset, write_elem

from cellula.core.errors import DataError
from cellula.core.prediction import Prediction
from cellula.io.atomic import replaced_atomically
from cellula.io.hdf5_file import new_hdf5
from cellula.io.presence import is_there

__all__ = ["SUFFIXES", "Written", "require_free", "write_predictions"]

SUFFIXES = (".parquet", ".csv", ".h5ad")
#: Rows of an HDF5 chunk hold about so many values.
CHUNK_VALUES = 2**16


@dataclass(frozen=True, slots=True)
class Written:
    """What was written: questions, how many of them in domain, rows, and what a row carries."""

    queries: int = 0
    in_domain: int = 0
    rows: int = 0
    has_cells: bool = False
    has_interval: bool = False


class _Sink(Protocol):
    """Takes the batches of one file in their order."""

    def add(self, batch: Prediction, start: int) -> int:
        """Append a batch whose first question is the row ``start``; gives the rows written."""

    def close(self) -> None:
        """Finish the file."""


def require_free(path: Path, *, is_replaced: bool = False) -> None:
    """Raise DataError when predictions may not be written here: another suffix, or a file."""
    _suffix(path)
    if is_there(path) and (path.is_dir() or not is_replaced):
        raise DataError(f"{path} exists; replace a file with --force or name another")


def _suffix(path: Path) -> str:
    """The suffix that tells the format; DataError, naming those there are, on any other."""
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise DataError(
            f"predictions cannot be written to {path.name!r}; expected a name ending in one of "
            f"{', '.join(SUFFIXES)}"
        )
    return suffix


def write_predictions(
    batches: Iterator[Prediction],
    path: Path,
    about: Mapping[str, str],
    *,
    means_only: bool = False,
) -> Written:
    """Write a stream of predictions, whole or not at all; memory is that of one batch.

    about: what the file says of its predictions: ``tier`` becomes a column of a long table,
    all of it the metadata of Parquet and ``uns["cellula"]`` of h5ad. means_only: write the
    means of an h5ad although cells are predicted. Raises DataError when the name has another
    suffix, there is no batch, batches differ in what they carry, or the file cannot be written;
    an error of the stream passes through and leaves nothing behind.
    """
    suffix = _suffix(path)
    first = next(batches, None)
    if first is None:
        raise DataError(f"there is nothing to write to {path.name}: the model answered no question")
    has_cells = suffix == ".h5ad" and first.cells is not None and not means_only
    written = Written(has_cells=has_cells, has_interval=first.lower is not None and not has_cells)
    with replaced_atomically(path) as temporary:
        sink = _sink(suffix, temporary, first, about, has_cells)
        try:
            for batch in chain([first], batches):
                _require_alike(batch, first, has_cells)
                rows = sink.add(batch, written.queries)
                written = replace(
                    written,
                    queries=written.queries + len(batch.queries),
                    in_domain=written.in_domain + int(batch.in_domain.sum()),
                    rows=written.rows + rows,
                )
        finally:
            sink.close()
    return written


def _sink(
    suffix: str, path: Path, first: Prediction, about: Mapping[str, str], has_cells: bool
) -> _Sink:
    if suffix == ".h5ad":
        return _Matrix(path, first, about, has_cells)
    return _Long(path, first, about, suffix == ".parquet")


def _require_alike(batch: Prediction, first: Prediction, has_cells: bool) -> None:
    same = (
        batch.readouts == first.readouts
        and (batch.lower is None) == (first.lower is None)
        and batch.queries.columns == first.queries.columns
        and (not has_cells or batch.cells is not None)
    )
    if not same:
        raise DataError(
            "the model's batches differ in readouts, intervals, cells or columns; every batch of "
            "one model carries the same"
        )


@final
class _Long:
    """One row a query and readout, in Parquet or CSV; a row group a batch."""

    def __init__(
        self, path: Path, first: Prediction, about: Mapping[str, str], is_parquet: bool
    ) -> None:
        self._tier = about.get("tier", "")
        schema = self._table(first).schema
        if is_parquet:
            said = {f"cellula.{key}": value for key, value in about.items()}
            self._writer: Any = pq.ParquetWriter(
                path, schema.with_metadata(said), compression="zstd"
            )
            self._write: Callable[[pa.Table], None] = self._writer.write_table
        else:
            self._writer = path.open("wb")
            self._writer.write(_header(schema.names))
            self._write = self._write_csv

    def add(self, batch: Prediction, start: int) -> int:
        table = self._table(batch)
        self._write(table)
        return int(table.num_rows)

    def close(self) -> None:
        self._writer.close()

    def _write_csv(self, table: pa.Table) -> None:
        """Write the rows as pyarrow does; it needs dictionaries as plain text."""
        plain = table.cast(
            pa.schema(
                (field.name, pa.string() if pa.types.is_dictionary(field.type) else field.type)
                for field in table.schema
            )
        )
        pacsv.write_csv(plain, self._writer, pacsv.WriteOptions(include_header=False))

    def _table(self, batch: Prediction) -> pa.Table:
        n, width = batch.mean.shape
        columns: dict[str, Any] = {}
        for name in batch.queries.columns:
            column = getattr(batch.queries, name)
            if isinstance(column, pd.Categorical):
                codes = np.repeat(np.asarray(column.codes, np.int32), width)
                columns[name] = _dictionary(codes, column.categories)
            else:
                columns[name] = np.repeat(column, width)
        columns["readout"] = _dictionary(
            np.tile(np.arange(width, dtype=np.int32), n), batch.readouts
        )
        columns["mean"] = batch.mean.ravel()
        for name, bound in (("lower", batch.lower), ("upper", batch.upper)):
            if bound is not None:
                columns[name] = bound.ravel()
        columns["in_domain"] = np.repeat(batch.in_domain, width)
        columns["tier"] = _dictionary(np.zeros(n * width, np.int32), [self._tier])
        return pa.table(columns)


def _header(names: list[str]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(names)
    return text.getvalue().encode()


def _dictionary(codes: Any, labels: Any) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(
        pa.array(codes, pa.int32()), pa.array([str(label) for label in labels], pa.string())
    )


@final
class _Matrix:
    """One row a query or a predicted cell, in the layout that AnnData reads."""

    def __init__(
        self, path: Path, first: Prediction, about: Mapping[str, str], has_cells: bool
    ) -> None:
        self._open = ExitStack()
        self._file, self._under = self._open.enter_context(new_hdf5(path))
        self._has_cells = has_cells
        self._obs: list[pd.DataFrame] = []
        self._file.attrs.update({"encoding-type": "anndata", "encoding-version": "0.1.0"})
        write_elem(self._file, "var", pd.DataFrame(index=pd.Index(first.readouts, dtype=object)))
        shown = "cells" if has_cells else "mean"
        said = dict(about) | {"value_type": first.value_type.value, "X": shown}
        write_elem(self._file, "uns", {"cellula": said})
        for name in ("layers", "obsm", "varm", "obsp", "varp"):
            write_elem(self._file, name, {})

    def add(self, batch: Prediction, start: int) -> int:
        frame = batch.queries.frame()
        frame.insert(0, "query", np.arange(start, start + len(frame)))
        frame["in_domain"] = batch.in_domain
        if self._has_cells and batch.cells is not None:
            frame = frame.iloc[batch.cells.group]
            self._append_cells(sp.csr_matrix(batch.cells.values))
        else:
            self._append("X", batch.mean)
            for name, bound in (("lower", batch.lower), ("upper", batch.upper)):
                if bound is not None:
                    self._append(f"layers/{name}", bound)
        self._obs.append(frame)
        self._under.require()
        return len(frame)

    def close(self) -> None:
        try:
            if self._obs:
                obs = pd.concat(self._obs, ignore_index=True)
                for name in obs.select_dtypes(object).columns:
                    obs[name] = pd.Categorical(obs[name])
                obs.index = obs.index.astype(str)
                write_elem(self._file, "obs", obs)
        finally:
            self._open.close()

    def _append_cells(self, cells: sp.csr_matrix) -> None:
        if "X" in self._file:
            sparse_dataset(self._file["X"]).append(cells)
        else:
            write_elem(self._file, "X", cells, dataset_kwargs={"compression": "gzip"})

    def _append(self, key: str, block: np.ndarray[Any, Any]) -> None:
        if key not in self._file:
            rows = max(1, min(len(block), CHUNK_VALUES // block.shape[1]))
            made = self._file.create_dataset(
                key,
                data=block,
                maxshape=(None, block.shape[1]),
                chunks=(rows, block.shape[1]),
                compression="gzip",
            )
            made.attrs.update({"encoding-type": "array", "encoding-version": "0.2.0"})
            return
        stored = self._file[key]
        stored.resize(len(stored) + len(block), axis=0)
        stored[-len(block) :] = block
