"""Rows in scratch files: read as they were written, in any order."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp

from cellula.core.errors import DataError, StorageError
from cellula.core.matrix import StoredMatrix, dense, loaded
from cellula.io import row_store
from cellula.io.row_store import StoredRows, appended, partitioned, rewritten, stacked

N_ROWS, N_COLUMNS = 700, 9


def matrix(*, is_sparse: bool, seed: int = 0) -> sp.csr_matrix | np.ndarray:
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(N_ROWS, N_COLUMNS)).astype(np.float32)
    values[rng.random(values.shape) < 0.6] = 0.0
    values[5] = 0.0
    return sp.csr_matrix(values) if is_sparse else values


def stored(folder: Path, *, is_sparse: bool, seed: int = 0) -> StoredRows:
    """Rows in a random order on disk, every seventh left out, seen in their own order."""
    values = matrix(is_sparse=is_sparse, seed=seed)
    place = np.full(N_ROWS, -1)
    kept = np.flatnonzero(np.arange(N_ROWS) % 7 > 0)
    place[kept] = np.random.default_rng(1).permutation(len(kept))
    lengths = np.diff(values.indptr) if is_sparse else None
    blocks = ((start, values[start : start + 64]) for start in range(0, N_ROWS, 64))
    store = partitioned(folder, blocks, place, lengths, N_COLUMNS, np.dtype(np.float32))
    return StoredRows(store, place[kept])


@pytest.mark.parametrize("is_sparse", [True, False])
def test_any_rows_in_any_order(
    is_sparse: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(row_store, "LONGEST_GAP", 3)
    expected = dense(matrix(is_sparse=is_sparse))[np.arange(N_ROWS) % 7 > 0]
    found = stored(tmp_path / "s", is_sparse=is_sparse)
    assert isinstance(found, StoredMatrix)
    assert found.shape == expected.shape
    rng = np.random.default_rng(2)
    chosen = [
        slice(None),
        slice(3, 90),
        slice(0, 0),
        rng.permutation(600)[:50],
        rng.integers(0, 600, 80),
    ]
    chosen.append(rng.random(600) < 0.3)
    for rows in chosen:
        part = found[rows].load()
        assert sp.issparse(part) == is_sparse
        assert part.dtype == np.float32
        assert np.array_equal(dense(part), expected[rows])
    order = rng.permutation(N_COLUMNS)[:4]
    assert np.array_equal(dense(found[4:30].columns(order)), expected[4:30][:, order])
    again = found.columns(order).columns(np.array([2, 0]))
    assert np.array_equal(dense(again), expected[:, order][:, [2, 0]])


@pytest.mark.parametrize("is_sparse", [True, False])
def test_rows_written_anew_are_the_same(
    is_sparse: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(row_store, "BLOCK_VALUES", 100)
    found = stored(tmp_path / "s", is_sparse=is_sparse)
    drawn = found[np.random.default_rng(3).integers(0, 600, 900)]  # some more than once
    anew = rewritten(drawn, tmp_path / "t")
    assert np.array_equal(anew.positions, np.arange(900))
    assert np.array_equal(dense(anew), dense(drawn))
    column = rewritten(drawn.columns(np.array([3, 1])), tmp_path / "u")
    assert np.array_equal(dense(column), dense(drawn)[:, [3, 1]])


def test_a_store_is_read_by_another_process(tmp_path: Path) -> None:
    found = stored(tmp_path / "s", is_sparse=True)
    sent = pickle.dumps(found[:3])
    assert len(sent) < 1000
    assert np.array_equal(dense(pickle.loads(sent)), dense(found[:3]))


def test_stacking_rows_of_one_store_reads_nothing(tmp_path: Path) -> None:
    found = stored(tmp_path / "s", is_sparse=True)
    both = stacked([found[5:9], found[1:3]])
    assert isinstance(both, StoredRows)
    assert np.array_equal(dense(both), dense(found)[[5, 6, 7, 8, 1, 2]])
    other = stored(tmp_path / "other", is_sparse=False, seed=4)
    mixed = stacked([found[:2], other[:2]])
    assert sp.issparse(mixed)
    assert np.array_equal(dense(mixed), np.concatenate([dense(found[:2]), dense(other[:2])]))
    assert isinstance(stacked([np.ones((1, 2)), np.ones((2, 2))]), np.ndarray)


@pytest.mark.parametrize("is_sparse", [True, False])
def test_blocks_below_one_another(is_sparse: bool, tmp_path: Path) -> None:
    values = matrix(is_sparse=is_sparse)
    blocks = (values[start : start + 64] for start in range(0, N_ROWS, 64))
    store = appended(tmp_path / "s", blocks, N_COLUMNS, is_sparse=is_sparse)
    assert np.array_equal(dense(store.rows(0, N_ROWS)), dense(values))
    assert np.array_equal(dense(store.rows(60, 70)), dense(values[60:70]))


def test_a_store_that_is_gone_or_cut_short_says_so(tmp_path: Path) -> None:
    found = stored(tmp_path / "s", is_sparse=True)
    (tmp_path / "s/data.bin").write_bytes((tmp_path / "s/data.bin").read_bytes()[:40])
    with pytest.raises(DataError, match="cut short"):
        loaded(found)
    (tmp_path / "s/data.bin").unlink()
    with pytest.raises(DataError, match="all machines share"):
        loaded(found)


def test_a_folder_that_is_there_is_no_new_one(tmp_path: Path) -> None:
    stored(tmp_path / "s", is_sparse=True)
    with pytest.raises(StorageError, match="cannot write"):
        stored(tmp_path / "s", is_sparse=True)


def test_a_full_disk_is_told() -> None:
    with pytest.raises(StorageError, match="no space left"), open("/dev/full", "wb") as full:
        row_store._write(full.fileno(), np.ones(3), 0)
