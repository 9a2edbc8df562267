"""Moments of groups, Welch's t and the false discovery rate are those of NumPy and SciPy."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.special import stdtr
from scipy.stats import false_discovery_control, ttest_ind

from cellula.kernels.false_discovery import benjamini_hochberg
from cellula.kernels.group_moments import add_moments, add_sums, no_moments, welch_t

LABELS = np.random.default_rng(0).integers(-1, 4, 200)


def sparse_values() -> sp.csr_matrix:
    matrix = sp.random(200, 11, density=0.4, random_state=1, format="csr", dtype=np.float32)
    matrix.data[::7] = 0.0
    return matrix


def test_moments_are_numpy_s_and_parts_give_the_same_bits() -> None:
    matrix = sparse_values()
    whole, parts = no_moments(4, 11), no_moments(4, 11)
    add_moments((matrix.data, matrix.indices, matrix.indptr), LABELS, whole)
    for start in range(0, 200, 37):
        part = matrix[start : start + 37]
        add_moments((part.data, part.indices, part.indptr), LABELS[start : start + 37], parts)
    dense = matrix.toarray().astype(np.float64)
    for group in range(4):
        own = dense[group == LABELS]
        np.testing.assert_allclose(whole.sums[group], own.sum(0), rtol=1e-13)
        np.testing.assert_allclose(whole.squares[group], (own**2).sum(0), rtol=1e-13)
        np.testing.assert_array_equal(whole.non_zero[group], (own != 0).sum(0))
    for name in ("sums", "squares", "non_zero"):
        np.testing.assert_array_equal(getattr(parts, name), getattr(whole, name))


def test_sums_of_log_values_are_sums_of_counts() -> None:
    matrix = sparse_values()
    logs = matrix.astype(np.float64)
    logs.data = np.log1p(logs.data)
    sums = np.zeros((4, 11))
    add_sums((logs.data, logs.indices, logs.indptr), LABELS, sums, is_log1p=True)
    dense = matrix.toarray().astype(np.float64)
    expected = [dense[group == LABELS].sum(0) for group in range(4)]
    np.testing.assert_allclose(sums, expected, rtol=1e-12)


def test_welch_is_scipy_s() -> None:
    matrix = sparse_values()
    moments = no_moments(4, 11)
    add_moments((matrix.data, matrix.indices, matrix.indptr), LABELS, moments)
    sizes = np.bincount(LABELS[LABELS >= 0])
    t, df = welch_t(moments, sizes, slice(1, 4), 0)
    dense = matrix.toarray().astype(np.float64)
    for group in (1, 2, 3):
        expected = ttest_ind(dense[group == LABELS], dense[LABELS == 0], equal_var=False)
        np.testing.assert_allclose(t[group - 1], expected.statistic, rtol=1e-10)
        np.testing.assert_allclose(df[group - 1], expected.df, rtol=1e-10)
        p = 2 * stdtr(df[group - 1], -np.abs(t[group - 1]))
        np.testing.assert_allclose(p, expected.pvalue, rtol=1e-10)


def test_welch_of_one_cell_or_of_no_variance_has_no_t() -> None:
    moments = no_moments(2, 2)
    dense = sp.csr_matrix(np.array([[2.0, 5.0], [2.0, 1.0], [3.0, 2.0]]))
    add_moments((dense.data, dense.indices, dense.indptr), np.array([0, 0, 1]), moments)
    t, df = welch_t(moments, np.array([2, 1]), slice(1, 2), 0)
    assert np.isnan(t).all()
    assert np.isnan(df).all()


@pytest.mark.parametrize("n", [0, 1, 2, 500])
def test_false_discovery_is_scipy_s(n: int) -> None:
    p = np.round(np.random.default_rng(n).random((3, n)) ** 3, 2)
    expected = false_discovery_control(p, axis=1) if n else p
    np.testing.assert_array_equal(benjamini_hochberg(p), expected)


def test_a_test_that_was_not_made_is_no_member_of_its_family() -> None:
    p = np.array([0.01, np.nan, 0.02, 0.9])
    result = benjamini_hochberg(p)
    assert np.isnan(result[1])
    np.testing.assert_array_equal(result[[0, 2, 3]], false_discovery_control(p[[0, 2, 3]]))
