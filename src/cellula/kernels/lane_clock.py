"""Where the cells of all lanes stand, and where their arrays begin: one array for all numbers.

Arrays that are passed one by one cost time at every call, to run and to compile.
"""

from __future__ import annotations

__all__ = [
    "AT", "BEFORE", "BENDS", "CELL", "DONE", "DRIFT", "END", "ERROR", "ERROR_BEFORE",
    "FOLLOWING", "HIGH", "INVERSE", "IS_DONE", "IS_FIRST", "IS_NEW", "IS_REGULAR", "LOW",
    "NEGATIVE", "NEW", "N_CLOCK", "N_MARKS", "PLACE", "REASON", "RECIPROCAL", "SHARE", "SLOPE",
    "TRIED", "VALUES", "WEIGHT", "H", "K", "N", "T", "Y",
]  # fmt: skip

#: How a cell ended, where nothing is wrong.
DONE = 0
#: Rows of numbers: the time; the step to try, or that was done; the step and the error of the
#: step before; the error of this one, the step to try next; 1 / h and h d of a stage; the share
#: of the step at which there is a root, 2 for none; and between which shares it is searched.
T, H, BEFORE, ERROR_BEFORE, ERROR, FOLLOWING, RECIPROCAL, WEIGHT = range(8)
SHARE, LOW, HIGH, N_CLOCK = range(8, 12)
#: Rows of marks: the cell, -1 for none; the next time to tell; attempts; what the last attempt
#: failed by; whether the step was not tried yet, or once; whether its equations had a solution
#: and it holds.
CELL, PLACE, TRIED, REASON, IS_NEW, IS_FIRST, IS_REGULAR, IS_DONE, N_MARKS = range(9)
#: Where arrays begin, as rows of lanes after those of the clock, and how many states there are:
#: states at both ends of the step and within it; f, -J, df/dt at its begin; values and inverse
#: pivots of the elimination; stages; what bends the dense output; the end of all rows.
N, Y, NEW, AT, SLOPE, NEGATIVE, DRIFT, VALUES, INVERSE, K, BENDS, END = range(12)
