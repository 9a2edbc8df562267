"""Wilcoxon rank-sum statistics of many groups against one control, on sparse columns.

Values are first set down gene by gene, within a gene group by group. The control's values of a
gene are then sorted once, and every value of a group is looked up among them: small whole numbers
in a table of counts, other numbers by a table of buckets, with a hash of the values that the
control lacks to find their ties. All zeros are one tied block that is counted, not looked at. The
work is linear in the non-zero values, whatever the number of cells or groups.
"""

from __future__ import annotations

import math
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from cellula.kernels.column_values import Csr, column_values, first_at_least, stored_values

__all__ = ["rank_sum_block", "rank_sum_p", "rank_sums"]

#: The largest whole number that is counted in a table, not sorted.
LARGEST_COUNTED = 65_535
#: Within a bucket of more control values than this the search is binary.
FEW = 8
#: Buckets for each of the control's values.
BUCKETS = 8


@numba.njit(cache=True, nogil=True)
def _largest_whole(values):  # type: ignore[no-untyped-def]
    """The largest of values that all are whole, positive and small; -1 where one is not."""
    largest = 0
    for value in values:
        if not (0 < value <= LARGEST_COUNTED):
            return -1
        whole = int(value)
        if whole != value:
            return -1
        largest = max(largest, whole)
    return largest


@numba.njit(cache=True, nogil=True)
def _count(values, ends, gene, zeros, rank, seen, u, ties):  # type: ignore[no-untyped-def]
    """One gene of small whole numbers; rank and seen: (largest + 1,), room to work in.

    A value that joins b equal ones adds (b + 1)^3 - (b + 1) - (b^3 - b) = 3 b (b + 1) to the ties.
    """
    seen[:] = 0
    for here in range(ends[0, gene], ends[1, gene]):
        seen[int(values[here])] += 1
    less, base = float(zeros), 0.0
    for value in range(len(seen)):
        equal = float(seen[value])
        rank[value] = less + 0.5 * equal
        less += equal
        base += equal * equal * equal - equal
    for group in range(len(u)):
        total, tied = 0.0, base
        for here in range(ends[group + 1, gene], ends[group + 2, gene]):
            value = int(values[here])
            before = float(seen[value])
            seen[value] += 1
            total += rank[value]
            tied += 3.0 * before * (before + 1.0)
        for here in range(ends[group + 1, gene], ends[group + 2, gene]):
            seen[int(values[here])] -= 1
        u[group] = total
        ties[group] = tied


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
    """Fill a table of buckets: the first distinct value of each; gives the scale of a bucket.

    The same arithmetic puts a value into its bucket later, so a value of bucket b stands from
    ``table[b]`` to ``table[b + 1]``.
    """
    buckets = len(table) - 1
    low, high = np.float64(unique[0]), np.float64(unique[n - 1])
    scale = (buckets - 1) / (high - low) if high > low else 0.0
    if not scale < math.inf:
        scale = 0.0
    place = 0
    for bucket in range(buckets):
        while place < n and (np.float64(unique[place]) - low) * scale < bucket:
            place += 1
        table[bucket] = place
    table[buckets] = n
    return low, scale


@numba.njit(inline="always")
def _place(value, unique, table, buckets, low, scale):  # type: ignore[no-untyped-def]
    """How many of the control's distinct values are below a value."""
    at = (np.float64(value) - low) * scale
    if not at > 0.0:
        at = 0.0
    bucket = buckets - 1 if at >= buckets else int(at)
    start, stop = table[bucket], table[bucket + 1]
    if stop - start > FEW:
        return first_at_least(unique, start, stop, value)
    while start < stop and unique[start] < value:
        start += 1
    return start


@numba.njit(inline="always")
def _slot(value, keys, counts, shift):  # type: ignore[no-untyped-def]
    """Where a value stands, or may be put, in a hash of open addresses."""
    bits = np.uint64(np.float64(value).view(np.uint64))
    slot: Any = np.int64((bits * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(shift))
    while counts[slot] > 0 and keys[slot] != value:
        slot += 1
        if slot == len(keys):
            slot = 0
    return slot


@numba.njit(cache=True, nogil=True)
def _own_ties(strangers, n, keys, counts):  # type: ignore[no-untyped-def]
    """The sum of t^3 - t over the ties among n values; the hash is empty before and after."""
    bits = 1
    while (1 << bits) < 2 * n:
        bits += 1
    size = 1 << bits
    tied = 0.0
    for here in range(n):
        slot = _slot(strangers[here], keys[:size], counts[:size], 64 - bits)
        before = float(counts[slot])
        keys[slot] = strangers[here]
        counts[slot] += 1
        tied += 3.0 * before * (before + 1.0)
    counts[:size] = 0
    return tied


@numba.njit(cache=True, nogil=True)
def _look_up(values, ends, gene, zeros, work, u, ties):  # type: ignore[no-untyped-def]
    """One gene of any numbers; work: room for the control's values, the hash and strangers."""
    unique, below, table, seen, keys, counts, strangers, touched = work
    control = values[ends[0, gene] : ends[1, gene]]
    control.sort()
    n, base = _distinct(control, unique, below)
    buckets = max(BUCKETS * n, 2)
    low, scale = 0.0, 0.0
    if n > 0:
        low, scale = _index(unique, n, table[: buckets + 1])
    else:
        table[: buckets + 1] = 0
    for place in range(n):
        seen[place] = below[place + 1] - below[place]
    for group in range(len(u)):
        start, stop = ends[group + 1, gene], ends[group + 2, gene]
        total, tied, strange = 0.0, base, 0
        for here in range(start, stop):
            value = values[here]
            place = _place(value, unique, table, buckets, low, scale)
            less = float(below[place])
            if value > 0:
                less += zeros
            if place < n and unique[place] == value:
                less += 0.5 * float(below[place + 1] - below[place])
                before = float(seen[place])
                seen[place] += 1
                touched[here - start - strange] = place
                tied += 3.0 * before * (before + 1.0)
            else:
                strangers[strange] = value
                strange += 1
            total += less
        if strange > 1:
            tied += _own_ties(strangers, strange, keys, counts)
        for here in range(stop - start - strange):
            seen[touched[here]] -= 1
        u[group] = total
        ties[group] = tied


@numba.njit(cache=True, nogil=True)
def _rank(values, ends, bounds, u, ties):  # type: ignore[no-untyped-def]
    """Rank sums of one block: u and ties (groups, genes) of every group but the first."""
    n_groups, width = u.shape
    n_control = bounds[1] - bounds[0]
    most, largest_group = 1, 1
    for gene in range(width):
        most = max(most, ends[1, gene] - ends[0, gene])
        for group in range(n_groups):
            largest_group = max(largest_group, ends[group + 2, gene] - ends[group + 1, gene])
    size = 2
    while size < 2 * largest_group:
        size *= 2
    work = (
        np.empty(most, values.dtype),
        np.empty(most + 1, np.int32),
        np.empty(BUCKETS * most + 2, np.int32),
        np.empty(most, np.int32),
        np.empty(size, values.dtype),
        np.zeros(size, np.int32),
        np.empty(largest_group, values.dtype),
        np.empty(largest_group, np.int32),
    )
    rank, seen = np.empty(1024), np.empty(1024, np.int64)
    gene_u, gene_ties = np.empty(n_groups), np.empty(n_groups)
    for gene in range(width):
        start, stop = ends[0, gene], ends[n_groups + 1, gene]
        zeros_control = float(n_control - (ends[1, gene] - start))
        largest = _largest_whole(values[start:stop])
        negative = 0
        if 0 <= largest <= 1024 + stop - start:
            if largest >= len(rank):
                rank, seen = np.empty(2 * largest), np.empty(2 * largest, np.int64)
            room, count = rank[: largest + 1], seen[: largest + 1]
            _count(values, ends, gene, zeros_control, room, count, gene_u, gene_ties)
        else:
            _look_up(values, ends, gene, zeros_control, work, gene_u, gene_ties)
            while start + negative < ends[1, gene] and values[start + negative] < 0:
                negative += 1
        for group in range(n_groups):
            stored = ends[group + 2, gene] - ends[group + 1, gene]
            zeros = float(bounds[group + 2] - bounds[group + 1] - stored)
            both = zeros + zeros_control
            u[group, gene] = gene_u[group] + zeros * (negative + 0.5 * zeros_control)
            ties[group, gene] = gene_ties[group] + both * both * both - both


@numba.njit(cache=True, nogil=True)
def _p_values(u, ties, bounds, p):  # type: ignore[no-untyped-def]
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


def rank_sums(
    values: NDArray[Any], ends: NDArray[np.int64], bounds: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """U of every group but the first against the first, and the ties: (groups, genes) each.

    values, ends: of :func:`~cellula.kernels.column_values.column_values`, the control first, whose
    values may be sorted in place.
    bounds: differences are the sizes of the groups, zeros included: (groups + 1,).
    U = sum over pairs of [group > control] + [group = control] / 2, exact; ties is the sum of
    t^3 - t over the tied values of group and control together.
    """
    shape = (len(bounds) - 2, ends.shape[1])
    u, ties = np.empty(shape), np.empty(shape)
    _rank(values, ends, bounds, u, ties)
    return u, ties


def rank_sum_p(
    u: NDArray[np.float64], ties: NDArray[np.float64], bounds: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Two-sided p of rank sums (groups, genes) by the normal approximation [mann1947]_.

    With ties and a continuity of 1/2, as SciPy's ``mannwhitneyu(method="asymptotic")``. 1 where
    all values are equal, NaN for an empty group or control.
    """
    p = np.empty(u.shape)
    _p_values(u, ties, bounds, p)
    return p


def rank_sum_block(
    matrix: Csr,
    rows: NDArray[np.int64],
    bounds: NDArray[np.int64],
    genes: tuple[int, int],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mann-Whitney U of every group against the control, and its two-sided p: (groups, genes).

    matrix: of shape (cells, genes), finite. rows: the cells, all of the control first, then group
    after group; bounds: where the control and each group begin in ``rows``, and the end:
    (groups + 2,). genes: first and last (exclusive) of the block.
    """
    first, last = genes
    room = stored_values(matrix[1], int(matrix[1].max(initial=-1)) + 1)
    room = np.concatenate([room, np.zeros(max(0, last - len(room)), np.int64)])[first:last]
    values, ends = column_values(matrix, rows, bounds, first, room)
    u, ties = rank_sums(values, ends, bounds)
    return u, rank_sum_p(u, ties, bounds)
