"""Average ranks, and correlations of many readouts from their moments."""

from __future__ import annotations

import math

import numba
import numpy as np
from numpy.typing import NDArray

__all__ = ["average_ranks", "mean_correlations"]

Floats = NDArray[np.float64]


@numba.njit(cache=True, nogil=True)
def _ranks(values, bounds):  # type: ignore[no-untyped-def]
    """Ranks of every row of values (readouts, n) within bounds, in place."""
    for k in range(len(values)):
        for part in range(len(bounds) - 1):
            row = values[k, bounds[part] : bounds[part + 1]]
            order = np.argsort(row)
            ordered = row[order]
            first = 0
            while first < len(row):
                last = first
                while last + 1 < len(row) and ordered[last + 1] == ordered[first]:
                    last += 1
                for place in range(first, last + 1):
                    row[order[place]] = (first + last) / 2.0 + 1.0
                first = last + 1


def average_ranks(values: Floats, codes: NDArray[np.int64]) -> Floats:
    """Ranks 1, 2, ... of every column among the rows of one code, ties averaged: (n, readouts).

    values: (n, readouts), numbers; codes: (n,).
    """
    order = np.argsort(codes, kind="stable")
    bounds = np.flatnonzero(np.diff(codes[order], prepend=-1, append=-1))
    across = np.ascontiguousarray(values[order].T, np.float64)
    _ranks(across, bounds)
    found = np.empty(values.shape)
    found[order] = across.T
    return found


@numba.njit(cache=True, nogil=True)
def _means(sums, tolerance, found):  # type: ignore[no-untyped-def]
    d = (sums.shape[1] - 1) // 5
    for row in range(len(sums)):
        n, total, counted = sums[row, 0], 0.0, 0
        if not n > 0:
            found[row] = np.nan
            continue
        of = sums[row, 1:].reshape(5, d)
        for k in range(d):
            x, y, square = of[0, k] / n, of[1, k] / n, of[2, k] / n
            variance = square - x * x
            if variance > tolerance * square:
                counted += 1
                square = of[3, k] / n
                other = square - y * y
                if other > tolerance * square:
                    value = (of[4, k] / n - x * y) / math.sqrt(variance * other)
                    total += min(max(value, -1.0), 1.0)
        found[row] = total / counted if counted else np.nan


def mean_correlations(sums: Floats, tolerance: float) -> Floats:
    """Mean over readouts of the correlation, from moments (n, 1 + 5 readouts): (n,).

    Sums over weighted pairs of 1, and of x, y, xx, yy and xy of every readout. A readout whose
    variance of x is at most ``tolerance`` of its mean square does not count; one whose variance of
    y is so small counts 0. NaN where none counts.
    """
    found = np.empty(len(sums))
    _means(np.ascontiguousarray(sums, np.float64), tolerance, found)
    return found
