"""Stochastic simulation by the next reaction method: one waiting time a reaction, in a heap."""

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
from cellula.kernels.random_stream import exponential_draw

__all__ = ["next_reaction"]


@numba.njit(cache=True, nogil=True)
def _sift(place, heap, seat, due):  # type: ignore[no-untyped-def]
    """Move the reaction at a place of the heap to where its time belongs."""
    one = heap[place]
    while place > 0 and due[heap[(place - 1) // 2]] > due[one]:
        heap[place] = heap[(place - 1) // 2]
        seat[heap[place]] = place
        place = (place - 1) // 2
    while True:
        below = 2 * place + 1
        if below + 1 < len(heap) and due[heap[below + 1]] < due[heap[below]]:
            below += 1
        if below >= len(heap) or due[heap[below]] >= due[one]:
            break
        heap[place] = heap[below]
        seat[heap[place]] = place
        place = below
    heap[place] = one
    seat[one] = place


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _due(t, old, new, before, stream):  # type: ignore[no-untyped-def]
    """When a reaction is due after its propensity changed from old to new."""
    if new == 0.0:
        return np.inf
    if old > 0.0 and before < np.inf:
        return t + (old / new) * (before - t)
    return t + exponential_draw(stream) / new


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _cell(process, r, c, clock, stop, times, stream, limit, room, told):  # type: ignore[no-untyped-def]
    """One cell up to ``stop``, or so many events; as ``direct_cell``."""
    slots, offsets, jump_from, jumps, by, reads_from, reads, work_from, work, operations, _ = (
        process
    )
    a, due, heap, seat = room
    m = len(slots)
    t, k = clock[0], int(clock[1])
    for j in range(m):
        a[j] = propensity(j, slots, offsets, c, r)
        if not 0.0 <= a[j] < np.inf:
            return FAILED, j, 0
        due[j] = _due(t, 0.0, a[j], np.inf, stream)
        heap[j], seat[j] = j, j
    for place in range(m // 2 - 1, -1, -1):
        _sift(place, heap, seat, due)
    for events in range(limit):
        later = due[heap[0]] if m > 0 else np.inf
        if later >= stop:
            clock[0], clock[1] = stop, tell(stop, times, k, r, told)
            return FINISHED, -1, events
        k = tell(later, times, k, r, told)
        t, chosen = later, heap[0]
        if not fire(chosen, jump_from, jumps, by, r):
            clock[0], clock[1] = t, k
            return NEGATIVE, chosen, events
        if work_from[chosen + 1] > work_from[chosen]:
            refresh(work, work_from[chosen], work_from[chosen + 1], operations, r)
        due[chosen] = np.inf
        for place in range(reads_from[chosen], reads_from[chosen + 1]):
            j = reads[place]
            new = propensity(j, slots, offsets, c, r)
            if not 0.0 <= new < np.inf:
                clock[0], clock[1] = t, k
                return FAILED, j, events
            if j != chosen:
                due[j] = _due(t, a[j], new, due[j], stream)
                _sift(seat[j], heap, seat, due)
            a[j] = new
        due[chosen] = _due(t, 0.0, a[chosen], np.inf, stream)
        _sift(seat[chosen], heap, seat, due)
    clock[0], clock[1] = t, k
    return RUNNING, -1, limit


@numba.njit(cache=True, nogil=True, error_model="numpy")
def next_reaction(process, r, c, clock, stops, times, stream, limit, told, ended):  # type: ignore[no-untyped-def]
    """Every cell that has not reached its stop, up to it, by Gibson and Bruck [gibson2000]_.

    Arguments as of ``direct``.
    """
    m = len(process[0])
    room = (np.empty(m), np.empty(m), np.empty(m, np.int32), np.empty(m, np.int32))
    for cell in range(len(r)):
        if clock[cell, 0] >= stops[cell]:
            continue
        refresh(process[8], process[7][m], process[7][m + 1], process[9], r[cell])
        status, reaction, events = _cell(
            process, r[cell], c[cell], clock[cell], stops[cell], times, stream[cell], limit, room,
            told[cell],
        )  # fmt: skip
        ended[cell, 0], ended[cell, 1] = status, reaction
        ended[cell, 2] += events
