"""Wasserstein-1 distance of every column of two matrices."""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

__all__ = ["wasserstein_columns"]


def _columns(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """Integral of |F - G| of each row of x (d, n) and y (d, m), both sorted."""
    d, n = x.shape
    m = y.shape[1]
    distances = np.empty(d)
    for k in range(d):
        i = 0
        j = 0
        total = 0.0
        here = min(x[k, 0], y[k, 0])
        while i < n or j < m:
            if j >= m or (i < n and x[k, i] <= y[k, j]):
                there = x[k, i]
                step_x, step_y = 1, 0
            else:
                there = y[k, j]
                step_x, step_y = 0, 1
            total += abs(i / n - j / m) * (there - here)
            here = there
            i += step_x
            j += step_y
        distances[k] = total
    return distances


_compiled = numba.njit(cache=True)(_columns)


def wasserstein_columns(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """One-dimensional Wasserstein-1 distance of every column of x (n, d) and y (m, d): (d,).

    By the difference of distribution functions [vallender1974]_:
    W1 = integral of |F(t) - G(t)| dt over the empirical distribution functions, in units of the
    values; n and m may differ, both at least 1.
    """
    left = np.ascontiguousarray(np.sort(np.asarray(x, np.float64).T, axis=1))
    right = np.ascontiguousarray(np.sort(np.asarray(y, np.float64).T, axis=1))
    return np.asarray(_compiled(left, right), np.float64)
