"""Wasserstein distances of columns against SciPy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import wasserstein_distance

from cellula.kernels.wasserstein import wasserstein_columns


@pytest.mark.requirement("E13")
@pytest.mark.parametrize(("n", "m"), [(1, 1), (1, 9), (50, 50), (33, 80)])
def test_columns_equal_scipy(n: int, m: int) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(n, 6)), rng.normal(0.3, 2, size=(m, 6))
    x[:, 0], y[:, 0] = rng.poisson(1, n), rng.poisson(2, m)
    x[:, 1] = y[0, 1]
    expected = [wasserstein_distance(x[:, k], y[:, k]) for k in range(6)]
    np.testing.assert_allclose(wasserstein_columns(x, y), expected, rtol=1e-12, atol=1e-14)


def test_a_shift_is_its_size() -> None:
    x = np.random.default_rng(1).normal(size=(40, 3))
    np.testing.assert_allclose(
        wasserstein_columns(x, x + np.array([0.0, 1.0, -2.0])), [0, 1, 2], atol=1e-14
    )
