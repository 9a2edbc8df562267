"""Squared Euclidean distances of all pairs of two samples, by one product of matrices."""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

__all__ = ["squared_distances"]

#: A pair whose squared distance is below this share of |x|^2 + |y|^2 is measured by differences.
CLOSE = 1.0 / 64.0

Floats = NDArray[np.float64]


@numba.njit(cache=True, nogil=True)
def _measured(x, y):  # type: ignore[no-untyped-def]
    total = 0.0
    for k in range(len(x)):
        difference = x[k] - y[k]
        total += difference * difference
    return total


@numba.njit(cache=True, nogil=True)
def _from_products(products, x2, y2, x, y):  # type: ignore[no-untyped-def]
    """Turn products x.y into squared distances, in place; x2, y2: squared lengths of the rows."""
    for i in range(len(x2)):
        n_close = 0
        for j in range(len(y2)):
            size = x2[i] + y2[j]
            square = size - 2.0 * products[i, j]
            products[i, j] = square
            n_close += square < CLOSE * size
        if n_close:
            for j in range(len(y2)):
                if products[i, j] < CLOSE * (x2[i] + y2[j]):
                    products[i, j] = _measured(x[i], y[j])


def squared_distances(x: Floats, y: Floats) -> Floats:
    """Squared Euclidean distance of every row of x (n, d) from every row of y (m, d): (n, m).

    |x|^2 + |y|^2 - 2 x.y of rows centred on the mean of x; a pair that is close beside its
    lengths, where the product cancels, is measured by its differences: within 1e-12 of its value
    wherever the samples lie, and exactly 0 between equal rows. ``squared_distances(x, x)`` is
    symmetric and takes half the time.
    """
    centre = x.mean(axis=0)
    left = x - centre
    right = left if y is x else y - centre
    found = left @ right.T
    x2 = np.einsum("ij,ij->i", left, left)
    y2 = x2 if y is x else np.einsum("ij,ij->i", right, right)
    _from_products(found, x2, y2, left, right)
    return np.asarray(found, np.float64)
