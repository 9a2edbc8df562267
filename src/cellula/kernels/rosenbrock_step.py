"""One step of a Rosenbrock method: stages, estimate of the error, step size, dense output."""

from __future__ import annotations

import math

from cellula.kernels.compiled import compiled
from cellula.kernels.sparse_elimination import factorise, solve
from cellula.kernels.tape import run

__all__ = ["DONE", "NOT_FINITE", "SINGULAR", "TOO_MANY", "TOO_SMALL", "dense", "interpolated",
           "linearised", "step"]  # fmt: skip

#: How an attempt ended; what is below 0 is a failure.
DONE, TOO_SMALL, NOT_FINITE, TOO_MANY, SINGULAR = 0, -1, -2, -3, -4
#: A step is at most so much longer, or shorter, than the one before; and a bit less than it may.
LONGER, SHORTER, SAFETY = 8.0, 0.2, 0.9
#: The least step, in units of the last place of the time.
LEAST = 16.0 * 2.220446049250313e-16


@compiled
def linearised(local, registers, t, y, found):  # type: ignore[no-untyped-def]
    """f, -J and df/dt at (t, y) into ``found``; False where f is not finite.

    What is not finite in a derivative counts as 0: the control of the error then keeps the steps
    short, until it is finite.
    """
    operations, runs, n_once, _, outputs = local
    slope, negative, drift = found
    n, n_entries = len(slope), len(negative)
    registers[0] = t
    for i in range(n):
        registers[1 + i] = y[i]
    run(operations, runs, n_once, len(runs), registers)
    is_finite = True
    for i in range(n):
        slope[i] = registers[outputs[i]]
        is_finite &= math.isfinite(slope[i])
    for e in range(n_entries):
        value = registers[outputs[n + e]]
        negative[e] = -value if math.isfinite(value) else 0.0
    for i in range(len(outputs) - n - n_entries):
        value = registers[outputs[n + n_entries + i]]
        drift[i] = value if math.isfinite(value) else 0.0
    return is_finite


@compiled
def _sums(y, new, k, row, s, n_plain):  # type: ignore[no-untyped-def]
    """Put the state of stage s into ``new`` and the sum of C_sj k_j into k[s], in one pass."""
    n, n_stages = len(y), len(k)
    x = k[s]
    for i in range(n):
        x[i] = 0.0
    if s < n_plain:
        for i in range(n):
            new[i] = y[i]
    for j in range(s):
        known, a, big_c = k[j], row[2 + j], row[2 + n_stages + j]
        for i in range(n):
            new[i] += a * known[i]
            x[i] += big_c * known[i]


@compiled
def _stage(rates, registers, state, x, drift, place):  # type: ignore[no-untyped-def]
    """Make the sums in x the right side of a stage; place: (t, 1 / h, h d, n_differential)."""
    operations, runs, n_once, _, outputs = rates
    t, reciprocal, weight, n_differential = place
    registers[0] = t
    for i in range(len(state)):
        registers[1 + i] = state[i]
    run(operations, runs, n_once, len(runs), registers)
    for i in range(n_differential):
        x[i] = registers[outputs[i]] + reciprocal * x[i]
    for i in range(n_differential, len(x)):
        x[i] = registers[outputs[i]]
    for i in range(len(drift)):
        x[i] += weight * drift[i]


@compiled
def _stages(rates, method, elimination, found, arrays, t, h, n_differential):  # type: ignore[no-untyped-def]
    """Fill k (stages, n) and the state at the end of the step."""
    _, n_plain, table, _ = method
    slope, _, drift = found
    y, new, k, values, inverse, registers = arrays
    n = len(y)
    for i in range(n):
        k[0, i] = slope[i]
    for i in range(len(drift)):
        k[0, i] += h * table[0, 1] * drift[i]
    solve(values, inverse, elimination, k[0])
    for s in range(1, len(k)):
        row = table[s]
        _sums(y, new, k, row, s, n_plain)
        place = (t + row[0] * h, 1.0 / h, h * row[1], n_differential)
        _stage(rates, registers, new, k[s], drift, place)
        solve(values, inverse, elimination, k[s])
    for i in range(n):
        new[i] += k[len(k) - 1, i]


@compiled
def _decomposed(elimination, places, negative, arrays, diagonal, n_differential):  # type: ignore[no-untyped-def]
    """LU of M diagonal - J; False where a pivot is none."""
    values, inverse = arrays[3], arrays[4]
    values[:] = 0.0
    for e in range(len(places)):
        values[places[e]] = negative[e]
    for i in range(n_differential):
        values[i] += diagonal
    return factorise(values, inverse, elimination)


@compiled
def _error(y, new, last, sizes, rtol):  # type: ignore[no-untyped-def]
    """The root mean square of the error in units of the tolerance; NaN where not finite."""
    total = 0.0
    for i in range(len(y)):
        scaled = last[i] / (sizes[i] + rtol * max(abs(y[i]), abs(new[i])))
        total += scaled * scaled
    return math.sqrt(total / max(len(y), 1))


@compiled
def step(system, method, found, arrays, place, control):  # type: ignore[no-untyped-def]
    """Try steps from t until one holds: (how it ended, step done, next step, attempts).

    place: (t, first step to try, end, step and error of the step before, attempts left).
    """
    _, rates, _, elimination, places, n_differential = system
    sizes, rtol, longest = control
    t, h, end, before, error_before, n_left = place
    gamma, order = method[0], method[3]
    y, new, k = arrays[0], arrays[1], arrays[2]
    is_first, n_tried, reason = True, 0, TOO_SMALL
    while n_tried < n_left:
        n_tried += 1
        h = min(h, longest)
        if t + 1.01 * h >= end:
            h = end - t
        elif h <= LEAST * abs(t) or t + h == t:
            return reason, 0.0, h, math.nan, n_tried
        error = math.nan
        if _decomposed(elimination, places, found[1], arrays, 1.0 / (h * gamma), n_differential):
            _stages(rates, method, elimination, found, arrays, t, h, n_differential)
            error = _error(y, new, k[len(k) - 1], sizes, rtol)
            reason = TOO_SMALL if math.isfinite(error) else NOT_FINITE
        else:
            reason = SINGULAR
        factor = SHORTER
        if math.isfinite(error):
            factor = min(LONGER, SAFETY * max(error, 1e-10) ** (-1.0 / order))
        if error <= 1.0:
            if before > 0.0:
                ratio = (error_before / max(error * error, 1e-20)) ** (1.0 / order)
                factor = min(factor, SAFETY * h / before * ratio)
            factor = max(SHORTER, factor)
            return DONE, h, h * (factor if is_first else min(factor, 1.0)), error, n_tried
        is_first = False
        h *= max(SHORTER, min(factor, SAFETY))
    return TOO_MANY, 0.0, h, math.nan, n_tried


@compiled
def dense(method, k, bends):  # type: ignore[no-untyped-def]
    """Fill bends (order - 2, n): what the dense output needs beside both ends of the step."""
    table = method[2]
    rows = table[len(k) :]
    for line in range(len(bends)):
        bends[line, :] = 0.0
        for j in range(len(k)):
            weight = rows[line, j]
            for i in range(k.shape[1]):
                bends[line, i] += weight * k[j, i]


@compiled
def interpolated(share, y, new, bends, found):  # type: ignore[no-untyped-def]
    """The state at a share 0..1 of the step from y to new."""
    rest, last = 1.0 - share, len(bends) - 1
    for i in range(len(y)):
        bend = bends[last, i]
        for line in range(last - 1, -1, -1):
            bend = bends[line, i] + share * bend
        found[i] = rest * y[i] + share * (new[i] + rest * bend)
