"""Batches of profiles from a matrix on disk: contiguous blocks are read, rows shuffled in a pool.

Never row by row: a disk gives a block of 256 neighbours for little more than one of them. Every
epoch deals the blocks anew, 64 at a time, and shuffles the rows of those 64 together, so that a
batch holds rows of many blocks while no more than a pool is in memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import scipy.sparse as sp
import torch
from numpy.typing import NDArray
from torch import Tensor

from cellula.core.errors import DataError
from cellula.core.matrix import loaded
from cellula.io.row_store import StoredRows

__all__ = ["RowBatch", "StoredBatches"]

#: Rows that are read together, blocks that are shuffled together, values of a dense pool.
BLOCK, POOL, POOL_VALUES = 256, 64, 2**25


@dataclass(frozen=True, slots=True)
class RowBatch:
    """rows: (rows,) positions in the matrix; values: (rows, columns), dense float32."""

    rows: Tensor
    values: Tensor


@final
@dataclass(frozen=True, slots=True)
class StoredBatches:
    """A :class:`~cellula.models.learned.blocks.trainer.Batches` of rows with their values.

    matrix: (rows, columns), dense, CSR or stored; rows: which of them, in the order in which they
    lie on disk; size: rows of a batch; seed: of the order of every pass; pool: blocks that are in
    memory together.
    """

    matrix: Any
    rows: NDArray[np.int64]
    size: int
    seed: int
    pool: int

    @classmethod
    def of(
        cls, matrix: Any, size: int, seed: int, *, rows: NDArray[np.int64] | None = None
    ) -> StoredBatches:
        """Batches of a matrix; rows: of these alone. Raises DataError on none."""
        wanted = np.arange(matrix.shape[0]) if rows is None else np.asarray(rows, np.int64)
        if not len(wanted):
            raise DataError("there is no profile to make batches of; give one at least")
        if isinstance(matrix, StoredRows):
            wanted = wanted[np.argsort(matrix.positions[wanted], kind="stable")]
        pool = POOL
        if not sp.issparse(loaded(matrix[wanted[:1]])):
            pool = int(np.clip(POOL_VALUES // (BLOCK * max(matrix.shape[1], 1)), 1, POOL))
        return cls(matrix, wanted, size, seed, pool)

    def epoch(self, number: int) -> Iterator[RowBatch]:
        """Every row once; the last batch is what is left."""
        stream = np.random.default_rng((self.seed, number))
        blocks = stream.permutation(-(-len(self.rows) // BLOCK))
        rows, values = np.zeros(0, np.int64), None
        for start in range(0, len(blocks), self.pool):
            more = [
                self.rows[i * BLOCK : (i + 1) * BLOCK] for i in blocks[start : start + self.pool]
            ]
            rows, values = self._pooled(rows, values, more)
            order = stream.permutation(len(rows))
            is_last = start + self.pool >= len(blocks)
            n = len(rows) if is_last else len(rows) - len(rows) % self.size
            for at in range(0, n, self.size):
                chosen = order[at : min(at + self.size, n)]
                yield RowBatch(torch.from_numpy(rows[chosen]), _tensor(values[chosen]))
            left = order[n:]  # too few for a batch: they wait for the next pool
            rows, values = rows[left], values[left]

    def _pooled(
        self, rows: NDArray[np.int64], values: Any, more: list[NDArray[np.int64]]
    ) -> tuple[NDArray[np.int64], Any]:
        """What is left of the last pool, and more blocks, each read at once."""
        parts = [loaded(self.matrix[block]) for block in more]
        if values is not None and len(rows):
            parts.insert(0, values)
            more = [rows, *more]
        is_sparse = sp.issparse(parts[0])
        pooled = sp.vstack(parts, format="csr") if is_sparse else np.concatenate(parts)
        return np.concatenate(more), pooled


def _tensor(values: Any) -> Tensor:
    dense = values.toarray() if sp.issparse(values) else values
    return torch.from_numpy(np.ascontiguousarray(dense, np.float32))
