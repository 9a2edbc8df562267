"""A population of cells advanced by a Rosenbrock method, each to the end or to its first root."""

from __future__ import annotations

import math

import numba
import numpy as np

from cellula.kernels.compiled import compiled
from cellula.kernels.rosenbrock_step import (
    DONE,
    NOT_FINITE,
    dense,
    interpolated,
    linearised,
    step,
)
from cellula.kernels.tape import run

__all__ = ["ROOT", "advanced"]

#: Beside the ends of a step: a cell has stopped just after a root.
ROOT = 1
#: So many parts of a step are looked at for roots.
PARTS = 4


@compiled
def _copied(of, to):  # type: ignore[no-untyped-def]
    """Copy by a loop: an assignment of slices takes seconds more to compile."""
    for i in range(len(of)):
        to[i] = of[i]


@compiled
def _prepared(tape, registers, parameters, n):  # type: ignore[no-untyped-def]
    """Put the parameters and the constants, and do what depends on them alone."""
    operations, runs, n_once, constants, _ = tape
    for i in range(len(parameters)):
        registers[1 + n + i] = parameters[i]
    for i in range(len(constants)):
        registers[1 + n + len(parameters) + i] = constants[i]
    run(operations, runs, 0, n_once, registers)


@compiled
def _sides(roots, registers, t, y, sides):  # type: ignore[no-untyped-def]
    """Whether each root function is above zero."""
    operations, runs, n_once, _, outputs = roots
    registers[0] = t
    for i in range(len(y)):
        registers[1 + i] = y[i]
    run(operations, runs, n_once, len(runs), registers)
    for r in range(len(outputs)):
        sides[r] = registers[outputs[r]] > 0.0


@compiled
def _is_changed(before, now):  # type: ignore[no-untyped-def]
    n_changed = 0
    for r in range(len(before)):
        n_changed += before[r] != now[r]
    return n_changed > 0


@compiled
def _first_root(roots, registers, piece, at, sides, now):  # type: ignore[no-untyped-def]
    """The share of the step just after the first change of a side; 2 where none changes.

    Bisection, until the two sides of the change are neighbours in time. ``at`` (n,) becomes the
    state there and ``now`` the sides.
    """
    t, h, y, new, bends = piece
    low = 0.0
    for part in range(1, PARTS + 1):
        high = part / PARTS
        interpolated(high, y, new, bends, at)
        _sides(roots, registers, t + high * h, at, now)
        if _is_changed(sides, now):
            break
        low = high
    else:
        return 2.0
    while True:
        middle = 0.5 * (low + high)
        time = t + middle * h
        if time == t + low * h or time == t + high * h or high - low < 1e-18:
            break
        interpolated(middle, y, new, bends, at)
        _sides(roots, registers, time, at, now)
        if _is_changed(sides, now):
            high = middle
        else:
            low = middle
    interpolated(high, y, new, bends, at)
    _sides(roots, registers, t + high * h, at, now)
    return high


@compiled
def _told(times, place, until, piece, values):  # type: ignore[no-untyped-def]
    """Write the states at the times before ``until``; the place of the first that is left."""
    t, h, y, new, bends = piece
    while place < len(times) and times[place] < until:
        interpolated((times[place] - t) / h, y, new, bends, values[place])
        place += 1
    return place


@compiled
def _first_step(slope, y, control, span):  # type: ignore[no-untyped-def]
    """A step that changes no state by more than a hundredth, or its tolerance."""
    sizes, rtol, _ = control
    size, speed = 0.0, 0.0
    for i in range(len(y)):
        scale = sizes[i] + rtol * abs(y[i])
        size += (y[i] / scale) ** 2
        speed += (slope[i] / scale) ** 2
    if not speed > 0.0:
        return 1e-3 * span
    n = len(y)
    return min(span, max(0.01 * math.sqrt(size / n), 1.0) / math.sqrt(speed / n))


@compiled
def _cell(system, method, control, times, work, state, n_most):  # type: ignore[no-untyped-def]
    """Advance one cell: (how it ended, time, next time to tell, next step, attempts)."""
    local, _, roots, _, _, _ = system
    found, arrays, bends, at, all_registers, sides, now = work
    t, h, place, values = state
    y, new, k = arrays[0], arrays[1], arrays[2]
    end, n_tried = times[len(times) - 1], 0
    before, error_before = 0.0, 1.0
    if len(sides):
        _sides(roots, all_registers[2], t, y, sides)
    while place < len(times) and times[place] <= t:
        _copied(y, values[place])
        place += 1
    while t < end:
        if not linearised(local, all_registers[0], t, y, found):
            return NOT_FINITE, t, place, h, n_tried
        if not h > 0.0:
            h = max(_first_step(found[0], y, control, end - t), 1e-13 * abs(t))
        tried = (t, h, end, before, error_before, n_most - n_tried)
        how, done, h, error, count = step(system, method, found, arrays, tried, control)
        n_tried += count
        if how != DONE:
            return how, t, place, h, n_tried
        after = end if t + done >= end else t + done
        piece = (t, done, y, new, bends)
        if len(sides) or (place < len(times) and times[place] < after):
            dense(method, k, bends)
        if len(sides):
            share = _first_root(roots, all_registers[2], piece, at, sides, now)
            if share <= 1.0:
                after = t + share * done
                place = _told(times, place, after, piece, values)
                _copied(at, y)
                return ROOT, after, place, h, n_tried
        place = _told(times, place, after, piece, values)
        t, before, error_before = after, done, max(error, 1e-2)
        _copied(new, y)
        if place < len(times) and times[place] <= t:
            _copied(y, values[place])
            place += 1
    return DONE, t, place, h, n_tried


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _workspace(system, method, n_values, n_registers):  # type: ignore[no-untyped-def]
    """Arrays that one cell after the other uses."""
    local, _, roots, elimination, places, _ = system
    n, n_stages = len(elimination[0]), method[1]
    n_stages = method[2].shape[1] // 2 - 1
    n_bends = len(method[2]) - n_stages
    n_drift = len(local[4]) - n - len(places)
    found = (np.zeros(n), np.zeros(len(places)), np.zeros(n_drift))
    registers = (np.zeros(n_registers[0]), np.zeros(n_registers[1]), np.zeros(n_registers[2]))
    arrays = (
        np.zeros(n),
        np.zeros(n),
        np.zeros((n_stages, n)),
        np.zeros(n_values),
        np.zeros(n),
        registers[1],
    )
    sides, now = np.zeros(len(roots[4]), np.bool_), np.zeros(len(roots[4]), np.bool_)
    return found, arrays, np.zeros((n_bends, n)), np.zeros(n), registers, sides, now


@numba.njit(cache=True, nogil=True, error_model="numpy")
def advanced(system, method, control, times, sizes, cells):  # type: ignore[no-untyped-def]
    """Advance cells in place, one after the other.

    system: the tapes of f with its derivatives, of f and of the roots, each (operations, runs,
    n_once, constants, outputs); the elimination; the places of the Jacobian's entries; how many
    equations are differential. method: (gamma, plain stages, table of stages and then of the
    dense output, order). control: (absolute tolerances, relative tolerance, longest step), most
    attempts apart. sizes: (values of the elimination, registers of each tape, most attempts).
    cells: time, states, parameters, next time to tell, step, values, status, changed, attempts.
    """
    n_values, n_registers, n_most = sizes
    time, states, parameters, place, steps, values, status, changed, tried = cells
    work = _workspace(system, method, n_values, n_registers)
    _, arrays, _, _, registers, sides, now = work
    n = states.shape[1]
    y = arrays[0]
    for cell in range(len(time)):
        _prepared(system[0], registers[0], parameters[cell], n)
        _prepared(system[1], registers[1], parameters[cell], n)
        _prepared(system[2], registers[2], parameters[cell], n)
        _copied(states[cell], y)
        state = (time[cell], steps[cell], place[cell], values[cell])
        how, t, following, h, count = _cell(system, method, control, times, work, state, n_most)
        status[cell], time[cell], place[cell], steps[cell] = how, t, following, h
        tried[cell] = count
        _copied(y, states[cell])
        for r in range(len(sides)):
            changed[cell, r] = how == ROOT and sides[r] != now[r]
