"""Sparse linear equations whose elimination is a list of operations made beforehand.

A = L D U with unit triangles and the pivots of the diagonal, in an order that keeps what is
filled in small; the equations of several cells side by side, a lane each. Values: the diagonal by
unknown, then L by column, then U by row, in the order of the pivots. An elimination is (order,
ends of the columns of L, ends of the rows of U, targets, rows and columns of L, rows and columns
of U from the last pivot on, where these stand): eliminating pivot k takes each of its values of L
times its whole row of U from ``targets``, which follow one another. The triangles are solved
entry by entry in single loops: with a loop per row the processor would mispredict the end of each.
"""

from __future__ import annotations

from cellula.kernels.compiled import compiled
from cellula.kernels.lanes import (
    LANES,
    divide,
    load,
    multiply,
    size,
    spread,
    store,
    subtract,
)

__all__ = ["factorise", "solve"]

#: A pivot that cancelled to less than this share of its diagonal is no pivot.
SMALLEST_PIVOT = 4e-16


@compiled
def factorise(lanes, values, inverse, elimination, is_regular):  # type: ignore[no-untyped-def]
    """LDU decomposition in place; rows of lanes (rows, LANES) at which values and pivots begin.

    The inverse pivots: n rows. is_regular: (LANES,) becomes 0 where a pivot is none.
    """
    order, lower_ends, upper_ends, targets, _, _ = elimination
    n, place = len(order), 0
    lower, upper = values + n, values + n + lower_ends[n]
    for k in range(n):  # the diagonal as it was, to measure what cancels
        least = multiply(size(load(lanes, values + k)), spread(SMALLEST_PIVOT))
        store(lanes, inverse + k, least)
    for k in range(n):
        pivot, row = values + order[k], inverse + order[k]
        for lane in range(LANES):
            is_regular[lane] &= abs(lanes[pivot, lane]) > lanes[row, lane]
        reciprocal = divide(spread(1.0), load(lanes, pivot))
        store(lanes, row, reciprocal)
        begin, end = upper + upper_ends[k], upper + upper_ends[k + 1]
        for low in range(lower + lower_ends[k], lower + lower_ends[k + 1]):
            factor = multiply(load(lanes, low), reciprocal)
            store(lanes, low, factor)
            for up in range(begin, end):
                target = values + targets[place]
                taken = multiply(factor, load(lanes, up))
                store(lanes, target, subtract(load(lanes, target), taken))
                place += 1
        for up in range(begin, end):
            store(lanes, up, multiply(load(lanes, up), reciprocal))


@compiled
def solve(lanes, values, inverse, elimination, x):  # type: ignore[no-untyped-def]
    """Replace the right side, the rows from x on, by the solution, after :func:`factorise`."""
    order, _, _, _, lower, upper = elimination
    for k in range(len(lower)):
        row = x + lower[k, 0]
        taken = multiply(load(lanes, values + lower[k, 2]), load(lanes, x + lower[k, 1]))
        store(lanes, row, subtract(load(lanes, row), taken))
    for k in range(len(order)):
        store(lanes, x + k, multiply(load(lanes, x + k), load(lanes, inverse + k)))
    for k in range(len(upper)):
        row = x + upper[k, 0]
        taken = multiply(load(lanes, values + upper[k, 2]), load(lanes, x + upper[k, 1]))
        store(lanes, row, subtract(load(lanes, row), taken))
