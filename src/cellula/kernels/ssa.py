"""Stochastic simulation by the direct method, with a graph of what each reaction changes.

Few reactions are chosen by a search along their propensities, many in a binary tree of sums.
"""

from __future__ import annotations

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
from cellula.kernels.random_stream import exponential_draw, uniform

__all__ = ["direct", "direct_cell", "room_of"]

#: From so many reactions on, a tree.
TREE_FROM = 48
#: The sum along few reactions is taken anew after so many events, or where it fell so far.
ANEW, FALLEN = 512, 1e-5


@numba.njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _searched(target, a, n):  # type: ignore[no-untyped-def]
    """The first reaction at which the sum of propensities reaches the target; n if none."""
    j = 0
    while j < n:
        target -= a[j]
        if target <= 0.0 and a[j] > 0.0:
            break
        j += 1
    return j


@numba.njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _descended(target, tree, n_leaves):  # type: ignore[no-untyped-def]
    """The leaf at which the sum of leaves reaches the target."""
    node = 1
    while node < n_leaves:
        node *= 2
        if target > tree[node] and tree[node + 1] > 0.0:
            target -= tree[node]
            node += 1
    return node - n_leaves


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _all(a, leaves, m, process, c, r):  # type: ignore[no-untyped-def]
    """Every propensity, and the sums above them; which one is not a number or negative, or -1."""
    for j in range(m):
        a[leaves + j] = propensity(j, process[0], process[1], c, r)
        if not 0.0 <= a[leaves + j] < np.inf:
            return j
    for node in range(leaves - 1, 0, -1):
        a[node] = a[2 * node] + a[2 * node + 1]
    return -1


@numba.njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _chosen(total, a, m, leaves, stream):  # type: ignore[no-untyped-def]
    """A reaction with the probability of its propensity."""
    if leaves > 0:
        return _descended(uniform(stream) * total, a, leaves)
    chosen = m
    while chosen >= m:  # the sum of the propensities, taken step by step, may fall short of total
        chosen = _searched(uniform(stream) * total, a, m)
    return chosen


@numba.njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _renewed(chosen, process, r, c, a, leaves):  # type: ignore[no-untyped-def]
    """Propensities after an event; by how much their sum changed, and which is odd, or -1."""
    reads_from, reads, work_from = process[5], process[6], process[7]
    if work_from[chosen + 1] > work_from[chosen]:
        refresh(process[8], work_from[chosen], work_from[chosen + 1], process[9], r)
    change = 0.0
    for place in range(reads_from[chosen], reads_from[chosen + 1]):
        j = reads[place]
        new = propensity(j, process[0], process[1], c, r)
        if not 0.0 <= new < np.inf:
            return change, j
        change += new - a[leaves + j]
        a[leaves + j] = new
        node = (leaves + j) // 2
        while node > 0 and leaves > 0:
            a[node] = a[2 * node] + a[2 * node + 1]
            node //= 2
    return change, -1


@numba.njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _sum(a, m):  # type: ignore[no-untyped-def]
    total = 0.0
    for j in range(m):
        total += a[j]
    return total


@numba.njit(cache=True, nogil=True, error_model="numpy")
def direct_cell(process, r, c, clock, stop, times, stream, limit, a, told):  # type: ignore[no-untyped-def]
    """One cell up to ``stop``, or so many events, by the direct method [gillespie1977]_.

    clock: time, place of the next of ``times`` to tell, in place. a: room for the propensities,
    (m,) or, as a tree, (2 x leaves,). Gives how it ended, the reaction to blame, the events.
    """
    m = len(process[0])
    leaves = 0 if len(a) == m else len(a) // 2
    t, k = clock[0], int(clock[1])
    status, blamed, events, since = RUNNING, _all(a, leaves, m, process, c, r), 0, 0
    if blamed >= 0:
        return FAILED, blamed, 0
    total, reference = 0.0, -1.0
    while events < limit:
        if leaves > 0:
            total = a[1]
        elif since == 0 or total < FALLEN * reference:
            total = _sum(a, m)
            reference, since = total, ANEW
        reference = max(reference, total)
        later = t + exponential_draw(stream) / total if total > 0.0 else np.inf
        if later >= stop:
            status, t, k = FINISHED, stop, tell(stop, times, k, r, told)
            break
        if k < len(times) and times[k] < later:
            k = tell(later, times, k, r, told)
        t = later
        chosen = _chosen(total, a, m, leaves, stream)
        events += 1
        since -= 1
        if not fire(chosen, process[2], process[3], process[4], r):
            status, blamed = NEGATIVE, chosen
            break
        change, blamed = _renewed(chosen, process, r, c, a, leaves)
        if blamed >= 0:
            status = FAILED
            break
        total += change
    clock[0], clock[1] = t, k
    return status, blamed, events


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
