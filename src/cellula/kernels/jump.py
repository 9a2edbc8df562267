"""What jump processes share: propensities, jumps, and what a jump changes.

A process is a tuple of arrays. Registers of a cell: time, counts, parameters, constants, then
what operations write. The propensity of reaction j is c_j (r[s] - o) (r[s'] - o') with two slots
of registers and offsets: mass action x(x - 1) as well as any function, which an operation has
written into a register. Indices are int32, offsets and changes float64.

    slots (m, 2), offsets (m, 2)               the propensities
    jump_from (m + 1,), jumps (k,), by (k,)    registers that a reaction changes, by how much
    reads_from (m + 1,), reads (k,)            the reactions whose propensity it changes
    work_from (m + 2,), work (k,)              the operations it makes stale; last: all of them
    operations (n, 5)                          kind, target and three operands
    orders (counts,)                           of the reactions that depend on a count: 0 none,
                                               1, 2 or 3, and -2 where two of it react together
"""

from __future__ import annotations

import numba

from cellula.kernels.tape import ADD, DIV, MUL, operate

__all__ = ["FAILED", "FINISHED", "NEGATIVE", "RUNNING", "fire", "propensity", "refresh", "tell"]

#: How a cell stands after a call of a kernel.
FINISHED, RUNNING, NEGATIVE, FAILED = 0, 1, 2, 3


@numba.njit(cache=True, nogil=True, error_model="numpy")
def propensity(j, slots, offsets, c, r):  # type: ignore[no-untyped-def]
    """The propensity of reaction j."""
    return c[j] * (r[slots[j, 0]] - offsets[j, 0]) * (r[slots[j, 1]] - offsets[j, 1])


@numba.njit(cache=True, nogil=True, error_model="numpy")
def refresh(work, begin, end, operations, r):  # type: ignore[no-untyped-def]
    """Do the operations work[begin:end] again."""
    for place in range(begin, end):
        one = work[place]
        kind, target = operations[one, 0], operations[one, 1]
        a, b = r[operations[one, 2]], r[operations[one, 3]]
        if kind == MUL:
            r[target] = a * b
        elif kind == ADD:
            r[target] = a + b
        elif kind == DIV:
            r[target] = a / b
        else:
            r[target] = operate(kind, a, b, r[operations[one, 4]])


@numba.njit(cache=True, nogil=True, error_model="numpy")
def fire(j, jump_from, jumps, by, r):  # type: ignore[no-untyped-def]
    """Let reaction j happen once; whether every count is still 0 or more."""
    is_possible = True
    for place in range(jump_from[j], jump_from[j + 1]):
        left = r[jumps[place]] + by[place]
        r[jumps[place]] = left
        is_possible &= left >= 0.0
    return is_possible


@numba.njit(cache=True, nogil=True, error_model="numpy")
def tell(upto, times, k, r, told):  # type: ignore[no-untyped-def]
    """Write the counts at all times before ``upto``; the next time's place."""
    while k < len(times) and times[k] < upto:
        for species in range(told.shape[1]):
            told[k, species] = r[1 + species]
        k += 1
    return k
