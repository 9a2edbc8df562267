"""Annotated matrices that stay on disk: the matrix comes in blocks of rows."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast, final

import h5py
import numpy as np
import pandas as pd
import pyarrow as pa
import scipy.sparse as sp
import zarr
from anndata.io import read_elem
from numpy.typing import NDArray

from cellula.core.errors import DataError
from cellula.io.damage import readable, require_inside, require_sound_matrix
from cellula.io.zarr_store import require_whole_chunks

__all__ = ["BLOCK_VALUES", "BackedCells", "BackedMatrix", "is_backed", "opened_cells"]

#: Stored values that are read together: 16 MiB of float32 with their columns.
BLOCK_VALUES = 2**21
#: Names that are read together.
BLOCK_NAMES = 2**16
SUFFIXES = (".h5ad", ".zarr")
#: Of an encoding, whether it is sparse. A CSC matrix lies column by column.
ENCODINGS = {"csr_matrix": True, "array": False}


@final
@dataclass(frozen=True, slots=True)
class BackedMatrix:
    """A matrix in a file, CSR or dense: its shape, and its rows block by block."""

    node: Any
    name: str
    file: str

    @property
    def is_sparse(self) -> bool:
        """Whether it is CSR; DataError where it is neither CSR nor dense."""
        encoding = str(self.node.attrs.get("encoding-type", ""))
        if encoding not in ENCODINGS:
            raise DataError(
                f"{self.file}: {self.name} is stored as {encoding or 'an old format'!r}, of which "
                "no rows can be read alone; write it as CSR (scipy.sparse.csr_matrix) or dense "
                "with a present anndata, or evaluate in memory on a larger machine"
            )
        return ENCODINGS[encoding]

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        given = self.node.attrs["shape"] if self.is_sparse else self.node.shape
        return int(given[0]), int(given[1])

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the values."""
        found: np.dtype[Any] = np.dtype((self.node["data"] if self.is_sparse else self.node).dtype)
        return found

    @property
    def n_values(self) -> int:
        """How many values are stored."""
        rows, columns = self.shape
        return int(self.node["data"].shape[0]) if self.is_sparse else rows * columns

    def lengths(self) -> NDArray[np.int64] | None:
        """Stored values of every row of a CSR matrix: (rows,); None of a dense one."""
        return np.diff(self._indptr()) if self.is_sparse else None

    def blocks(self) -> Iterator[tuple[int, Any]]:
        """The first row and the values, CSR or dense, of consecutive blocks of rows."""
        n_rows, n_columns = self.shape
        if not self.is_sparse:
            size = max(1, BLOCK_VALUES // max(n_columns, 1))
            for start in range(0, n_rows, size):
                block = np.asarray(self.node[start : start + size])
                require_sound_matrix(block, f"{self.file}: {self.name}")
                yield start, block
            return
        indptr = self._indptr()
        start = 0
        while start < n_rows:
            stop = int(np.searchsorted(indptr, indptr[start] + BLOCK_VALUES, side="right")) - 1
            stop = min(max(stop, start + 1), n_rows)
            low, high = int(indptr[start]), int(indptr[stop])
            part = indptr[start : stop + 1] - low
            data, indices = (np.asarray(self.node[key][low:high]) for key in ("data", "indices"))
            rows = sp.csr_matrix((data, indices, part), shape=(stop - start, n_columns))
            require_sound_matrix(rows, f"{self.file}: {self.name}")
            yield start, rows
            start = stop

    def _indptr(self) -> NDArray[np.int64]:
        """Where each row begins, and the end; DataError where that cannot be."""
        found = np.asarray(self.node["indptr"][:], np.int64)
        n_stored = {int(self.node[key].shape[0]) for key in ("data", "indices")}
        is_right = len(found) == self.shape[0] + 1 and found[0] == 0 and {found[-1]} == n_stored
        if not is_right or np.any(np.diff(found) < 0):
            raise DataError(
                f"{self.file}: {self.name} is a damaged sparse matrix: its pointers do not fit its "
                "values; fetch or write it again"
            )
        return found


@final
@dataclass(frozen=True, slots=True)
class BackedCells:
    """An annotated matrix in an open file."""

    group: Any
    file: str

    def __len__(self) -> int:
        node = self.group["obs"]
        names = node[str(node.attrs["_index"])]
        return int((names if hasattr(names, "shape") else names["codes"]).shape[0])

    def names(self) -> pd.Index:
        """The names of the profiles, in the memory of their letters."""
        node = self.group["obs"]
        names = node[str(node.attrs["_index"])]
        if not isinstance(names, (h5py.Dataset, zarr.Array)):  # text that repeats, as categories
            return pd.Index(np.asarray(read_elem(names), object), dtype="string[pyarrow]")
        text = names.asstr() if isinstance(names, h5py.Dataset) else names
        parts = [
            pa.array(np.asarray(text[start : start + BLOCK_NAMES], object), pa.large_string())
            for start in range(0, names.shape[0], BLOCK_NAMES)
        ]
        return pd.Index(pd.arrays.ArrowStringArray(pa.chunked_array(parts, pa.large_string())))

    def columns(self, columns: Sequence[str] | None = None) -> pd.DataFrame:
        """Annotations of the profiles, numbered: these columns of those there are, None for all."""
        node = self.group["obs"]
        there = [str(name) for name in node.attrs["column-order"]]
        wanted = there if columns is None else [name for name in there if name in set(columns)]
        n_rows = len(self)
        return pd.DataFrame(
            {name: read_elem(node[name]) for name in wanted}, index=pd.RangeIndex(n_rows)
        )

    def var(self) -> pd.DataFrame:
        """Annotations of the readouts."""
        return cast("pd.DataFrame", read_elem(self.group["var"]))

    def has_matrix(self, name: str) -> bool:
        """Whether there is a matrix ``X`` or ``layers/<name>``."""
        return name in self.group

    def matrix(self, name: str = "X") -> BackedMatrix:
        """``X`` or ``layers/<name>``; DataError where there is none."""
        if name not in self.group:
            raise DataError(f"{self.file} has no matrix {name}; write the values into X")
        return BackedMatrix(self.group[name], name, self.file)


def is_backed(path: Path) -> bool:
    """Whether the matrix of a file of this name can stay on disk: h5ad and folders of Zarr."""
    return path.name.lower().endswith(SUFFIXES)


@contextmanager
def opened_cells(path: Path) -> Iterator[BackedCells]:
    """An annotated matrix on disk, open within the block.

    Raises DataError, naming the file, when it is not there, is damaged, or is of a format whose
    rows cannot be read alone.
    """
    if not is_backed(path):
        raise DataError(
            f"{path.name} can be read in memory only; a matrix that stays on disk is an .h5ad file "
            "or a .zarr folder: convert it with cellula data convert"
        )
    if not path.exists():
        raise DataError(f"{path}: no such file; check the path")
    with readable(path), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".* names are not unique")
        if path.name.lower().endswith(".h5ad"):
            require_inside(path)
            with h5py.File(path, "r") as file:
                yield BackedCells(file, path.name)
            return
        group = zarr.open_group(path, mode="r")
        arrays = [item for _, item in group.members(None) if isinstance(item, zarr.Array)]
        require_whole_chunks(path, arrays)
        yield BackedCells(group, path.name)
