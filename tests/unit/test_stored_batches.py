"""Batches from disk: every row once, in an order of the epoch, of many blocks, few reads."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
import torch

from cellula.core.errors import DataError
from cellula.io.row_store import RowStore, StoredRows, partitioned
from cellula.models.learned.blocks import stored_batches
from cellula.models.learned.blocks.stored_batches import StoredBatches

N, WIDTH = 3000, 7


def values(*, is_sparse: bool) -> Any:
    rng = np.random.default_rng(0)
    dense = np.arange(N)[:, None] + rng.random((N, WIDTH)) * (rng.random((N, WIDTH)) < 0.5)
    return sp.csr_matrix(dense) if is_sparse else dense


def stored(folder: Path, matrix: Any, order: np.ndarray[Any, Any]) -> StoredRows:
    """A matrix whose rows lie on disk in another order."""
    place = np.empty(N, np.int64)
    place[order] = np.arange(N)
    lengths = np.diff(matrix.indptr) if sp.issparse(matrix) else None
    store = partitioned(folder, [(0, matrix)], place, lengths, WIDTH, np.dtype(np.float64))
    return StoredRows(store, place)


@pytest.mark.parametrize("is_sparse", [True, False])
@pytest.mark.parametrize("is_stored", [True, False])
def test_every_row_comes_once_with_its_values(
    tmp_path: Path, is_sparse: bool, is_stored: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stored_batches, "POOL", 3)
    given = values(is_sparse=is_sparse)
    dense = given.toarray() if is_sparse else given
    order = np.random.default_rng(1).permutation(N)
    matrix = stored(tmp_path / "store", given, order) if is_stored else given
    batches = StoredBatches.of(matrix, 100, seed=4)
    found = list(batches.epoch(0))
    assert [len(one.rows) for one in found] == [100] * 30
    rows = torch.cat([one.rows for one in found]).numpy()
    np.testing.assert_array_equal(np.sort(rows), np.arange(N))
    got = torch.cat([one.values for one in found]).numpy()
    np.testing.assert_array_equal(got, dense[rows].astype(np.float32))


def test_an_epoch_has_its_own_order_and_the_same_one_again(tmp_path: Path) -> None:
    matrix = stored(tmp_path / "store", values(is_sparse=True), np.arange(N))
    batches, again = (StoredBatches.of(matrix, 64, seed=1) for _ in range(2))

    def order(one: StoredBatches, number: int) -> torch.Tensor:
        return torch.cat([batch.rows for batch in one.epoch(number)])

    assert torch.equal(order(batches, 2), order(again, 2))
    assert not torch.equal(order(batches, 2), order(batches, 3))
    assert not torch.equal(order(batches, 2), order(StoredBatches.of(matrix, 64, seed=2), 2))


def test_a_batch_holds_rows_of_many_blocks(tmp_path: Path) -> None:
    matrix = stored(tmp_path / "store", values(is_sparse=True), np.arange(N))
    first = next(StoredBatches.of(matrix, 100, seed=0).epoch(0))
    assert len(np.unique(first.rows.numpy() // stored_batches.BLOCK)) > 8


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many rows every read of a store takes."""
    seen: list[int] = []
    read: Callable[..., Any] = RowStore.read

    def counted(self: RowStore, start: int, stop: int) -> Any:
        seen.append(stop - start)
        return read(self, start, stop)

    monkeypatch.setattr(RowStore, "read", counted)
    return seen


def test_a_block_is_one_read_wherever_its_rows_stand_in_the_table(
    tmp_path: Path, reads: list[int]
) -> None:
    order = np.random.default_rng(1).permutation(N)
    matrix = stored(tmp_path / "store", values(is_sparse=True), order)
    batches = StoredBatches.of(matrix, 100, seed=4)
    reads.clear()
    assert sum(len(one.rows) for one in batches.epoch(0)) == N
    assert sorted(reads) == sorted([256] * 11 + [N - 11 * 256])


def test_some_rows_alone(tmp_path: Path) -> None:
    matrix = stored(tmp_path / "store", values(is_sparse=False), np.arange(N))
    wanted = np.arange(0, N, 3)
    rows = torch.cat([one.rows for one in StoredBatches.of(matrix, 64, 0, rows=wanted).epoch(1)])
    np.testing.assert_array_equal(np.sort(rows.numpy()), wanted)
    with pytest.raises(DataError, match="no profile to make batches of"):
        StoredBatches.of(matrix, 64, 0, rows=np.zeros(0, np.int64))


def test_a_wide_dense_pool_is_small() -> None:
    wide = np.zeros((2, 2**16), np.float32)
    assert StoredBatches.of(wide, 2, 0).pool == 2
    assert StoredBatches.of(sp.csr_matrix(wide), 2, 0).pool == stored_batches.POOL
