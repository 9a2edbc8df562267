"""A matrix of cells, in memory or on a disk, as checked CSR blocks of rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp
from anndata import AnnData
from numpy.typing import NDArray

from cellula.core.errors import DataError
from cellula.core.value_type import ValueType
from cellula.evaluation.differential.options import DifferentialOptions
from cellula.kernels.column_values import Csr

__all__ = ["CellBlocks", "cell_blocks", "group_sizes"]


@dataclass(frozen=True, slots=True)
class CellBlocks:
    """The tested values of an AnnData, cells x readouts, block of rows after block of rows."""

    matrix: Any
    shape: tuple[int, int]
    readouts: pd.Index
    cells: pd.Index
    options: DifferentialOptions

    @property
    def in_memory(self) -> Csr | None:
        """The whole matrix where it is a CSR in memory that needs no change."""
        if sp.issparse(self.matrix) and self.options.normalise_to is None:
            return self.matrix.data, self.matrix.indices, self.matrix.indptr
        return None

    @property
    def is_log1p(self) -> bool:
        """Whether the tested values are log(1 + x)."""
        options = self.options
        return options.value_type is ValueType.LOG1P or options.normalise_to is not None

    def blocks(self) -> Iterator[tuple[slice, Csr]]:
        """Rows and their values. Raises DataError naming cell and readout of a bad value."""
        step = self.shape[0] if self.in_memory else self.options.rows_at_once
        for start in range(0, self.shape[0], max(step, 1)):
            rows = slice(start, min(start + step, self.shape[0]))
            whole = rows.stop - rows.start == self.shape[0] and sp.issparse(self.matrix)
            block = sp.csr_matrix(self.matrix if whole else self.matrix[rows])
            if not block.has_sorted_indices:
                block = block.sorted_indices()
            self._require_good(block, start)
            yield rows, self._prepared(block)

    def _prepared(self, block: sp.csr_matrix) -> Csr:
        total = self.options.normalise_to
        data = block.data
        if not np.issubdtype(data.dtype, np.floating) or data.dtype.itemsize < 4:
            data = data.astype(np.float32 if data.dtype.itemsize <= 2 else np.float64)
        if total is not None:
            counts = data.astype(np.float64)
            sums = np.asarray(block.sum(1), np.float64).ravel()
            scale = np.where(sums > 0, total / np.maximum(sums, 1e-300), 0.0)
            data = np.log1p(counts * np.repeat(scale, np.diff(block.indptr))).astype(np.float32)
        return data, block.indices, block.indptr

    def _require_good(self, block: sp.csr_matrix, start: int) -> None:
        if not (np.issubdtype(block.dtype, np.number) or block.dtype == bool):
            raise DataError(f"the matrix holds {block.dtype}; expected numbers")
        data = block.data
        if not len(data):
            return
        low, high = data.min(), data.max()
        if np.isfinite(low) and np.isfinite(high):
            if low >= 0 or not self.options.value_type.is_non_negative:
                return
            bad, what = data < 0, f"negative, which {self.options.value_type.value} cannot be"
        else:
            bad, what = ~np.isfinite(data), "not finite"
        at = int(np.flatnonzero(bad)[0])
        row = int(np.searchsorted(block.indptr, at, side="right")) - 1
        raise DataError(
            f"cell {self.cells[start + row]!r}, readout {self.readouts[block.indices[at]]!r}: the "
            f"value {data[at]} is {what}; correct it, name another value_type or leave the "
            "cell out"
        )


def cell_blocks(data: AnnData, options: DifferentialOptions) -> CellBlocks:
    """The tested matrix of an AnnData whose X may be on a disk (backed h5ad, or sparse Zarr).

    A CSC in memory is turned once. Raises DataError when the layer is absent, a readout's name
    repeats or a matrix on a disk is stored by columns, which cannot be read by rows.
    """
    layers = data.layers
    if options.layer is not None and options.layer not in layers:
        there = ", ".join(sorted(layers)) or "none"
        raise DataError(f"there is no layer {options.layer!r}; the data have: {there}")
    matrix = data.X if options.layer is None else layers[options.layer]
    if matrix is None:
        raise DataError("the data have no matrix X; write the values into X or name a layer")
    if data.var_names.has_duplicates:
        name = data.var_names[data.var_names.duplicated()][0]
        raise DataError(f"the readout {name!r} occurs more than once; make the names unique")
    if sp.issparse(matrix):
        matrix = _sorted_csr(matrix)
    elif getattr(matrix, "format", "csr") != "csr":
        raise DataError(
            "the matrix on the disk is stored by columns (csc), and cells are read by rows; "
            "write it once as csr"
        )
    return CellBlocks(matrix, data.shape, data.var_names, data.obs_names, options)


def _sorted_csr(matrix: Any) -> sp.csr_matrix:
    rows = sp.csr_matrix(matrix)
    if not rows.has_canonical_format:
        rows = rows.copy() if rows is matrix or rows.data is matrix.data else rows
        rows.sum_duplicates()
    if rows.dtype in (np.float32, np.float64):
        return rows
    return rows.astype(np.float32 if rows.dtype.itemsize <= 2 else np.float64)


def group_sizes(groups: NDArray[np.int64], n_groups: int) -> NDArray[np.int64]:
    """How many cells each group has; -1 is no group."""
    return np.bincount(groups[groups >= 0], minlength=n_groups)
