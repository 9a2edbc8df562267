"""Kullback-Leibler divergence of samples: by histograms, and by nearest neighbours."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from cellula.kernels.sorted_columns import Columns, sorted_columns

__all__ = ["histogram_divergence", "histogram_divergence_sorted", "neighbour_divergence"]

#: Bins of equal width over the range of the first sample; one more on each side is open.
BINS = 10
#: Added to the count of every bin, so that an empty one is no infinity.
PSEUDO_COUNT = 0.5

Floats = NDArray[np.float64]


@numba.njit(cache=True, nogil=True)
def _bin(above, width):  # type: ignore[no-untyped-def]
    """The bin of a value so far above the least of the first sample."""
    if above < 0.0:
        return 0
    if above > width:
        return BINS + 1
    if above == width:
        return BINS
    return 1 + min(int(above / width * BINS), BINS - 1)


@numba.njit(cache=True, nogil=True)
def _counted(values, zeros, low, width, counts):  # type: ignore[no-untyped-def]
    """Set down how many values lie in each bin; zeros: how many more are 0."""
    counts[:] = 0
    for value in values:
        counts[_bin(value - low, width)] += 1
    if zeros > 0:
        counts[_bin(0.0 - low, width)] += zeros


@numba.njit(cache=True, nogil=True)
def _divergences(x, x_ends, n, y, y_ends, m, logs):  # type: ignore[no-untyped-def]
    """Of every column; logs: of counts 0, 1, ... with the pseudo-count."""
    d, room = len(x_ends) - 1, PSEUDO_COUNT * (BINS + 2)
    found = np.empty(d)
    of_x, of_y = np.empty(BINS + 2, np.int64), np.empty(BINS + 2, np.int64)
    scale = np.log((m + room) / (n + room))
    for k in range(d):
        left, right = x[x_ends[k] : x_ends[k + 1]], y[y_ends[k] : y_ends[k + 1]]
        zeros = n - len(left)
        is_number = True
        for values in (left, right):
            if len(values):
                is_number &= np.isfinite(values[0]) and np.isfinite(values[-1])
        if not is_number:
            found[k] = np.nan
            continue
        low, high = (left[0], left[-1]) if len(left) else (0.0, 0.0)
        if zeros > 0:
            low, high = min(low, 0.0), max(high, 0.0)
        _counted(left, zeros, low, high - low, of_x)
        _counted(right, m - len(right), low, high - low, of_y)
        total = 0.0
        for b in range(BINS + 2):
            share = (of_x[b] + PSEUDO_COUNT) / (n + room)
            total += share * (logs[of_x[b]] - logs[of_y[b]] + scale)
        found[k] = max(total, 0.0)
    return found


def histogram_divergence_sorted(x: Columns, y: Columns) -> Floats:
    """:func:`histogram_divergence` of columns that are sorted."""
    logs = np.log(np.arange(max(x[2], y[2]) + 1) + PSEUDO_COUNT)
    return np.asarray(_divergences(*x, *y, logs), np.float64)


def histogram_divergence(x: Any, y: Any) -> Floats:
    """Kullback-Leibler divergence of y from x in every column: (d,), in nats [kullback1951]_.

    x: (n, d), the reference; y: (m, d), dense or CSR. Ten bins of equal width over the range of x
    and an open one on either side, 1/2 added to every count: sum of p log(p / q), p of x, q of y.
    Not negative, 0 for equal samples, not symmetric. NaN for a column that holds one.
    """
    return histogram_divergence_sorted(sorted_columns(x), sorted_columns(y))


def neighbour_divergence(x: Floats, y: Floats, k: int = 5) -> float:
    """Kullback-Leibler divergence of y from x by distances to the k-th neighbour [wang2009]_.

    x: (n, d), n > k; y: (m, d), m >= k, of continuous distributions. In nats:
    d/n sum log(nu_i / rho_i) + log(m / (n - 1)), rho_i the distance of x_i to its k-th
    neighbour in x, nu_i in y. Consistent, may be negative. Cells with k equal others have no
    rho: they are left out of the mean, and NaN where that leaves none. For a few dimensions.
    """
    n, d = x.shape
    rho = KDTree(x).query(x, k=[k + 1])[0][:, 0]
    nu = KDTree(y).query(x, k=[k])[0][:, 0]
    is_apart = (rho > 0) & (nu > 0)
    if not is_apart.any():
        return float("nan")
    ratio = np.log(nu[is_apart] / rho[is_apart])
    return float(d * ratio.mean() + np.log(len(y) / (n - 1)))
