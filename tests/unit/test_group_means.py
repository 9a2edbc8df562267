"""Means of groups: right, and the same bits wherever the profiles lie."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from cellula.data import group_means as module
from cellula.data.group_means import group_means, group_sums
from cellula.io.row_store import StoredRows, appended, rewritten

N, WIDTH, GROUPS = 500, 7, 6


def values(*, is_sparse: bool) -> sp.csr_matrix | np.ndarray:
    rng = np.random.default_rng(0)
    dense = np.exp(rng.normal(0.0, 4.0, (N, WIDTH))) * (rng.random((N, WIDTH)) < 0.5)
    return sp.csr_matrix(dense) if is_sparse else dense


def groups() -> np.ndarray:
    return np.random.default_rng(1).integers(-1, GROUPS, N)


@pytest.mark.parametrize("is_sparse", [True, False])
def test_means_are_those_of_pandas(is_sparse: bool) -> None:
    matrix, codes = values(is_sparse=is_sparse), groups()
    dense = matrix.toarray() if sp.issparse(matrix) else matrix
    expected = pd.DataFrame(dense).groupby(codes).mean().drop(-1).to_numpy()
    found = group_means(matrix, codes, GROUPS + 1)
    np.testing.assert_allclose(found[:-1], expected, rtol=1e-12)
    assert np.isnan(found[-1]).all()


@pytest.mark.parametrize("is_sparse", [True, False])
def test_the_same_bits_from_disk_in_any_order_of_rows(
    is_sparse: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BLOCK_NUMBERS", 9 * WIDTH)
    matrix, codes = values(is_sparse=is_sparse), groups()
    whole = group_sums(matrix, codes, GROUPS)
    store = appended(tmp_path / "s", [matrix], WIDTH, is_sparse=is_sparse)
    order = np.argsort(codes, kind="stable")
    moved = rewritten(store.rows(0, N)[order], tmp_path / "t")
    seen = StoredRows(moved.store, np.argsort(order))
    for rows in (store.rows(0, N), seen):
        assert group_sums(rows, codes, GROUPS).tobytes() == whole.tobytes()
    other = values(is_sparse=not is_sparse)
    assert group_sums(other, codes, GROUPS).tobytes() == whole.tobytes()


def test_a_group_depends_on_its_own_profiles_alone() -> None:
    matrix, codes = values(is_sparse=True), groups()
    whole = group_sums(matrix, codes, GROUPS)
    for group in range(GROUPS):
        alone = group_sums(matrix[codes == group], np.zeros((codes == group).sum(), int), 1)
        assert alone[0].tobytes() == whole[group].tobytes()
