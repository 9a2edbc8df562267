"""Sparse linear equations whose elimination is a list of operations made beforehand.

The pivots are those of the diagonal, in an order that keeps what is filled in small. Values:
the diagonal by unknown, then the lower part by pivot, then the upper part by pivot. An
elimination is (order, lower ends, rows of the lower part, upper ends, columns of the upper
part, targets): eliminating pivot k takes each of its lower values times its whole upper row
from ``targets``, which follow one another.
"""

from __future__ import annotations

import numba

__all__ = ["factorise", "solve"]

#: A pivot that cancelled to less than this share of its diagonal is no pivot.
SMALLEST_PIVOT = 4e-16


@numba.njit(cache=True, nogil=True, error_model="numpy")
def factorise(values, inverse, elimination):  # type: ignore[no-untyped-def]
    """LU decomposition in place; inverse: (n,) of the pivots. False where one is none."""
    order, lower_ends, _, upper_ends, _, targets = elimination
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
    return True


@numba.njit(cache=True, nogil=True, error_model="numpy")
def solve(values, inverse, elimination, x):  # type: ignore[no-untyped-def]
    """Replace the right side x (n,) by the solution, after :func:`factorise`."""
    order, lower_ends, rows, upper_ends, columns, _ = elimination
    n = len(order)
    first_upper = n + lower_ends[n]
    for k in range(n):
        known = x[order[k]]
        if known != 0.0:
            for low in range(lower_ends[k], lower_ends[k + 1]):
                x[rows[low]] -= values[n + low] * known
    for k in range(n - 1, -1, -1):
        row = order[k]
        found = x[row]
        for up in range(upper_ends[k], upper_ends[k + 1]):
            found -= values[first_upper + up] * x[columns[up]]
        x[row] = found * inverse[row]
