"""Stochastic simulation by the direct method, with a graph of what each reaction changes.

Few reactions are chosen by a search along their propensities, many in a binary tree of sums.
"""

from __future__ import annotations

import math

import numba
import numpy as np

from cellula.kernels.jump import (
    FAILED,
    FINISHED,
    NEGATIVE,
    RUNNING,
    fire,
    propensity,
    refresh,
    tell,
)
from cellula.kernels.random_stream import uniform_at

__all__ = ["direct", "direct_cell", "room_of"]

#: From so many reactions on, a tree.
TREE_FROM = 48
#: The sum along few reactions is taken anew after so many events, or where it fell so far.
ANEW, FALLEN = 512, 1e-5


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _all(process, c, r, a):  # type: ignore[no-untyped-def]
    """Every propensity; which one is negative or not a number, or -1."""
    slots, offsets = process[0], process[1]
    for j in range(len(slots)):
        a[j] = propensity(j, slots, offsets, c, r)
        if not 0.0 <= a[j] < np.inf:
            return j
    return -1


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _renewed(begin, end, reads, slots, offsets, c, r, a):  # type: ignore[no-untyped-def]
    """Propensities after an event; by how much their sum changed, not a number if one is odd."""
    change = 0.0
    for place in range(begin, end):
        j = reads[place]
        new = propensity(j, slots, offsets, c, r)
        change += new - a[j] if 0.0 <= new < np.inf else np.nan
        a[j] = new
    return change


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _searched(target, a):  # type: ignore[no-untyped-def]
    """The reaction at which the sum of propensities reaches the target; their number if none."""
    for j in range(len(a)):
        target -= a[j]
        if target <= 0.0 and a[j] > 0.0:
            return j
    return len(a)


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _few(process, r, c, clock, stop, times, stream, limit, a, told):  # type: ignore[no-untyped-def]
    """``direct_cell`` by search."""
    slots, offsets, jump_from, jumps, by, reads_from, reads, work_from, work, operations, _ = (
        process
    )
    t, k, place, step = clock[0], int(clock[1]), stream[0], stream[1]
    status, blamed, events = RUNNING, -1, 0
    total, reference = a.sum(), 0.0
    while events < limit:
        if events % ANEW == 0 or total < FALLEN * reference:
            total = reference = a.sum()
        reference = max(reference, total)
        place += step
        later = t - math.log(uniform_at(place)) / total if total > 0.0 else np.inf
        if later >= stop:
            status, t, k = FINISHED, stop, tell(stop, times, k, r, told)
            break
        if k < len(times) and times[k] < later:
            k = tell(later, times, k, r, told)
        t, chosen = later, len(a)
        while chosen == len(a):  # the sum, step by step, may fall short of the total
            place += step
            chosen = _searched(uniform_at(place) * total, a)
        events += 1
        if not fire(chosen, jump_from, jumps, by, r):
            status, blamed = NEGATIVE, chosen
            break
        begin, end = work_from[chosen], work_from[chosen + 1]
        if end > begin:
            refresh(work, begin, end, operations, r)
        begin, end = reads_from[chosen], reads_from[chosen + 1]
        total += _renewed(begin, end, reads, slots, offsets, c, r, a)
        if np.isnan(total):
            status, blamed = FAILED, _all(process, c, r, a)
            break
    clock[0], clock[1], stream[0] = t, k, place
    return status, blamed, events


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _grown(begin, end, reads, slots, offsets, c, r, tree):  # type: ignore[no-untyped-def]
    """Propensities after an event, in the tree; their sum, not a number if one is odd."""
    leaves = len(tree) // 2
    for place in range(begin, end):
        new = propensity(reads[place], slots, offsets, c, r)
        node = leaves + reads[place]
        tree[node] = new if 0.0 <= new < np.inf else np.nan
        while node > 1:
            node //= 2
            tree[node] = tree[2 * node] + tree[2 * node + 1]
    return tree[1]


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _descended(target, tree):  # type: ignore[no-untyped-def]
    """The reaction at which the sum of leaves reaches the target."""
    leaves = len(tree) // 2
    node = 1
    while node < leaves:
        node *= 2
        if target > tree[node] and tree[node + 1] > 0.0:
            target -= tree[node]
            node += 1
    return node - leaves


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _many(process, r, c, clock, stop, times, stream, limit, tree, told):  # type: ignore[no-untyped-def]
    """``direct_cell`` by a tree."""
    slots, offsets, jump_from, jumps, by, reads_from, reads, work_from, work, operations, _ = (
        process
    )
    t, k, place, step = clock[0], int(clock[1]), stream[0], stream[1]
    status, blamed, events = RUNNING, -1, 0
    for node in range(len(tree) // 2 - 1, 0, -1):
        tree[node] = tree[2 * node] + tree[2 * node + 1]
    total = tree[1]
    while events < limit:
        place += step
        later = t - math.log(uniform_at(place)) / total if total > 0.0 else np.inf
        if later >= stop:
            status, t, k = FINISHED, stop, tell(stop, times, k, r, told)
            break
        if k < len(times) and times[k] < later:
            k = tell(later, times, k, r, told)
        place += step
        t, chosen = later, _descended(uniform_at(place) * total, tree)
        events += 1
        if not fire(chosen, jump_from, jumps, by, r):
            status, blamed = NEGATIVE, chosen
            break
        begin, end = work_from[chosen], work_from[chosen + 1]
        if end > begin:
            refresh(work, begin, end, operations, r)
        begin, end = reads_from[chosen], reads_from[chosen + 1]
        total = _grown(begin, end, reads, slots, offsets, c, r, tree) if end > begin else total
        if np.isnan(total):
            status, blamed = FAILED, _all(process, c, r, tree[len(tree) // 2 :])
            break
    clock[0], clock[1], stream[0] = t, k, place
    return status, blamed, events


@numba.njit(cache=True, nogil=True, error_model="numpy")
def direct_cell(process, r, c, clock, stop, times, stream, limit, a, told):  # type: ignore[no-untyped-def]
    """One cell up to ``stop``, or so many events, by the direct method [gillespie1977]_.

    clock: time, place of the next of ``times`` to tell, in place. a: room for the propensities,
    ``room_of(m)`` numbers. Gives how it ended, the reaction to blame, the events.
    """
    is_tree = len(a) > len(process[0])
    blamed = _all(process, c, r, a[len(a) // 2 :] if is_tree else a)
    if blamed >= 0:
        return FAILED, blamed, 0
    if is_tree:
        return _many(process, r, c, clock, stop, times, stream, limit, a, told)
    return _few(process, r, c, clock, stop, times, stream, limit, a, told)


@numba.njit(cache=True, nogil=True)
def room_of(m):  # type: ignore[no-untyped-def]
    """How many numbers ``direct_cell`` wants for the propensities of m reactions."""
    if m < TREE_FROM:
        return m
    leaves = 1
    while leaves < m:
        leaves *= 2
    return 2 * leaves


@numba.njit(cache=True, nogil=True, error_model="numpy")
def direct(process, r, c, clock, stops, times, stream, limit, told, ended):  # type: ignore[no-untyped-def]
    """Every cell that has not reached its stop, up to it; all arrays but c, stops, times change.

    r (cells, registers), c (cells, m), clock (cells, 2): time and place in times, stops (cells,),
    stream (cells, 2), told (cells, times, species), ended (cells, 3): status, reaction, events.
    """
    m = len(process[0])
    a = np.zeros(room_of(m))
    for cell in range(len(r)):
        if clock[cell, 0] >= stops[cell]:
            continue
        refresh(process[8], process[7][m], process[7][m + 1], process[9], r[cell])
        status, reaction, events = direct_cell(
            process, r[cell], c[cell], clock[cell], stops[cell], times, stream[cell], limit, a,
            told[cell],
        )  # fmt: skip
        ended[cell, 0], ended[cell, 1] = status, reaction
        ended[cell, 2] += events
