"""A matrix that may be larger than memory: rows are read when they are asked for."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

__all__ = ["StoredMatrix", "dense", "loaded"]


@runtime_checkable
class StoredMatrix(Protocol):
    """A matrix (rows, columns) on disk. Taking a part of it reads nothing; :meth:`load` does."""

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""

    def __getitem__(self, rows: Any) -> StoredMatrix:
        """Some rows by slice, boolean mask or positions, in that order; nothing is read."""

    def columns(self, order: NDArray[np.int64]) -> StoredMatrix:
        """Some columns in the order given; nothing is read."""

    def load(self) -> Any:
        """All of it in memory: a dense array or a CSR matrix, as it was written."""


def loaded(matrix: Any) -> Any:
    """A matrix in memory: read where it is on disk, else the same object."""
    return matrix.load() if isinstance(matrix, StoredMatrix) else matrix


def dense(matrix: Any) -> NDArray[np.float64]:
    """Dense, CSR or stored values as a dense float64 array of the same shape."""
    values = loaded(matrix)
    if sp.issparse(values):  # widened while it is sparse: one dense array, not two
        values = values.astype(np.float64).toarray()
    return np.asarray(values, np.float64)
