"""Largest difference of the distribution functions of every column of two matrices."""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

__all__ = ["kolmogorov_smirnov_columns"]

Floats = NDArray[np.float64]


@numba.njit(cache=True, nogil=True)
def _columns(x, y):  # type: ignore[no-untyped-def]
    """Largest |F - G| of each row of x (d, n) and y (d, m), both sorted; NaN stays NaN."""
    d, n = x.shape
    m = y.shape[1]
    found = np.zeros(d)
    for k in range(d):
        if np.isnan(x[k, n - 1]) or np.isnan(y[k, m - 1]):
            found[k] = np.nan
            continue
        i, j = 0, 0
        largest = 0
        while i < n and j < m:
            value = min(x[k, i], y[k, j])
            while i < n and x[k, i] == value:
                i += 1
            while j < m and y[k, j] == value:
                j += 1
            largest = max(largest, abs(i * m - j * n))
        found[k] = largest / (n * m)
    return found


def kolmogorov_smirnov_columns(x: Floats, y: Floats) -> Floats:
    """Two-sample Kolmogorov-Smirnov statistic of every column of x (n, d), y (m, d): (d,).

    The largest |F(t) - G(t)| of the empirical distribution functions [smirnov1948]_, counted in
    whole numbers: 0 for equal samples, 1 for separated ones. n, m >= 1. NaN for a column that
    holds one.
    """
    left = np.ascontiguousarray(np.sort(np.asarray(x, np.float64).T, axis=1))
    right = np.ascontiguousarray(np.sort(np.asarray(y, np.float64).T, axis=1))
    return np.asarray(_columns(left, right), np.float64)
