"""Rows of a matrix in scratch files, read as contiguous slices: for matrices beyond memory.

A store is a folder of plain arrays: ``data.bin`` and, of a sparse matrix, ``indices.bin`` and
``indptr.bin``. It lives as long as the run that made it, is read at any place by any thread or
process that sees the folder, and keeps no file open.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from cellula.core.errors import DataError
from cellula.core.matrix import loaded
from cellula.io.atomic import storage_error

__all__ = ["RowStore", "StoredRows", "appended", "partitioned", "rewritten", "stacked"]

#: Rows that are not wanted are read too where a gap between wanted ones is no longer than this.
LONGEST_GAP = 256
#: Stored values that are read together when rows are written anew.
BLOCK_VALUES = 2**22
INDEX, POINTER = np.dtype(np.int32), np.dtype(np.int64)

Rows = NDArray[np.int64]


@final
@dataclass(frozen=True, slots=True)
class RowStore:
    """Where rows lie on disk. folder: of the arrays; dtype: of the values, as numpy writes it."""

    folder: Path
    n_columns: int
    dtype: str
    is_sparse: bool

    def read(self, start: int, stop: int) -> Any:
        """Consecutive rows, (stop - start, columns), dense or CSR; one read an array.

        Raises DataError when the store is not there, or shorter than that.
        """
        width = self.n_columns
        if not self.is_sparse:
            values = self._array("data", np.dtype(self.dtype), start * width, stop * width)
            return values.reshape(stop - start, width)
        indptr = self._array("indptr", POINTER, start, stop + 1)
        low, high = int(indptr[0]), int(indptr[-1])
        data = self._array("data", np.dtype(self.dtype), low, high)
        indices = self._array("indices", INDEX, low, high)
        return _csr(data, indices, indptr - low, width)

    def lengths(self, positions: Rows) -> Rows:
        """Stored values of rows: (positions,)."""
        if not self.is_sparse:
            return np.full(len(positions), self.n_columns)
        size = (self.folder / "indptr.bin").stat().st_size // POINTER.itemsize
        return np.asarray(np.diff(self._array("indptr", POINTER, 0, size))[positions], np.int64)

    def rows(self, start: int, stop: int) -> StoredRows:
        """Consecutive rows, not read yet."""
        return StoredRows(self, np.arange(start, stop, dtype=np.int64))

    def _array(self, name: str, dtype: np.dtype[Any], start: int, stop: int) -> NDArray[Any]:
        path = self.folder / f"{name}.bin"
        try:
            found = np.fromfile(path, dtype, stop - start, offset=start * dtype.itemsize)
        except FileNotFoundError as error:
            raise DataError(
                f"{path} is not there; every process of a run must see its scratch folder: on a "
                "cluster give a folder that all machines share"
            ) from error
        if len(found) < stop - start:
            raise DataError(
                f"{path} is cut short: somebody changed the scratch of a run; repeat it"
            )
        return found


@final
@dataclass(frozen=True, slots=True)
class StoredRows:
    """Rows of a store in any order: a :class:`~cellula.core.matrix.StoredMatrix`.

    rows: (rows,) positions in the store; order: (columns,) positions of columns, None for all.
    """

    store: RowStore
    positions: Rows
    order: Rows | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return len(self.positions), self.store.n_columns if self.order is None else len(self.order)

    def __getitem__(self, rows: Any) -> StoredRows:
        """Some rows by slice, boolean mask or positions; nothing is read."""
        return StoredRows(self.store, self.positions[rows], self.order)

    def columns(self, order: NDArray[np.int64]) -> StoredRows:
        """Some columns in the order given; nothing is read."""
        return StoredRows(
            self.store, self.positions, order if self.order is None else self.order[order]
        )

    def load(self) -> Any:
        """The rows in memory: neighbours are read together, whatever order they are wanted in."""
        wanted, place = np.unique(self.positions, return_inverse=True)
        edges = np.flatnonzero(np.diff(wanted) > LONGEST_GAP) + 1
        runs = np.split(wanted, edges)
        parts = [_picked(self.store, run) for run in runs if len(run)]
        values = stacked(parts) if parts else self.store.read(0, 0)
        if len(place) != len(wanted) or np.any(np.diff(self.positions) < 0):
            values = values[place]
        return values if self.order is None else values[:, self.order]


def _picked(store: RowStore, rows: Rows) -> Any:
    """Rows that lie near one another, ascending."""
    first, last = int(rows[0]), int(rows[-1]) + 1
    values = store.read(first, last)
    return values if len(rows) == last - first else values[rows - first]


def stacked(matrices: Sequence[Any]) -> Any:
    """Matrices of equal width below one another, without reading rows of one store.

    CSR where one is sparse. Matrices in memory and stored ones, or rows of several stores, become
    one matrix in memory.
    """
    if len(matrices) == 1:
        return matrices[0]
    heads = {
        (one.store, None if one.order is None else one.order.tobytes())
        if isinstance(one, StoredRows)
        else None
        for one in matrices
    }
    if None not in heads and len(heads) == 1:
        rows = np.concatenate([one.positions for one in matrices])
        return StoredRows(matrices[0].store, rows, matrices[0].order)
    parts = [loaded(one) for one in matrices]
    if any(sp.issparse(one) for one in parts):
        return sp.csr_matrix(sp.vstack(parts))
    return np.concatenate(parts)


# -- writing ----------------------------------------------------------------------------------
def partitioned(
    folder: Path,
    blocks: Iterable[tuple[int, Any]],
    place: Rows,
    lengths: Rows | None,
    n_columns: int,
    dtype: np.dtype[Any],
) -> RowStore:
    """Write the rows of a matrix in another order, in one pass over blocks of its rows.

    blocks: the first row and the values of consecutive blocks. place: (rows,) where every row goes,
    a permutation of 0, 1, ... among those kept; -1 leaves a row out. lengths: (rows,) stored values
    of every row of a CSR matrix, None of a dense one. Neighbours in the new order are written
    together. Raises StorageError when the disk refuses.
    """
    store = RowStore(folder, n_columns, dtype.str, lengths is not None)
    kept = np.flatnonzero(place >= 0)
    ends = np.empty(len(kept) + 1, np.int64)
    ends[0] = 0
    if lengths is None:
        ends[:] = np.arange(len(kept) + 1) * n_columns
    else:
        in_order = np.empty(len(kept), np.int64)
        in_order[place[kept]] = lengths[kept]
        np.cumsum(in_order, out=ends[1:])
    with _files(folder, _names(lengths is not None)) as files:
        if lengths is not None:
            _write(files["indptr"], ends, 0)
        for start, block in blocks:
            _scatter(files, block, place[start : start + block.shape[0]], ends, dtype)
    return store


def rewritten(matrix: StoredRows, folder: Path) -> StoredRows:
    """The same rows in a store of their own, in their order: one pass over those they come from.

    For rows that lie far apart, or that are wanted more than once. Raises StorageError when the
    disk refuses.
    """
    store, n_rows = matrix.store, len(matrix.positions)
    new = RowStore(folder, store.n_columns, store.dtype, store.is_sparse)
    lengths = store.lengths(matrix.positions)
    ends = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    target = np.argsort(matrix.positions, kind="stable")
    source = matrix.positions[target]
    reached = np.cumsum(lengths[target])
    with _files(folder, _names(store.is_sparse)) as files:
        if store.is_sparse:
            _write(files["indptr"], ends, 0)
        start = 0
        while start < n_rows:
            before = int(reached[start - 1]) if start else 0
            stop = int(np.searchsorted(reached, before + BLOCK_VALUES, side="right"))
            stop = min(max(stop, start + 1), n_rows)
            block = StoredRows(store, source[start:stop]).load()
            _scatter(files, block, target[start:stop], ends, np.dtype(store.dtype))
            start = stop
    return StoredRows(new, np.arange(n_rows), matrix.order)


def _names(is_sparse: bool) -> tuple[str, ...]:
    return ("data", "indices", "indptr") if is_sparse else ("data",)


def _scatter(
    files: dict[str, int], block: Any, place: Rows, ends: Rows, dtype: np.dtype[Any]
) -> None:
    """Write the rows of a block to their places, runs of neighbours at once."""
    rows = np.flatnonzero(place >= 0)
    rows = rows[np.argsort(place[rows], kind="stable")]
    if not len(rows):
        return
    target = place[rows]
    values = block[rows]
    first = np.flatnonzero(np.r_[True, np.diff(target) != 1])
    last = np.r_[first[1:], len(rows)]
    is_sparse = sp.issparse(values)
    data = np.ascontiguousarray(values.data if is_sparse else values.ravel(), dtype)
    local = values.indptr if is_sparse else np.arange(len(rows) + 1) * block.shape[1]
    indices = np.ascontiguousarray(values.indices, INDEX) if is_sparse else None
    for low, high, offset in zip(local[first], local[last], ends[target[first]], strict=True):
        _write(files["data"], data[low:high], int(offset))
        if indices is not None:
            _write(files["indices"], indices[low:high], int(offset))


def appended(folder: Path, blocks: Iterable[Any], n_columns: int, *, is_sparse: bool) -> RowStore:
    """Write blocks of rows one after another, as float64; CSR where ``is_sparse``.

    Raises StorageError when the disk refuses.
    """
    dtype = np.dtype(np.float64)
    offset, row = 0, 0
    with _files(folder, _names(is_sparse)) as files:
        if is_sparse:
            _write(files["indptr"], np.zeros(1, POINTER), 0)
        for block in blocks:
            values: Any = sp.csr_matrix(block) if is_sparse else np.asarray(loaded(block))
            flat = values.data if is_sparse else values.ravel()
            _write(files["data"], np.ascontiguousarray(flat, dtype), offset)
            if is_sparse:
                _write(files["indices"], np.ascontiguousarray(values.indices, INDEX), offset)
                pointers = np.asarray(values.indptr[1:] + offset, POINTER)
                _write(files["indptr"], pointers, row + 1)
            offset, row = offset + len(flat), row + values.shape[0]
    return RowStore(folder, n_columns, dtype.str, is_sparse)


@contextmanager
def _files(folder: Path, names: Sequence[str]) -> Iterator[dict[str, int]]:
    """New files by name, open for writing."""
    with ExitStack() as stack:
        opened = {}
        try:
            folder.mkdir(parents=True)
            for name in names:
                opened[name] = stack.enter_context((folder / f"{name}.bin").open("xb")).fileno()
        except OSError as error:
            raise storage_error(folder, "rows in group order", error) from error
        yield opened


def _write(file: int, values: NDArray[Any], offset: int) -> None:
    """Write an array at a place, counted in its values."""
    left = memoryview(values.tobytes())
    at = offset * values.itemsize
    while left:
        try:
            done = os.pwrite(file, left, at)
        except OSError as error:
            raise storage_error(Path("scratch"), "rows in group order", error) from error
        left, at = left[done:], at + done


def _csr(data: NDArray[Any], indices: NDArray[Any], indptr: Rows, width: int) -> sp.csr_matrix:
    """A CSR matrix of arrays known to be right."""
    narrow = indptr.astype(np.int32) if len(data) < np.iinfo(np.int32).max else indptr
    return sp.csr_matrix((data, indices, narrow), shape=(len(indptr) - 1, width), copy=False)
