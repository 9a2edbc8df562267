"""Wilcoxon rank-sum statistics of many groups against one control, on sparse columns.

For every gene the control's values are sorted once. A group's non-zero values are then merged
into them, and all zeros are one tied block that is counted, not sorted: the work is linear in
the non-zero values, whatever the number of cells.
"""

from __future__ import annotations

import math
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

__all__ = ["rank_sum_block", "two_sided_p"]

#: Groups with more values than this are sorted by the library, smaller ones by insertion.
FEW = 48


@numba.njit(inline="always")
def _first_at_least(indices, start, stop, gene):  # type: ignore[no-untyped-def]
    """The first position in a row's sorted indices whose gene is at least ``gene``."""
    while start < stop:
        middle = (start + stop) // 2
        if indices[middle] < gene:
            start = middle + 1
        else:
            stop = middle
    return start


@numba.njit(cache=True, nogil=True)
def _columns(data, indices, indptr, rows, bounds, first, last):  # type: ignore[no-untyped-def]
    """The non-zero values of some genes, one gene after the other, each in the order of groups.

    Gives the values, and ends (groups + 1, genes): where a group's values begin and end.
    """
    width = last - first
    n_groups = len(bounds) - 1
    begin = np.empty(len(rows), np.int64)
    stop = np.empty(len(rows), np.int64)
    room = np.zeros(width + 1, np.int64)
    for place in range(len(rows)):
        row = rows[place]
        low = _first_at_least(indices, indptr[row], indptr[row + 1], first)
        here = low
        while here < indptr[row + 1] and indices[here] < last:
            room[indices[here] - first + 1] += 1
            here += 1
        begin[place] = low
        stop[place] = here
    position = np.cumsum(room)[:width].copy()
    values = np.empty(room.sum(), data.dtype)
    ends = np.empty((n_groups + 1, width), np.int64)
    ends[0] = position
    for group in range(n_groups):
        for place in range(bounds[group], bounds[group + 1]):
            for here in range(begin[place], stop[place]):
                value = data[here]
                if value != 0:
                    gene = indices[here] - first
                    values[position[gene]] = value
                    position[gene] += 1
        ends[group + 1] = position
    return values, ends


@numba.njit(cache=True, nogil=True)
def _sort(values, start, stop):  # type: ignore[no-untyped-def]
    """Sort a stretch in place."""
    if stop - start > FEW:
        values[start:stop].sort()
        return
    for place in range(start + 1, stop):
        value = values[place]
        before = place - 1
        while before >= start and values[before] > value:
            values[before + 1] = values[before]
            before -= 1
        values[before + 1] = value


@numba.njit(cache=True, nogil=True)
def _distinct(sorted_values, unique, below):  # type: ignore[no-untyped-def]
    """Distinct values into ``unique``, how many lie below each into ``below``; their number
    and the sum of t^3 - t over their ties t.
    """
    n = 0
    ties = 0.0
    place = 0
    while place < len(sorted_values):
        value = sorted_values[place]
        start = place
        while place < len(sorted_values) and sorted_values[place] == value:
            place += 1
        unique[n] = value
        below[n] = start
        n += 1
        count = float(place - start)
        ties += count * count * count - count
    below[n] = len(sorted_values)
    return n, ties


@numba.njit(cache=True, nogil=True)
def _index(unique, n, table):  # type: ignore[no-untyped-def]
    """Fill a table of buckets: the first distinct value of each; gives the scale of a bucket."""
    buckets = len(table) - 1
    low, high = float(unique[0]), float(unique[n - 1])
    scale = (buckets - 1) / (high - low) if high > low else 0.0
    place = 0
    for bucket in range(buckets):
        while place < n and (float(unique[place]) - low) * scale < bucket:
            place += 1
        table[bucket] = place
    table[buckets] = n
    return low, scale


@numba.njit(cache=True, nogil=True)
def _rank(values, ends, bounds, u, ties):  # type: ignore[no-untyped-def]
    """Rank sums of one block: u and ties (groups, genes) of every group but the first."""
    n_groups, width = u.shape
    n_control = bounds[1] - bounds[0]
    most = 1
    for gene in range(width):
        most = max(most, ends[1, gene] - ends[0, gene])
    unique = np.empty(most, values.dtype)
    below = np.empty(most + 1, np.int64)
    table = np.empty(2 * most + 1, np.int64)
    for gene in range(width):
        start, stop = ends[0, gene], ends[1, gene]
        control = values[start:stop]
        control.sort()
        n, base = _distinct(control, unique, below)
        buckets = max(2 * n, 2)
        low, scale = (0.0, 0.0) if n == 0 else _index(unique, n, table[: buckets + 1])
        zeros_control = n_control - (stop - start)
        negative = 0
        while negative < stop - start and control[negative] < 0:
            negative += 1
        for group in range(n_groups):
            start, stop = ends[group + 1, gene], ends[group + 2, gene]
            _sort(values, start, stop)
            total, tied, place, here = 0.0, base, 0, start
            while here < stop:
                value = values[here]
                began = here
                while here < stop and values[here] == value:
                    here += 1
                count = float(here - began)
                if n > 0:
                    bucket = int((float(value) - low) * scale)
                    if bucket >= buckets:
                        bucket = buckets - 1
                    if bucket > 0 and table[bucket] - 1 > place:
                        place = table[bucket] - 1
                    while place < n and unique[place] < value:
                        place += 1
                equal = 0.0
                less = float(below[place])
                if place < n and unique[place] == value:
                    equal = float(below[place + 1] - below[place])
                if value > 0:
                    less += zeros_control
                total += count * (less + 0.5 * equal)
                both = count + equal
                tied += both * both * both - both - (equal * equal * equal - equal)
            zeros = float(bounds[group + 2] - bounds[group + 1] - (stop - start))
            total += zeros * (negative + 0.5 * zeros_control)
            both = zeros + zeros_control
            tied += both * both * both - both
            u[group, gene] = total
            ties[group, gene] = tied


@numba.njit(cache=True, nogil=True)
def _p_values(u, ties, bounds, p):  # type: ignore[no-untyped-def]
    """Two-sided p of every rank sum by the normal approximation, tie and continuity corrected."""
    n_groups, width = u.shape
    control = float(bounds[1] - bounds[0])
    for group in range(n_groups):
        size = float(bounds[group + 2] - bounds[group + 1])
        n = size + control
        mean = 0.5 * size * control
        for gene in range(width):
            if size == 0.0 or control == 0.0:
                p[group, gene] = np.nan
                continue
            variance = size * control / 12.0 * ((n + 1.0) - ties[group, gene] / (n * (n - 1.0)))
            if not variance > 0.0:
                p[group, gene] = 1.0
                continue
            z = (abs(u[group, gene] - mean) - 0.5) / math.sqrt(variance)
            p[group, gene] = min(1.0, math.erfc(z / math.sqrt(2.0)))


def rank_sum_block(
    matrix: tuple[NDArray[Any], NDArray[np.int32], NDArray[Any]],
    rows: NDArray[np.int64],
    bounds: NDArray[np.int64],
    genes: tuple[int, int],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mann-Whitney U of every group against the control, and its two-sided p: (groups, genes).

    matrix: data, indices and indptr of a CSR matrix (cells, genes) with sorted indices and
    finite values. rows: the cells, all of the control first, then group after group; bounds:
    where the control and each group begin in ``rows``, and the end: (groups + 2,). genes: first
    and last (exclusive) of the block.

    U = sum over pairs of [group > control] + [group = control] / 2, exact; p by the normal
    approximation with ties and a continuity of 1/2, as SciPy's ``mannwhitneyu(method=
    "asymptotic")`` [mann1947]_. p is 1 where all values are equal and NaN for an empty group.
    """
    data, indices, indptr = matrix
    values, ends = _columns(data, indices, indptr, rows, bounds, *genes)
    shape = (len(bounds) - 2, genes[1] - genes[0])
    u, ties, p = np.empty(shape), np.empty(shape), np.empty(shape)
    _rank(values, ends, bounds, u, ties)
    _p_values(u, ties, bounds, p)
    return u, p
