"""A step of a Rosenbrock method for cells side by side: stages, estimate of the error, step size.

lanes: (rows, LANES), see :mod:`~cellula.kernels.lane_clock`; marks: (N_MARKS, LANES).
Every lane has its own time and step, and what a lane without a cell holds is never looked at.
"""

from __future__ import annotations

import math

from cellula.kernels.compiled import compiled
from cellula.kernels.lane_clock import (
    BEFORE,
    BENDS,
    DONE,
    DRIFT,
    ERROR,
    ERROR_BEFORE,
    FOLLOWING,
    INVERSE,
    IS_FIRST,
    IS_REGULAR,
    NEGATIVE,
    NEW,
    REASON,
    RECIPROCAL,
    SLOPE,
    TRIED,
    VALUES,
    WEIGHT,
    H,
    K,
    N,
    T,
    Y,
)
from cellula.kernels.lane_tape import run_lanes
from cellula.kernels.lanes import (
    LANES,
    add,
    divide,
    greatest,
    load,
    multiply,
    size,
    spread,
    store,
)
from cellula.kernels.sparse_elimination import factorise, solve

__all__ = [
    "NOT_FINITE", "SINGULAR", "TOO_MANY", "TOO_SMALL", "attempted", "begun", "dense", "judged",
    "linearised",
]  # fmt: skip

#: How a cell failed.
TOO_SMALL, NOT_FINITE, TOO_MANY, SINGULAR = -1, -2, -3, -4
#: A step is at most so much longer, or shorter, than the one before; and a bit less than it may.
LONGER, SHORTER, SAFETY = 8.0, 0.2, 0.9
#: The least step, in units of the last place of the time.
LEAST = 16.0 * 2.220446049250313e-16


@compiled
def linearised(local, registers, lanes, marks, rows, width):  # type: ignore[no-untyped-def]
    """f, -J and df/dt at (t, y); a lane is regular where f is finite.

    What is not finite in a derivative counts as 0: the control of the error then keeps the steps
    short, until it is finite.
    """
    operations, runs, n_once, _, outputs = local
    n, first = rows[N], rows[SLOPE]
    store(registers, 0, load(lanes, T))
    for i in range(n):
        store(registers, 1 + i, load(lanes, rows[Y] + i))
    run_lanes(operations, runs, n_once, len(runs), registers, width)
    for lane in range(LANES):
        marks[IS_REGULAR, lane] = True
    for i in range(n):
        for lane in range(LANES):
            value = registers[outputs[i], lane]
            lanes[first + i, lane] = value
            marks[IS_REGULAR, lane] &= math.isfinite(value)
    for e in range(n, len(outputs)):
        sign = -1.0 if first + e < rows[DRIFT] else 1.0
        for lane in range(LANES):
            value = sign * registers[outputs[e], lane]
            lanes[first + e, lane] = value if math.isfinite(value) else 0.0


@compiled
def _sums(lanes, rows, table, s, n_plain):  # type: ignore[no-untyped-def]
    """Put the state of stage s into ``new`` and the sum of C_sj k_j into its k, in one pass."""
    n, k, n_stages = rows[N], rows[K], table.shape[1] // 2 - 1
    base = rows[Y] if s < n_plain else rows[NEW]
    for i in range(n):
        state, total = load(lanes, base + i), spread(0.0)
        for j in range(s):
            known = load(lanes, k + j * n + i)
            state = add(state, multiply(spread(table[s, 2 + j]), known))
            total = add(total, multiply(spread(table[s, 2 + n_stages + j]), known))
        store(lanes, rows[NEW] + i, state)
        store(lanes, k + s * n + i, total)


@compiled
def _first_side(lanes, rows):  # type: ignore[no-untyped-def]
    """Make f, with its change in time, the right side of the first stage."""
    weight = load(lanes, WEIGHT)
    for i in range(rows[N]):
        side = load(lanes, rows[SLOPE] + i)
        if rows[DRIFT] < rows[VALUES]:
            side = add(side, multiply(weight, load(lanes, rows[DRIFT] + i)))
        store(lanes, rows[K] + i, side)


@compiled
def _side(lanes, registers, outputs, rows, s, n_differential):  # type: ignore[no-untyped-def]
    """Make the sums of stage s its right side."""
    k, drift = rows[K] + s * rows[N], rows[DRIFT]
    reciprocal, weight = load(lanes, RECIPROCAL), load(lanes, WEIGHT)
    for i in range(rows[N]):
        side = load(registers, outputs[i])
        if i < n_differential:
            side = add(side, multiply(reciprocal, load(lanes, k + i)))
        if drift < rows[VALUES]:
            side = add(side, multiply(weight, load(lanes, drift + i)))
        store(lanes, k + i, side)


@compiled
def _stages(rates, method, elimination, lanes, registers, sizes):  # type: ignore[no-untyped-def]
    """Fill k and the state at the end of the step; sizes: (rows, n_differential, width)."""
    operations, runs, n_once, _, outputs = rates
    _, n_plain, table, _ = method
    rows, n_differential, width = sizes
    n, n_stages = rows[N], table.shape[1] // 2 - 1
    for s in range(n_stages):
        for lane in range(LANES):
            h = lanes[H, lane]
            registers[0, lane] = lanes[T, lane] + table[s, 0] * h
            lanes[RECIPROCAL, lane], lanes[WEIGHT, lane] = 1.0 / h, h * table[s, 1]
        if s == 0:
            _first_side(lanes, rows)
        else:
            _sums(lanes, rows, table, s, n_plain)
            for i in range(n):
                store(registers, 1 + i, load(lanes, rows[NEW] + i))
            run_lanes(operations, runs, n_once, len(runs), registers, width)
            _side(lanes, registers, outputs, rows, s, n_differential)
        solve(lanes, rows[VALUES], rows[INVERSE], elimination, rows[K] + s * n)
    for i in range(n):
        last = load(lanes, rows[K] + (n_stages - 1) * n + i)
        store(lanes, rows[NEW] + i, add(load(lanes, rows[NEW] + i), last))


@compiled
def _decomposed(lanes, marks, elimination, places, rows, diagonal):  # type: ignore[no-untyped-def]
    """LU of M / (h gamma) - J; diagonal: (gamma, n_differential)."""
    gamma, n_differential = diagonal
    for i in range(rows[VALUES], rows[INVERSE]):
        store(lanes, i, spread(0.0))
    for e in range(len(places)):
        store(lanes, rows[VALUES] + places[e], load(lanes, rows[NEGATIVE] + e))
    for lane in range(LANES):
        lanes[RECIPROCAL, lane] = 1.0 / (lanes[H, lane] * gamma)
        marks[IS_REGULAR, lane] = True
    for i in range(rows[VALUES], rows[VALUES] + n_differential):
        store(lanes, i, add(load(lanes, i), load(lanes, RECIPROCAL)))
    factorise(lanes, rows[VALUES], rows[INVERSE], elimination, marks[IS_REGULAR])


@compiled
def _error(lanes, rows, tolerances, rtol):  # type: ignore[no-untyped-def]
    """The root mean square of the error in units of the tolerance; NaN where not finite."""
    n, last = rows[N], rows[BENDS] - rows[N]
    total = spread(0.0)
    for i in range(n):
        most = greatest(size(load(lanes, rows[Y] + i)), size(load(lanes, rows[NEW] + i)))
        scale = add(spread(tolerances[i]), multiply(spread(rtol), most))
        scaled = divide(load(lanes, last + i), scale)
        total = add(total, multiply(scaled, scaled))
    store(lanes, ERROR, total)
    for lane in range(LANES):
        lanes[ERROR, lane] = math.sqrt(lanes[ERROR, lane] / max(n, 1))


@compiled
def attempted(system, method, lanes, marks, registers, sizes):  # type: ignore[no-untyped-def]
    """Try the step of every lane; sizes: (rows, width, absolute tolerances, relative one)."""
    _, rates, _, elimination, places, n_differential = system
    rows, width, tolerances, rtol = sizes
    _decomposed(lanes, marks, elimination, places, rows, (method[0], n_differential))
    _stages(rates, method, elimination, lanes, registers, (rows, n_differential, width))
    _error(lanes, rows, tolerances, rtol)


@compiled
def begun(lanes, marks, lane, end, longest, n_most):  # type: ignore[no-untyped-def]
    """Make the step of a lane ready to be tried: how its cell failed, or DONE."""
    if marks[TRIED, lane] >= n_most:
        return TOO_MANY
    marks[TRIED, lane] += 1
    t, h = lanes[T, lane], min(lanes[H, lane], longest)
    lanes[H, lane] = h
    if t + 1.01 * h >= end:
        lanes[H, lane] = end - t
    elif h <= LEAST * abs(t) or t + h == t:
        return marks[REASON, lane]
    return DONE


@compiled
def judged(lanes, marks, lane, order):  # type: ignore[no-untyped-def]
    """Whether the attempt of a lane holds; the next step to try is told either way."""
    error, h, factor = lanes[ERROR, lane], lanes[H, lane], SHORTER
    if not marks[IS_REGULAR, lane]:
        error, marks[REASON, lane] = math.nan, SINGULAR
    elif not math.isfinite(error):
        marks[REASON, lane] = NOT_FINITE
    else:
        marks[REASON, lane] = TOO_SMALL
    if math.isfinite(error):
        factor = min(LONGER, SAFETY * max(error, 1e-10) ** (-1.0 / order))
    if error <= 1.0:
        before = lanes[BEFORE, lane]
        if before > 0.0:
            ratio = (lanes[ERROR_BEFORE, lane] / max(error * error, 1e-20)) ** (1.0 / order)
            factor = min(factor, SAFETY * h / before * ratio)
        factor = max(SHORTER, factor)
        lanes[FOLLOWING, lane] = h * (factor if marks[IS_FIRST, lane] else min(factor, 1.0))
        return True
    marks[IS_FIRST, lane] = False
    lanes[H, lane] = h * max(SHORTER, min(factor, SAFETY))
    return False


@compiled
def dense(table, lanes, rows):  # type: ignore[no-untyped-def]
    """Fill the bends: what the dense output needs beside both ends of the step."""
    n, n_stages = rows[N], table.shape[1] // 2 - 1
    for line in range(len(table) - n_stages):
        for i in range(n):
            total = spread(0.0)
            for j in range(n_stages):
                weight = spread(table[n_stages + line, j])
                total = add(total, multiply(weight, load(lanes, rows[K] + j * n + i)))
            store(lanes, rows[BENDS] + line * n + i, total)
