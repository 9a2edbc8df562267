"""The squared distance of two rows by their differences, for compiled loops."""

from __future__ import annotations

import numba

__all__ = ["squared_distance"]


@numba.njit(cache=True, nogil=True)
def squared_distance(x, y):  # type: ignore[no-untyped-def]
    """Squared Euclidean distance of x and y, both (dimensions,), in float64.

    Summed in the order of the dimensions; what a product of matrices cancels, this does not.
    """
    total = 0.0
    for k in range(len(x)):
        difference = x[k] - y[k]
        total += difference * difference
    return total
