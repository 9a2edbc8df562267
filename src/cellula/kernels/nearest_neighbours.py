"""Nearest neighbours among the cells of two sides, from squared distances."""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

__all__ = ["mixed_neighbours"]

Floats = NDArray[np.float64]


@numba.njit(cache=True, nogil=True)
def _add(value, nearest):  # type: ignore[no-untyped-def]
    """Put a value among the smallest so far, ascending; it is smaller than the last of them."""
    place = len(nearest) - 1
    while place > 0 and nearest[place - 1] > value:
        nearest[place] = nearest[place - 1]
        place -= 1
    nearest[place] = value


@numba.njit(cache=True, nogil=True)
def _placed(row, skipped, radius, rounding):  # type: ignore[no-untyped-def]
    """How many values lie below a radius, and how many on it."""
    nearer, tied = 0, 0
    for j in range(len(row)):
        if j != skipped:
            nearer += row[j] < radius - rounding
            tied += abs(row[j] - radius) <= rounding
    return nearer, tied


@numba.njit(cache=True, nogil=True)
def _mixed(own, other, start, k, rounding):  # type: ignore[no-untyped-def]
    total, nearest = 0.0, np.empty(k)
    for i in range(len(own)):
        nearest[:] = np.inf
        for j in range(own.shape[1]):
            if own[i, j] < nearest[-1] and j != start + i:
                _add(own[i, j], nearest)
        for j in range(other.shape[1]):
            if other[i, j] < nearest[-1]:
                _add(other[i, j], nearest)
        own_nearer, own_tied = _placed(own[i], start + i, nearest[-1], rounding)
        nearer, tied = _placed(other[i], -1, nearest[-1], rounding)
        left = k - own_nearer - nearer
        total += nearer + left * tied / (own_tied + tied)
    return total


def mixed_neighbours(own: Floats, other: Floats, start: int, k: int, rounding: float) -> float:
    """Sum over cells of how many of their k nearest neighbours are of the other side.

    own: (cells, n) squared distances of the cells start, start + 1, ... of a side from all n of
    it, of which a cell itself is no neighbour; other: (cells, m), from those of the other side.
    k < n + m. Neighbours that are equally far, within ``rounding``, share the places that are left.
    """
    return float(_mixed(own, other, start, k, rounding))
