"""Wasserstein distances of many groups from one control against SciPy."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.stats import wasserstein_distance

from cellula.kernels.control_wasserstein import GENES, wasserstein_to_control

BOUNDS = np.array([0, 120, 150, 150, 151, 300])


def values(dtype: type) -> np.ndarray:
    rng = np.random.default_rng(0)
    x = rng.poisson(0.4, (320, GENES + 20)) * rng.choice([1.0, -1.0, 0.37], (320, GENES + 20))
    x[:, 0] = 0.0
    x[:, 1] = 2.0
    x[:, 2] = rng.normal(size=320)
    x[:120, 3], x[120:, 3] = -1.0, 1e6
    x[:, 4] = np.where(rng.random(320) < 0.5, 1e-30, 1e30)
    return x.astype(dtype)


def distances(x: np.ndarray, rows: np.ndarray, threads: int = 1) -> np.ndarray:
    matrix = sp.csr_matrix(x)
    parts = (matrix.data, matrix.indices, matrix.indptr)
    return wasserstein_to_control(parts, x.shape[1], rows, BOUNDS, threads=threads)


@pytest.mark.requirement("E13")
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_equal_to_scipy(dtype: type) -> None:
    """Zeros, ties, negative values, constants, an empty group, a group of one cell."""
    x = values(dtype)
    rows = np.random.default_rng(1).permutation(len(x))[: BOUNDS[-1]]
    ordered = x[rows].astype(np.float64)
    expected = [
        [wasserstein_distance(gene[a:b], gene[:120]) if b > a else np.nan for gene in ordered.T]
        for a, b in pairwise(BOUNDS[1:])
    ]
    found = distances(x, rows)
    np.testing.assert_allclose(found, expected, rtol=1e-11, atol=1e-14)
    np.testing.assert_array_equal(distances(x, rows, threads=2), found)


def test_explicit_zeros_are_zeros() -> None:
    x = values(np.float64)
    matrix = sp.csr_matrix(x)
    matrix.data[::3] = 0.0
    rows = np.arange(BOUNDS[-1])
    parts = (matrix.data, matrix.indices, matrix.indptr)
    found = wasserstein_to_control(parts, x.shape[1], rows, BOUNDS)
    np.testing.assert_array_equal(found, distances(matrix.toarray(), rows))


def test_the_control_is_at_no_distance_from_itself() -> None:
    x = np.concatenate([values(np.float64)[:150]] * 2)
    matrix = sp.csr_matrix(x)
    bounds = np.array([0, 150, 300])
    parts = (matrix.data, matrix.indices, matrix.indptr)
    found = wasserstein_to_control(parts, x.shape[1], np.arange(300), bounds)
    scale = np.abs(x).max(axis=0)
    assert (found >= 0).all()
    assert (found[0] <= 1e-13 * scale).all()
