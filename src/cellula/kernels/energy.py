"""Mean Euclidean distances between the rows of two matrices, without the matrix of pairs."""

from __future__ import annotations

import math

import numba
import numpy as np
from numpy.typing import NDArray

__all__ = ["energy_distance", "summed_distances"]

#: Rows of y that are measured together: their sums of squares stay in the nearest cache.
BLOCK = 256


def _summed_distances(x: NDArray[np.float64], y_t: NDArray[np.float64]) -> float:
    """Sum over i, j of |x_i - y_j|, in one fixed order; y_t is y transposed and contiguous."""
    n, d = x.shape
    m = y_t.shape[1]
    total = 0.0
    squares = np.empty(BLOCK)
    for start in range(0, m, BLOCK):
        width = min(BLOCK, m - start)
        for i in range(n):
            for j in range(width):
                squares[j] = 0.0
            for k in range(d):
                value = x[i, k]
                for j in range(width):
                    difference = value - y_t[k, start + j]
                    squares[j] += difference * difference
            row = 0.0
            for j in range(width):
                row += math.sqrt(squares[j])
            total += row
    return total


_compiled = numba.njit(cache=True)(_summed_distances)


def summed_distances(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    """Sum of the Euclidean distances of all pairs of rows of x (n, d) and y (m, d).

    The order of the additions is fixed, so the bits depend on nothing but the arrays.
    """
    left = np.ascontiguousarray(x, np.float64)
    right = np.ascontiguousarray(np.asarray(y, np.float64).T)
    return float(_compiled(left, right))


def energy_distance(
    x: NDArray[np.float64], y: NDArray[np.float64], *, is_sized: bool = False
) -> float:
    """Energy distance 2E|X-Y| - E|X-X'| - E|Y-Y'| of two samples [szekely2013]_.

    x: (n, d), y: (m, d). A V-statistic: all pairs count, each cell with itself too; never
    negative, symmetric, 0 for equal samples. Its expectation exceeds the distance of the
    distributions by E|X-X'|/n + E|Y-Y'|/m, so a larger sample looks closer. ``is_sized`` adds
    (1/n - 1/m) E|Y-Y'| (unbiased, needs m >= 2): the expectation is then that of a sample y of
    n rows, whatever m is, and nothing changes where m = n.
    """
    n, m = len(x), len(y)
    within_y = summed_distances(y, y)
    value = 2.0 * summed_distances(x, y) / (n * m)
    value -= summed_distances(x, x) / (n * n) + within_y / (m * m)
    if is_sized and m != n:
        value += (1.0 / n - 1.0 / m) * within_y / (m * (m - 1))
    return value
