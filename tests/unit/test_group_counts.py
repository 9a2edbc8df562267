"""Sums, means and jackknife variances of groups, against their definitions in NumPy."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

from cellula.kernels.group_counts import (
    group_means,
    group_sums,
    jackknife_variance,
    row_totals,
    scaled,
)

SCALE = 5e4


def example(depth: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Counts (cells, genes) and groups, of which 2 is empty, 3 has one cell and -1 is none."""
    rng = np.random.default_rng(seed)
    counts = rng.poisson(rng.gamma(0.5, depth, (60, 30))).astype(np.float32)
    codes = rng.choice([-1, 0, 1, 4], 60).astype(np.int64)
    codes[7] = 3
    counts[codes == 4, 5] = 0
    counts[np.flatnonzero(codes == 4)[0], 5] = 9
    return counts, codes


def parts(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    matrix = sp.csr_matrix(counts)
    return matrix.data, matrix.indices, matrix.indptr


def naive(counts: np.ndarray) -> float:
    """The jackknife of one group, cell by cell."""
    n, total = len(counts), counts.sum(axis=0, dtype=float)
    if n < 2 or not total.sum():
        return 0.0
    rest = total - counts
    sums = rest.sum(axis=1, keepdims=True)
    logs = np.log1p(SCALE * np.divide(rest, sums, out=np.zeros_like(rest), where=sums > 0))
    return float((n - 1) / n * ((logs - logs.mean(axis=0)) ** 2).sum())


@pytest.mark.parametrize("depth", [0.05, 1.0, 50.0])
def test_jackknife_is_the_variance_of_leaving_one_out(depth: float) -> None:
    counts, codes = example(depth)
    matrix = parts(counts)
    sums = group_sums(matrix, codes, (5, 30))
    found = jackknife_variance(matrix, codes, sums, SCALE)
    expected = [naive(counts[codes == group]) for group in range(5)]
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-12)
    assert found[2] == found[3] == 0.0


def test_jackknife_of_a_cell_that_holds_all_counts() -> None:
    counts = np.zeros((3, 4), np.float32)
    counts[1] = [1, 0, 7, 2]
    matrix, codes = parts(counts), np.zeros(3, np.int64)
    sums = group_sums(matrix, codes, (1, 4))
    found = jackknife_variance(matrix, codes, sums, SCALE)
    np.testing.assert_allclose(found, naive(counts), rtol=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sums_and_means(dtype: type) -> None:
    counts, codes = example(1.0)
    matrix = parts(counts.astype(dtype))
    sums = group_sums(matrix, codes, (5, 30))
    means = group_means(matrix, codes, (5, 30), dtype)
    assert means.dtype == dtype
    for group in range(5):
        own = counts[codes == group]
        np.testing.assert_array_equal(sums[group], own.sum(axis=0))
        expected = own.mean(axis=0) if len(own) else np.zeros(30)
        np.testing.assert_allclose(means[group], expected, rtol=1e-5)


def test_rows_are_scaled_by_their_totals() -> None:
    counts, _ = example(1.0)
    data, indices, indptr = parts(counts)
    totals = row_totals(data, indptr)
    np.testing.assert_array_equal(totals, counts.sum(axis=1))
    values = scaled(data, indptr, np.maximum(totals, 1.0))
    again = sp.csr_matrix((values, indices, indptr), shape=counts.shape).sum(axis=1)
    np.testing.assert_allclose(np.asarray(again).ravel(), (totals > 0).astype(float))
