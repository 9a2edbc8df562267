"""The first root within a step, of several cells side by side."""

from __future__ import annotations

from cellula.kernels.compiled import compiled
from cellula.kernels.lane_clock import AT, BENDS, END, HIGH, IS_DONE, LOW, NEW, SHARE, H, N, T, Y
from cellula.kernels.lane_tape import run_lanes
from cellula.kernels.lanes import LANES, add, load, multiply, spread, store, subtract

__all__ = ["first_roots", "look"]

#: So many parts of a step are looked at for roots.
PARTS = 4


@compiled
def look(roots, registers, lanes, rows, sides, width):  # type: ignore[no-untyped-def]
    """Whether each root function is above zero: at SHARE of the step from y to new.

    Lanes of which SHARE is 0 are looked at as they are at y.
    """
    operations, runs, n_once, _, outputs = roots
    n, last = rows[N], rows[END] - rows[N]
    share = load(lanes, SHARE)
    rest = subtract(spread(1.0), share)
    store(registers, 0, add(load(lanes, T), multiply(share, load(lanes, H))))
    for i in range(n):
        bend = load(lanes, last + i)
        for line in range(last - n, rows[BENDS] - 1, -n):
            bend = add(load(lanes, line + i), multiply(share, bend))
        end = add(load(lanes, rows[NEW] + i), multiply(rest, bend))
        found = add(multiply(rest, load(lanes, rows[Y] + i)), multiply(share, end))
        store(lanes, rows[AT] + i, found)
        store(registers, 1 + i, found)
    for lane in range(LANES):
        if lanes[SHARE, lane] == 0.0:
            registers[0, lane] = lanes[T, lane]
            for i in range(n):
                registers[1 + i, lane] = lanes[rows[Y] + i, lane]
    run_lanes(operations, runs, n_once, len(runs), registers, width)
    for r in range(len(outputs)):
        for lane in range(LANES):
            sides[r, lane] = registers[outputs[r], lane] > 0.0


@compiled
def _is_changed(before, now, lane):  # type: ignore[no-untyped-def]
    n_changed = 0
    for r in range(len(before)):
        n_changed += before[r, lane] != now[r, lane]
    return n_changed > 0


@compiled
def _narrowed(lanes, marks, sides, now, width):  # type: ignore[no-untyped-def]
    """Take the lanes' last look into their brackets: whether any lane has a root."""
    is_any = False
    for lane in range(width):
        share = lanes[SHARE, lane]
        if marks[IS_DONE, lane] and lanes[LOW, lane] < share < lanes[HIGH, lane]:
            if _is_changed(sides, now, lane):
                lanes[HIGH, lane] = share
            else:
                lanes[LOW, lane] = share
        is_any |= lanes[HIGH, lane] <= 1.0
    return is_any


@compiled
def _halved(lanes, width):  # type: ignore[no-untyped-def]
    """Look next at the middle of every bracket that can be halved: whether any can."""
    is_any = False
    for lane in range(width):
        t, h, low, high = lanes[T, lane], lanes[H, lane], lanes[LOW, lane], lanes[HIGH, lane]
        lanes[SHARE, lane] = high
        if high > 1.0:
            continue
        middle = 0.5 * (low + high)
        time = t + middle * h
        if not (time == t + low * h or time == t + high * h or high - low < 1e-18):
            lanes[SHARE, lane] = middle
            is_any = True
    return is_any


@compiled
def first_roots(roots, registers, lanes, marks, found, width):  # type: ignore[no-untyped-def]
    """SHARE of each lane's step just after the first change of a side; 2 where none is.

    Bisection, until the two sides of the change are neighbours in time. found: rows, sides at
    the begin of the step, sides there; the rows ``at`` become the states there. Lanes whose step
    does not hold are left alone.
    """
    rows, sides, now = found
    is_any = False
    for lane in range(LANES):
        lanes[LOW, lane], lanes[HIGH, lane] = 0.0, 2.0
    for part in range(1, PARTS + 1):
        for lane in range(LANES):
            lanes[SHARE, lane] = part / PARTS
        look(roots, registers, lanes, rows, now, width)
        is_any = _narrowed(lanes, marks, sides, now, width)
    while is_any and _halved(lanes, width):
        look(roots, registers, lanes, rows, now, width)
        _narrowed(lanes, marks, sides, now, width)
    for lane in range(LANES):
        lanes[SHARE, lane] = lanes[HIGH, lane]
    if is_any:
        look(roots, registers, lanes, rows, now, width)
