"""Largest difference of the distribution functions of every column of two matrices."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from cellula.kernels.sorted_columns import Columns, sorted_columns

__all__ = ["kolmogorov_smirnov_columns", "kolmogorov_smirnov_sorted"]


@numba.njit(cache=True, nogil=True)
def _below(values, i, zeros, at):  # type: ignore[no-untyped-def]
    """Where the values up to ``at`` end, and how many there are, the zeros among them."""
    while i < len(values) and values[i] <= at:
        i += 1
    return i, i + (zeros if at >= 0.0 else 0)


@numba.njit(cache=True, nogil=True)
def _statistic(x, n, y, m):  # type: ignore[no-untyped-def]
    """Largest |F - G|; x, y: sorted values but for zeros of samples of n and m; NaN stays NaN."""
    if (len(x) and np.isnan(x[-1])) or (len(y) and np.isnan(y[-1])):
        return np.nan
    zeros_x, zeros_y = n - len(x), m - len(y)
    i, j, of_x, of_y, largest = 0, 0, 0, 0, 0
    is_past = zeros_x + zeros_y == 0
    while of_x < n and of_y < m:
        at = np.inf
        if i < len(x):
            at = x[i]
        if j < len(y):
            at = min(at, y[j])
        if not is_past and at > 0.0:
            at = 0.0
            is_past = True
        i, of_x = _below(x, i, zeros_x, at)
        j, of_y = _below(y, j, zeros_y, at)
        largest = max(largest, abs(of_x * m - of_y * n))
    return largest / (n * m)


@numba.njit(cache=True, nogil=True)
def _columns(x, x_ends, n, y, y_ends, m):  # type: ignore[no-untyped-def]
    found = np.empty(len(x_ends) - 1)
    for k in range(len(found)):
        left, right = x[x_ends[k] : x_ends[k + 1]], y[y_ends[k] : y_ends[k + 1]]
        found[k] = _statistic(left, n, right, m)
    return found


def kolmogorov_smirnov_sorted(x: Columns, y: Columns) -> NDArray[np.float64]:
    """:func:`kolmogorov_smirnov_columns` of columns that are sorted."""
    return np.asarray(_columns(*x, *y), np.float64)


def kolmogorov_smirnov_columns(x: Any, y: Any) -> NDArray[np.float64]:
    """Two-sample Kolmogorov-Smirnov statistic of every column of x (n, d), y (m, d): (d,).

    The largest |F(t) - G(t)| of the empirical distribution functions [smirnov1948]_, counted in
    whole numbers: 0 for equal samples, 1 for separated ones. Dense or CSR; n, m >= 1. NaN for a
    column that holds one.
    """
    return kolmogorov_smirnov_sorted(sorted_columns(x), sorted_columns(y))
