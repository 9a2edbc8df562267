"""Squared E-distances from means and variances, without any pair."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
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


def spread(x: Floats) -> float:
    """Sum over dimensions of the unbiased variance of x (n, d), n >= 2."""
    centred = x - x.mean(axis=0)
    return float(np.einsum("ij,ij->", centred, centred)) / (len(x) - 1)


def squared_e_distance(x: Floats, y: Floats) -> float:
    """Squared E-distance of two samples [peidli2024]_, x (n, d) and y (m, d), n, m >= 2.

    2 mean|x-y|^2 - mean|x-x'|^2 - mean|y-y'|^2, x' and y' different cells. The sums over pairs
    cancel: it is 2(|a - b|^2 - S_x/n - S_y/m), a and b the means, S the summed variances. So it
    sees nothing but the means; unbiased for twice their squared distance, and negative at times.
    """
    return e_distance_of(centre_of(x), centre_of(y))


def centre_of(x: Floats) -> Centre:
    """The mean of x (n, d), n >= 2, and the summed variance of that mean."""
    return x.mean(axis=0), spread(x) / len(x)


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
