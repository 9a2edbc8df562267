"""Squared E-distances from means and variances, without any pair."""

from __future__ import annotations

from typing import Any, TypeAlias

import numba
import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

__all__ = [
    "Centre",
    "centre_of",
    "e_distance_of",
    "spread",
    "squared_e_distance",
    "squared_e_distance_to_control",
]

Floats = NDArray[np.float64]
#: The mean of a sample (d,), and the summed variance of the mean.
Centre: TypeAlias = tuple[Floats, float]


def spread(x: Any) -> float:
    """Sum over dimensions of the unbiased variance of x (n, d), dense or CSR, n >= 2."""
    return _centred(x)[1] / (int(x.shape[0]) - 1)


def _centred(x: Any) -> tuple[Floats, float]:
    """The mean of x, and the sum of all squared differences from it."""
    if sp.issparse(x):
        mean = np.zeros(x.shape[1])
        return mean, float(_of_sparse(x.data, x.indices, x.shape[0], mean))
    mean = x.mean(axis=0)
    centred = x - mean
    return mean, float(np.einsum("ij,ij->", centred, centred))


@numba.njit(cache=True, nogil=True)
def _of_sparse(data, indices, n, mean):  # type: ignore[no-untyped-def]
    """The sum of squared differences from the mean, which is set down in zeros (d,)."""
    stored = np.zeros(len(mean), np.int64)
    for place in range(len(data)):
        mean[indices[place]] += data[place]
        stored[indices[place]] += 1
    mean /= n
    total = 0.0
    for place in range(len(data)):
        difference = data[place] - mean[indices[place]]
        total += difference * difference
    for k in range(len(mean)):
        total += (n - stored[k]) * mean[k] * mean[k]
    return total


def squared_e_distance(x: Floats, y: Floats) -> float:
    """Squared E-distance of two samples [peidli2024]_, x (n, d) and y (m, d), n, m >= 2.

    2 mean|x-y|^2 - mean|x-x'|^2 - mean|y-y'|^2, x' and y' different cells. The sums over pairs
    cancel: it is 2(|a - b|^2 - S_x/n - S_y/m), a and b the means, S the summed variances. So it
    sees nothing but the means; unbiased for twice their squared distance, and negative at times.
    """
    return e_distance_of(centre_of(x), centre_of(y))


def centre_of(x: Any) -> Centre:
    """The mean of x (n, d), dense or CSR, n >= 2, and the summed variance of that mean."""
    mean, total = _centred(x)
    return mean, total / (x.shape[0] - 1) / x.shape[0]


def e_distance_of(x: Centre, y: Centre) -> float:
    """:func:`squared_e_distance` of samples whose centres are known."""
    gap = x[0] - y[0]
    return 2.0 * (float(gap @ gap) - x[1] - y[1])


def squared_e_distance_to_control(
    cells: Floats, bounds: NDArray[np.int64], control: Floats
) -> Floats:
    """:func:`squared_e_distance` of many groups from one control: (groups,).

    cells: (n, d), group after group; bounds: (groups + 1,); control: (m, d), m >= 2. NaN for a
    group with fewer than 2 cells.
    """
    centre = control.mean(axis=0)
    base = spread(control) / len(control)
    found = np.full(len(bounds) - 1, np.nan)
    for group in range(len(found)):
        x = cells[bounds[group] : bounds[group + 1]]
        if len(x) > 1:
            gap = x.mean(axis=0) - centre
            found[group] = 2.0 * (float(gap @ gap) - spread(x) / len(x) - base)
    return found
