"""Tau-leaping: many events at once, where no propensity changes much meanwhile."""

from __future__ import annotations

import numba
import numpy as np

from cellula.kernels.jump import FAILED, FINISHED, RUNNING, fire, tell
from cellula.kernels.leap_step import begin_step, longest_step, middle_of_step
from cellula.kernels.random_stream import exponential_draw, poisson_draw, uniform
from cellula.kernels.ssa import direct_cell, room_of

__all__ = ["tau_leaping"]

#: A reaction that can happen fewer times than this before a reactant is used up is critical: it
#: happens at most once a leap. Leaps shorter than so many mean waiting times are not worth
#: making: so many exact events are made instead. The numbers of [cao2006]_.
CRITICAL, SHORT, EXACT = 10.0, 10.0, 100


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _mark(process, r, a, is_critical):  # type: ignore[no-untyped-def]
    """Mark the critical reactions."""
    jump_from, jumps, by = process[2], process[3], process[4]
    for j in range(len(a)):
        is_critical[j] = False
        for place in range(jump_from[j], jump_from[j + 1]):
            if by[place] < 0.0 and a[j] > 0.0 and r[jumps[place]] < -CRITICAL * by[place]:
                is_critical[j] = True


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _leap(process, r, a, is_critical, tau, stream):  # type: ignore[no-untyped-def]
    """Poisson numbers of all other reactions; how many, and whether every count stays >= 0."""
    jump_from, jumps, by = process[2], process[3], process[4]
    events = 0
    for j in range(len(a)):
        if is_critical[j] or a[j] == 0.0:
            continue
        times = poisson_draw(a[j] * tau, stream)
        events += int(times)
        for place in range(jump_from[j], jump_from[j + 1]):
            r[jumps[place]] += by[place] * times
    is_possible = True
    for place in range(len(jumps)):
        is_possible &= r[jumps[place]] >= 0.0
    return events, is_possible


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _critical(process, r, a, is_critical, total, stream):  # type: ignore[no-untyped-def]
    """Let one critical reaction happen, chosen by propensity."""
    target, chosen = uniform(stream) * total, -1
    for j in range(len(a)):
        if is_critical[j]:
            target -= a[j]
            chosen = j
            if target <= 0.0:
                break
    return fire(chosen, process[2], process[3], process[4], r)


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _step(process, r, c, tau, left, stream, room):  # type: ignore[no-untyped-def]
    """One leap of at most tau and ``left``; how far, how many events (-1: none was possible)."""
    a, _, is_critical, drift, _, before, middle = room
    critical_total = 0.0
    for j in range(len(a)):
        if is_critical[j]:
            critical_total += a[j]
    first = exponential_draw(stream) / critical_total if critical_total > 0.0 else np.inf
    step = min(tau, first, left)
    if middle_of_step(process, r, c, middle, drift, step, before) >= 0:
        middle[:] = a
    events, is_possible = _leap(process, r, middle, is_critical, step, stream)
    if is_possible and first <= tau and first < left:
        is_possible = _critical(process, r, a, is_critical, critical_total, stream)
        events += 1
    if not is_possible:
        r[:] = before
        return 0.0, -1
    return step, events


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _cell(process, r, c, clock, stop, times, stream, limit, epsilon, room, told):  # type: ignore[no-untyped-def]
    """One cell up to ``stop``, or so many steps; as ``direct_cell``."""
    a, sums, is_critical, drift, spread, _, _ = room
    done = 0
    for _ in range(limit):
        t, k = clock[0], int(clock[1])
        k = tell(np.nextafter(t, np.inf), times, k, r, told)
        clock[1] = k
        total, bad = begin_step(process, r, c, a)
        if bad >= 0:
            return FAILED, bad, done
        if total == 0.0:
            clock[0], clock[1] = stop, tell(stop, times, k, r, told)
            return FINISHED, -1, done
        _mark(process, r, a, is_critical)
        tau = longest_step(process, r, a, is_critical, epsilon, drift, spread)
        end = stop
        if k < len(times) and times[k] < stop:
            end = times[k]
        events = -1
        while events < 0 and tau >= SHORT / total:
            step, events = _step(process, r, c, tau, end - t, stream, room)
            tau *= 0.5
        if events < 0:
            status, reaction, events = direct_cell(
                process, r, c, clock, stop, times, stream, EXACT, sums, told
            )
            done += events
            if status != RUNNING:
                return status, reaction, done
            continue
        done += events
        clock[0] = end if step >= end - t else t + step
        if clock[0] >= stop:
            return FINISHED, -1, done
    return RUNNING, -1, done


@numba.njit(cache=True, nogil=True, error_model="numpy")
def tau_leaping(  # type: ignore[no-untyped-def]
    epsilon, process, r, c, clock, stops, times, stream, limit, told, ended
):
    """Every cell that has not reached its stop, up to it; arguments as of ``direct``.

    Step selection of [cao2006]_, propensities in the middle of a leap. limit: of leaps.
    """
    m, n = len(process[0]), len(process[10])
    room = (
        np.empty(m), np.empty(room_of(m)), np.empty(m, np.bool_), np.empty(n), np.empty(n),
        np.empty(r.shape[1]), np.empty(m),
    )  # fmt: skip
    for cell in range(len(r)):
        if clock[cell, 0] >= stops[cell]:
            continue
        status, reaction, events = _cell(
            process, r[cell], c[cell], clock[cell], stops[cell], times, stream[cell],
            limit, epsilon, room, told[cell],
        )  # fmt: skip
        ended[cell, 0], ended[cell, 1] = status, reaction
        ended[cell, 2] += events
