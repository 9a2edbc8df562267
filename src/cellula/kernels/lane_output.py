"""What a step of a Rosenbrock method tells of one lane: states at times within and at its end."""

from __future__ import annotations

from cellula.kernels.compiled import compiled
from cellula.kernels.lane_clock import BENDS, CELL, END, NEW, PLACE, N, Y

__all__ = ["interpolated", "tell"]


@compiled
def interpolated(share, lanes, rows, lane, found):  # type: ignore[no-untyped-def]
    """The state of a lane at a share 0..1 of the step from y to new: (n,)."""
    n, rest, last = rows[N], 1.0 - share, rows[END] - rows[N]
    for i in range(n):
        bend = lanes[last + i, lane]
        for line in range(last - n, rows[BENDS] - 1, -n):
            bend = lanes[line + i, lane] + share * bend
        end = lanes[rows[NEW] + i, lane] + rest * bend
        found[i] = rest * lanes[rows[Y] + i, lane] + share * end


@compiled
def tell(lanes, marks, rows, lane, told, until):  # type: ignore[no-untyped-def]
    """Write the state of a lane at all times left up to ``until``; told: (times, values)."""
    times, values = told
    place, cell = marks[PLACE, lane], marks[CELL, lane]
    while place < len(times) and times[place] <= until:
        for i in range(rows[N]):
            values[cell, place, i] = lanes[rows[Y] + i, lane]
        place += 1
    marks[PLACE, lane] = place
