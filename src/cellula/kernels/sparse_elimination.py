"""Sparse linear equations whose elimination is a list of operations made beforehand.

A = L D U with unit triangles and the pivots of the diagonal, in an order that keeps what is
filled in small. Values: the diagonal by unknown, then L by column, then U by row, in the order of
the pivots. An elimination is (order, ends of the columns of L, ends of the rows of U, targets,
rows and columns of L, rows and columns of U from the last pivot on, where these stand):
eliminating pivot k takes each of its values of L times its whole row of U from ``targets``,
which follow one another. The triangles are solved entry by entry in single loops: with a loop
per row the processor would mispredict the end of each.
"""

from __future__ import annotations

from cellula.kernels.compiled import compiled

__all__ = ["factorise", "solve"]

#: A pivot that cancelled to less than this share of its diagonal is no pivot.
SMALLEST_PIVOT = 4e-16


@compiled
def factorise(values, inverse, elimination):  # type: ignore[no-untyped-def]
    """LDU decomposition in place; inverse: (n,) of the pivots. False where one is none."""
    order, lower_ends, upper_ends, targets, _, _ = elimination
    n = len(order)
    first_upper = n + lower_ends[n]
    for k in range(n):  # the diagonal as it was, to measure what cancels
        inverse[k] = abs(values[k]) * SMALLEST_PIVOT
    place = 0
    for k in range(n):
        row = order[k]
        pivot = values[row]
        if not abs(pivot) > inverse[row]:
            return False
        reciprocal = 1.0 / pivot
        inverse[row] = reciprocal
        begin, end = first_upper + upper_ends[k], first_upper + upper_ends[k + 1]
        for low in range(n + lower_ends[k], n + lower_ends[k + 1]):
            factor = values[low] * reciprocal
            values[low] = factor
            for up in range(begin, end):
                values[targets[place]] -= factor * values[up]
                place += 1
        for up in range(begin, end):
            values[up] *= reciprocal
    return True


@compiled
def solve(values, inverse, elimination, x):  # type: ignore[no-untyped-def]
    """Replace the right side x (n,) by the solution, after :func:`factorise`."""
    _, _, _, _, lower, upper = elimination
    n = len(x)
    for k in range(len(lower)):
        x[lower[k, 0]] -= values[lower[k, 2]] * x[lower[k, 1]]
    for k in range(n):
        x[k] *= inverse[k]
    for k in range(len(upper)):
        x[upper[k, 0]] -= values[upper[k, 2]] * x[upper[k, 1]]
