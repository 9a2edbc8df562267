"""Wasserstein-1 distance of every column of two matrices."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from cellula.kernels.sorted_columns import Columns, sorted_columns

__all__ = ["wasserstein_columns", "wasserstein_sorted"]


@numba.njit(cache=True, nogil=True)
def _next(values, i, zeros):  # type: ignore[no-untyped-def]
    """The next value of a column whose zeros are counted apart."""
    if zeros > 0 and (i == len(values) or not values[i] < 0.0):
        return 0.0
    return values[i]


@numba.njit(cache=True, nogil=True)
def _distance(x, n, y, m):  # type: ignore[no-untyped-def]
    """Integral of |F - G|; x, y: sorted values but for zeros of samples of n and m."""
    i, j, of_x, of_y = 0, 0, 0, 0
    zeros_x, zeros_y = n - len(x), m - len(y)
    total, here = 0.0, 0.0
    while of_x < n or of_y < m:
        is_left = of_x < n
        if is_left and of_y < m:
            is_left = _next(x, i, zeros_x) <= _next(y, j, zeros_y)
        there = _next(x, i, zeros_x) if is_left else _next(y, j, zeros_y)
        if of_x + of_y > 0:
            total += abs(of_x / n - of_y / m) * (there - here)
        here = there
        if is_left:
            step = zeros_x if there == 0.0 else 1
            zeros_x = 0 if there == 0.0 else zeros_x
            i += there != 0.0
            of_x += step
        else:
            step = zeros_y if there == 0.0 else 1
            zeros_y = 0 if there == 0.0 else zeros_y
            j += there != 0.0
            of_y += step
    return total


@numba.njit(cache=True, nogil=True)
def _columns(x, x_ends, n, y, y_ends, m):  # type: ignore[no-untyped-def]
    found = np.empty(len(x_ends) - 1)
    for k in range(len(found)):
        left, right = x[x_ends[k] : x_ends[k + 1]], y[y_ends[k] : y_ends[k + 1]]
        found[k] = _distance(left, n, right, m)
    return found


def wasserstein_sorted(x: Columns, y: Columns) -> NDArray[np.float64]:
    """:func:`wasserstein_columns` of columns that are sorted."""
    return np.asarray(_columns(*x, *y), np.float64)


def wasserstein_columns(x: Any, y: Any) -> NDArray[np.float64]:
    """One-dimensional Wasserstein-1 distance of every column of x (n, d) and y (m, d): (d,).

    By the difference of distribution functions [vallender1974]_:
    W1 = integral of |F(t) - G(t)| dt over the empirical distribution functions, in units of the
    values; dense or CSR; n and m may differ, both at least 1.
    """
    return wasserstein_sorted(sorted_columns(x), sorted_columns(y))
