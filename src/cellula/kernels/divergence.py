"""Kullback-Leibler divergence of samples: by histograms, and by nearest neighbours."""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

__all__ = ["histogram_divergence", "neighbour_divergence"]

#: Bins of equal width over the range of the first sample; one more on each side is open.
BINS = 10
#: Added to the count of every bin, so that an empty one is no infinity.
PSEUDO_COUNT = 0.5

Floats = NDArray[np.float64]


@numba.njit(cache=True, nogil=True)
def _shares(values, low, width):  # type: ignore[no-untyped-def]
    """Share of the values (n, d) in each bin, smoothed: (d, bins + 2); each column's last is
    what lies above, its first what lies below.
    """
    n, d = values.shape
    shares = np.full((d, BINS + 2), PSEUDO_COUNT)
    for i in range(n):
        for k in range(d):
            above = values[i, k] - low[k]
            if above < 0.0:
                shares[k, 0] += 1.0
            elif above > width[k]:
                shares[k, BINS + 1] += 1.0
            elif above == width[k]:
                shares[k, BINS] += 1.0
            else:
                shares[k, 1 + min(int(above / width[k] * BINS), BINS - 1)] += 1.0
    return shares / (n + PSEUDO_COUNT * (BINS + 2))


def histogram_divergence(x: Floats, y: Floats) -> Floats:
    """Kullback-Leibler divergence of y from x in every column: (d,), in nats [kullback1951]_.

    x: (n, d), the reference; y: (m, d). Ten bins of equal width over the range of x and an open
    one on either side, 1/2 added to every count: sum of p log(p / q), p of x, q of y. Not
    negative, 0 for equal samples, not symmetric. NaN for a column that holds one.
    """
    is_number = np.isfinite(x).all(axis=0) & np.isfinite(y).all(axis=0)
    found = np.full(x.shape[1], np.nan)
    left, right = np.asarray(x[:, is_number]), np.asarray(y[:, is_number])
    if left.shape[1] == 0:
        return found
    low = left.min(axis=0)
    width = left.max(axis=0) - low
    p, q = _shares(left, low, width), _shares(right, low, width)
    found[is_number] = np.maximum((p * np.log(p / q)).sum(axis=1), 0.0)
    return found


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
