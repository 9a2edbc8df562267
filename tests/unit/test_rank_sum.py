"""Rank sums are those of SciPy, in all the corners of sparse data."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.stats import mannwhitneyu

from cellula.kernels.column_values import column_values, scatter_rows, stored_values
from cellula.kernels.rank_sum import rank_sum_block, rank_sum_p, rank_sums

GENES = 24
SIZES = (40, 30, 7, 1, 60, 2)


def by_group(labels: NDArray[Any], n_groups: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """The cells with a label from 0 on, group after group, and where each group begins."""
    rows = np.argsort(labels, kind="stable")
    sizes = np.bincount(labels[labels >= 0], minlength=n_groups)
    return rows[(labels < 0).sum() :], np.concatenate([[0], np.cumsum(sizes)])


def shuffled_labels(rng: np.random.Generator, left_out: int = 9) -> NDArray[Any]:
    labels = np.concatenate([np.repeat(np.arange(len(SIZES)), SIZES), np.full(left_out, -1)])
    return rng.permutation(labels)


def scipy_rank_sums(dense: NDArray[Any], labels: NDArray[Any], n: int) -> tuple[Any, Any]:
    control = dense[labels == 0].astype(np.float64)
    results = [
        mannwhitneyu(dense[labels == group].astype(np.float64), control, method="asymptotic")
        for group in range(1, n)
    ]
    return np.array([one.statistic for one in results]), np.array([one.pvalue for one in results])


def compared(dense: NDArray[Any], labels: NDArray[Any], matrix: sp.csr_matrix) -> None:
    rows, bounds = by_group(labels, len(SIZES))
    parts = (matrix.data, matrix.indices, matrix.indptr)
    u, p = rank_sum_block(parts, rows, bounds, (0, dense.shape[1]))
    expected_u, expected_p = scipy_rank_sums(dense, labels, len(SIZES))
    np.testing.assert_array_equal(u, expected_u)
    np.testing.assert_allclose(p, np.nan_to_num(expected_p, nan=1.0), rtol=1e-12)


def values_of(kind: str, rng: np.random.Generator, cells: int) -> NDArray[Any]:
    """A dense matrix of one kind; the first gene is 0 and the second constant."""
    present = rng.random((cells, GENES)) < rng.random(GENES)
    drawn = {
        "counts": rng.poisson(3, (cells, GENES)),
        "heavy tail": np.floor(np.exp(rng.normal(0, 4, (cells, GENES)))),
        "real": rng.normal(size=(cells, GENES)),
        "ties of reals": np.round(rng.normal(size=(cells, GENES)), 1),
        "far away": rng.normal(size=(cells, GENES)) * 10.0 ** rng.integers(-30, 30, GENES),
        "log1p": np.log1p(rng.poisson(2, (cells, GENES)) * rng.choice([0.5, 1, 2], (cells, 1))),
        "dense": 1.0 + rng.random((cells, GENES)),
    }[kind]
    values = drawn * (present if kind != "dense" else 1)
    values[:, 0] = 0
    values[:, 1] = 1.5
    return values


KINDS = ("counts", "heavy tail", "real", "ties of reals", "far away", "log1p", "dense")


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kind", KINDS)
def test_as_scipy(kind: str, dtype: type) -> None:
    rng = np.random.default_rng(1)
    labels = shuffled_labels(rng)
    dense = values_of(kind, rng, len(labels)).astype(dtype)
    compared(dense, labels, sp.csr_matrix(dense))


def test_whole_numbers_of_an_integer_type() -> None:
    rng = np.random.default_rng(2)
    labels = shuffled_labels(rng)
    dense = rng.poisson(1, (len(labels), GENES)).astype(np.int64)
    compared(dense, labels, sp.csr_matrix(dense))


def test_zeros_that_are_stored_are_zeros() -> None:
    rng = np.random.default_rng(3)
    labels = shuffled_labels(rng)
    dense = values_of("real", rng, len(labels))
    matrix = sp.csr_matrix(dense)
    matrix.data[rng.random(matrix.nnz) < 0.3] = 0.0
    compared(matrix.toarray(), labels, matrix)


def test_a_column_matrix_turned() -> None:
    rng = np.random.default_rng(4)
    labels = shuffled_labels(rng)
    dense = values_of("log1p", rng, len(labels))
    compared(dense, labels, sp.csc_matrix(dense).tocsr())


def test_a_group_far_above_or_larger_than_the_control() -> None:
    rng = np.random.default_rng(5)
    labels = shuffled_labels(rng)
    dense = rng.normal(size=(len(labels), GENES))
    dense[labels == 4] = np.round(dense[labels == 4], 1) + 50.0
    dense[labels == 0, 3] = 0.0
    compared(dense, labels, sp.csr_matrix(dense))


def test_an_empty_group_and_an_empty_control_have_no_p() -> None:
    matrix = sp.csr_matrix(np.array([[1.0], [2.0], [3.0]]))
    parts = (matrix.data, matrix.indices, matrix.indptr)
    rows = np.arange(3)
    _, p = rank_sum_block(parts, rows, np.array([0, 2, 2, 3]), (0, 1))
    assert np.isnan(p[0, 0])
    assert p[1, 0] > 0
    _, p = rank_sum_block(parts, rows, np.array([0, 0, 2, 3]), (0, 1))
    assert np.isnan(p).all()


def test_blocks_are_the_whole() -> None:
    rng = np.random.default_rng(6)
    labels = shuffled_labels(rng)
    matrix = sp.csr_matrix(values_of("real", rng, len(labels)))
    rows, bounds = by_group(labels, len(SIZES))
    parts = (matrix.data, matrix.indices, matrix.indptr)
    whole = rank_sum_block(parts, rows, bounds, (0, GENES))
    cut = [rank_sum_block(parts, rows, bounds, (a, a + 6)) for a in range(0, GENES, 6)]
    for place in (0, 1):
        np.testing.assert_array_equal(np.hstack([one[place] for one in cut]), whole[place])


def test_parts_of_a_matrix_in_any_order_of_groups() -> None:
    rng = np.random.default_rng(7)
    labels = shuffled_labels(rng)
    matrix = sp.csr_matrix(values_of("ties of reals", rng, len(labels)))
    matrix.eliminate_zeros()
    rows, bounds = by_group(labels, len(SIZES))
    parts = (matrix.data, matrix.indices, matrix.indptr)
    room = stored_values(matrix.indices, GENES)[5:20]
    values, ends = column_values(parts, rows, bounds, 5, room)
    position = ends[:-1].copy()
    filled = np.zeros_like(values)
    for start in range(0, len(labels), 50):
        part = matrix[start : start + 50]
        groups = labels[start : start + 50]
        scatter_rows((part.data, part.indices, part.indptr), groups, 5, position, filled)
    np.testing.assert_array_equal(position, ends[1:])
    for start, stop in zip(ends[0], ends[-1], strict=True):
        np.testing.assert_array_equal(filled[start:stop], values[start:stop])
    u, ties = rank_sums(filled, ends, bounds)
    expected = rank_sum_block(parts, rows, bounds, (5, 20))
    np.testing.assert_array_equal(u, expected[0])
    np.testing.assert_array_equal(rank_sum_p(u, ties, bounds), expected[1])


def test_a_planted_fault_is_seen() -> None:
    rng = np.random.default_rng(8)
    labels = shuffled_labels(rng)
    dense = values_of("counts", rng, len(labels))
    wrong = dense.copy()
    wrong[np.flatnonzero(labels == 1)[0], 5] += 1
    with pytest.raises(AssertionError):
        compared(dense, labels, sp.csr_matrix(wrong))
