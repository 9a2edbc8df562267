"""A population of cells advanced by a Rosenbrock method, each to the end or to its first root.

Cells go side by side, a lane each, at their own times and steps; a lane whose cell has ended
takes the next one.
"""

from __future__ import annotations

import math

import numba
import numpy as np

from cellula.kernels.compiled import compiled
from cellula.kernels.lane_clock import (
    AT,
    BEFORE,
    CELL,
    DONE,
    ERROR,
    ERROR_BEFORE,
    FOLLOWING,
    IS_DONE,
    IS_FIRST,
    IS_NEW,
    IS_REGULAR,
    N_CLOCK,
    N_MARKS,
    NEW,
    PLACE,
    REASON,
    SHARE,
    SLOPE,
    TRIED,
    H,
    N,
    T,
    Y,
)
from cellula.kernels.lane_output import interpolated, tell
from cellula.kernels.lane_roots import first_roots, look
from cellula.kernels.lane_tape import run_lanes
from cellula.kernels.lanes import LANES
from cellula.kernels.rosenbrock_step import (
    NOT_FINITE,
    TOO_SMALL,
    attempted,
    begun,
    dense,
    judged,
    linearised,
)

__all__ = ["ROOT", "advanced"]

#: Beside the ends of a step: a cell has stopped just after a root.
ROOT = 1


@compiled
def _taken(cells, lane, cell, lanes, marks, registers):  # type: ignore[no-untyped-def]
    """Put a cell into a lane."""
    time, states, parameters, place, steps, _, _, _, _ = cells
    rows, lanes_of = registers[3], registers[:3]
    n = states.shape[1]
    for i in range(n):
        lanes[rows[Y] + i, lane] = states[cell, i]
    for i in range(parameters.shape[1]):
        for one in lanes_of:
            one[1 + n + i, lane] = parameters[cell, i]
    marks[CELL, lane], marks[PLACE, lane], marks[TRIED, lane] = cell, place[cell], 0
    marks[IS_NEW, lane] = True
    lanes[T, lane], lanes[H, lane] = time[cell], steps[cell]
    lanes[BEFORE, lane], lanes[ERROR_BEFORE, lane] = 0.0, 1.0


@compiled
def _left(cells, lane, how, lanes, marks, rows):  # type: ignore[no-untyped-def]
    """Take the cell of a lane out of it."""
    time, states, _, place, steps, _, status, _, tried = cells
    cell = marks[CELL, lane]
    for i in range(rows[N]):
        states[cell, i] = lanes[rows[Y] + i, lane]
    status[cell], time[cell], place[cell] = how, lanes[T, lane], marks[PLACE, lane]
    steps[cell], tried[cell] = lanes[H, lane], marks[TRIED, lane]
    marks[CELL, lane] = -1


@compiled
def _filled(cells, times, waiting, lanes, marks, registers):  # type: ignore[no-untyped-def]
    """Put waiting cells into free lanes: (the next one that waits, lanes in use, lanes filled)."""
    width, n_taken, end = 0, 0, times[len(times) - 1]
    rows = registers[3]
    for lane in range(LANES):
        marks[IS_DONE, lane] = False
        while marks[CELL, lane] < 0 and waiting < len(cells[0]):
            _taken(cells, lane, waiting, lanes, marks, registers)
            waiting += 1
            if lanes[T, lane] < end:
                marks[IS_DONE, lane] = True
                n_taken += 1
            else:
                tell(lanes, marks, rows, lane, (times, cells[5]), lanes[T, lane])
                _left(cells, lane, DONE, lanes, marks, rows)
        if marks[CELL, lane] >= 0:
            width = lane + 1
    return waiting, width, n_taken


@compiled
def _prepared(tape, registers, first, width):  # type: ignore[no-untyped-def]
    """Put the constants, and do what depends on them and the parameters alone."""
    operations, runs, n_once, constants, _ = tape
    for i in range(len(constants)):
        for lane in range(LANES):
            registers[first + i, lane] = constants[i]
    run_lanes(operations, runs, 0, n_once, registers, width)


@compiled
def _started(system, cells, times, lanes, marks, work):  # type: ignore[no-untyped-def]
    """Make lanes ready that were filled just now."""
    registers, sides, now, width = work
    rows = registers[3]
    first = 1 + rows[N] + cells[2].shape[1]
    _prepared(system[0], registers[0], first, width)
    _prepared(system[1], registers[1], first, width)
    _prepared(system[2], registers[2], first, width)
    if len(sides):
        for lane in range(LANES):
            lanes[SHARE, lane] = 0.0
        look(system[2], registers[2], lanes, rows, now, width)
    for lane in range(width):
        if marks[IS_DONE, lane]:
            for r in range(len(sides)):
                sides[r, lane] = now[r, lane]
            tell(lanes, marks, rows, lane, (times, cells[5]), lanes[T, lane])


@compiled
def _first_step(lanes, rows, lane, tolerances, rtol, span):  # type: ignore[no-untyped-def]
    """A step that changes no state by more than a hundredth, or its tolerance."""
    size, speed = 0.0, 0.0
    for i in range(rows[N]):
        y = lanes[rows[Y] + i, lane]
        scale = tolerances[i] + rtol * abs(y)
        size += (y / scale) ** 2
        speed += (lanes[rows[SLOPE] + i, lane] / scale) ** 2
    if not speed > 0.0:
        return 1e-3 * span
    n = rows[N]
    return min(span, max(0.01 * math.sqrt(size / n), 1.0) / math.sqrt(speed / n))


@compiled
def _ready(control, cells, times, lanes, marks, work):  # type: ignore[no-untyped-def]
    """Make every lane's step ready; the cells that cannot go on are taken out."""
    rows, n_most, width = work
    tolerances, rtol, longest = control
    end = times[len(times) - 1]
    for lane in range(width):
        if marks[CELL, lane] < 0:
            continue
        if marks[IS_NEW, lane]:
            if not marks[IS_REGULAR, lane]:
                _left(cells, lane, NOT_FINITE, lanes, marks, rows)
                continue
            if not lanes[H, lane] > 0.0:
                t = lanes[T, lane]
                first = _first_step(lanes, rows, lane, tolerances, rtol, end - t)
                lanes[H, lane] = max(first, 1e-13 * abs(t))
            marks[IS_NEW, lane], marks[IS_FIRST, lane] = False, True
            marks[REASON, lane] = TOO_SMALL
        how = begun(lanes, marks, lane, end, longest, n_most)
        if how != DONE:
            _left(cells, lane, how, lanes, marks, rows)


@compiled
def _ended(cells, lane, times, lanes, marks, work):  # type: ignore[no-untyped-def]
    """After a step that holds: tell the times in it; the cell goes on or is taken out."""
    rows, sides, now = work
    t, done, end = lanes[T, lane], lanes[H, lane], times[len(times) - 1]
    place, cell, share = marks[PLACE, lane], marks[CELL, lane], lanes[SHARE, lane]
    is_root = share <= 1.0
    after = end if t + done >= end else t + done
    after = t + share * done if is_root else after
    while place < len(times) and times[place] < after:
        interpolated((times[place] - t) / done, lanes, rows, lane, cells[5][cell, place])
        place += 1
    marks[PLACE, lane], marks[IS_NEW, lane] = place, True
    lanes[T, lane], lanes[H, lane] = after, lanes[FOLLOWING, lane]
    lanes[BEFORE, lane], lanes[ERROR_BEFORE, lane] = done, max(lanes[ERROR, lane], 1e-2)
    reached = rows[AT] if is_root else rows[NEW]
    for i in range(rows[N]):
        lanes[rows[Y] + i, lane] = lanes[reached + i, lane]
    if is_root:
        for r in range(len(sides)):
            cells[7][cell, r] = sides[r, lane] != now[r, lane]
        _left(cells, lane, ROOT, lanes, marks, rows)
        return
    tell(lanes, marks, rows, lane, (times, cells[5]), after)
    if not after < end:
        _left(cells, lane, DONE, lanes, marks, rows)


@compiled
def _judged(times, lanes, marks, order, n_roots, width):  # type: ignore[no-untyped-def]
    """Which attempts hold: whether the dense output of any of them is needed."""
    is_dense = False
    for lane in range(width):
        is_done = marks[CELL, lane] >= 0 and judged(lanes, marks, lane, order)
        marks[IS_DONE, lane], lanes[SHARE, lane] = is_done, 2.0
        if is_done:
            place, after = marks[PLACE, lane], lanes[T, lane] + lanes[H, lane]
            is_dense |= n_roots > 0 or (place < len(times) and times[place] < after)
    return is_dense


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _workspace(system, table, n_values, n_registers):  # type: ignore[no-untyped-def]
    """Arrays that one cell after the other uses."""
    local, _, roots, elimination, places, _ = system
    n, n_roots, n_stages = len(elimination[0]), len(roots[4]), table.shape[1] // 2 - 1
    y = N_CLOCK
    negative = y + 4 * n
    drift = negative + len(places)
    values = drift + len(local[4]) - n - len(places)
    inverse = values + n_values
    k = inverse + n
    bends = k + n_stages * n
    end = bends + (len(table) - n_stages) * n
    rows = (n, y, y + n, y + 2 * n, y + 3 * n, negative, drift, values, inverse, k, bends, end)
    lanes, marks = np.zeros((end, LANES)), np.zeros((N_MARKS, LANES), np.int64)
    lanes[H] = 1.0
    marks[CELL] = -1
    registers = (
        np.zeros((n_registers[0], LANES)),
        np.zeros((n_registers[1], LANES)),
        np.zeros((n_registers[2], LANES)),
        rows,
    )
    sides, now = np.zeros((n_roots, LANES), np.bool_), np.zeros((n_roots, LANES), np.bool_)
    return lanes, marks, registers, sides, now


@numba.njit(cache=True, nogil=True, error_model="numpy")
def advanced(system, method, control, times, sizes, cells):  # type: ignore[no-untyped-def]
    """Advance cells in place.

    system: the tapes of f with its derivatives, of f and of the roots, each (operations, runs,
    n_once, constants, outputs); the elimination; the places of the Jacobian's entries; how many
    equations are differential. method: (gamma, plain stages, table of stages and then of the
    dense output, order). control: (absolute tolerances, relative tolerance, longest step), most
    attempts apart. sizes: (values of the elimination, registers of each tape, most attempts).
    cells: time, states, parameters, next time to tell, step, values, status, changed, attempts.
    """
    n_values, n_registers, n_most = sizes
    lanes, marks, registers, sides, now = _workspace(system, method[2], n_values, n_registers)
    rows, waiting = registers[3], 0
    while True:
        waiting, width, n_taken = _filled(cells, times, waiting, lanes, marks, registers)
        if width == 0:
            break
        if n_taken:
            _started(system, cells, times, lanes, marks, (registers, sides, now, width))
        if marks[IS_NEW].any():
            linearised(system[0], registers[0], lanes, marks, rows, width)
        _ready(control, cells, times, lanes, marks, (rows, n_most, width))
        attempt = (rows, width, control[0], control[1])
        attempted(system, method, lanes, marks, registers[1], attempt)
        if _judged(times, lanes, marks, method[3], len(sides), width):
            dense(method[2], lanes, rows)
        if len(sides):
            first_roots(system[2], registers[2], lanes, marks, (rows, sides, now), width)
        for lane in range(width):
            if marks[IS_DONE, lane]:
                _ended(cells, lane, times, lanes, marks, (rows, sides, now))
