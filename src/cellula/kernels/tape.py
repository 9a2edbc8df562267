"""Expressions as a list of operations on registers, run without any compilation of their own.

Registers: time, states, parameters, constants, then what operations write. An operation is
(target, a, b, c), all registers; operations of one kind follow one another in a run (kind,
begin, end), so that one loop does them all. Arithmetic is that of IEEE 754: what is undefined
is not a number, x / 0 is infinite, and a comparison with not a number is false, but ``NE``.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from cellula.kernels.compiled import compiled

__all__ = [
    "ABS", "ACOS", "ACOSH", "ADD", "AND", "ASIN", "ASINH", "ATAN", "ATANH", "CEIL", "COS",
    "COSH", "DIV", "EQ", "EXP", "FACTORIAL", "FLOOR", "LE", "LN", "LT", "MAX", "MIN", "MUL",
    "NE", "NEG", "NOT", "OR", "POW", "REM", "ROOT", "SELECT", "SIN", "SINH", "SQRT", "SUB",
    "TAN", "TANH", "TRUNC", "XOR", "evaluated", "operate", "run",
]  # fmt: skip

Floats = NDArray[np.float64]
Integers = NDArray[np.uint32]

ADD, SUB, MUL, DIV, NEG, POW, ROOT, SQRT, EXP, LN = range(10)
ABS, FLOOR, CEIL, TRUNC, REM, MIN, MAX, FACTORIAL = range(10, 18)
SIN, COS, TAN, ASIN, ACOS, ATAN = range(18, 24)
SINH, COSH, TANH, ASINH, ACOSH, ATANH = range(24, 30)
LT, LE, EQ, NE, AND, OR, XOR, NOT, SELECT = range(30, 39)


@compiled
def _power(base, exponent):  # type: ignore[no-untyped-def]
    if exponent == 1.0:
        return base
    if exponent == 2.0:
        return base * base
    return base**exponent


@compiled
def _root(degree, x):  # type: ignore[no-untyped-def]
    """The real root: of a negative number too where the degree is odd."""
    if degree == 2.0:
        return math.sqrt(x)
    if x < 0.0 and abs(np.fmod(degree, 2.0)) == 1.0:
        return -((-x) ** (1.0 / degree))
    return x ** (1.0 / degree)


@compiled
def _powered(kind, a, b):  # type: ignore[no-untyped-def]
    if kind == POW:
        return _power(a, b)
    if kind == ROOT:
        return _root(a, b)
    if kind == SQRT:
        return math.sqrt(a)
    if kind == EXP:
        return math.exp(a)
    return math.log(a)


@compiled
def _factorial(x):  # type: ignore[no-untyped-def]
    if not (x >= 0.0 and np.floor(x) == x):
        return np.nan
    found, n = 1.0, 2.0
    while n <= x and found < np.inf:
        found *= n
        n += 1.0
    return found


@compiled
def _trigonometric(kind, a):  # type: ignore[no-untyped-def]
    if kind == SIN:
        return math.sin(a)
    if kind == COS:
        return math.cos(a)
    if kind == TAN:
        return math.tan(a)
    if kind == ASIN:
        return math.asin(a)
    if kind == ACOS:
        return math.acos(a)
    if kind == ATAN:
        return math.atan(a)
    if kind == SINH:
        return math.sinh(a)
    if kind == COSH:
        return math.cosh(a)
    if kind == TANH:
        return math.tanh(a)
    if kind == ASINH:
        return math.asinh(a)
    if kind == ACOSH:
        return math.acosh(a)
    return math.atanh(a)


@compiled
def _truth(kind, a, b):  # type: ignore[no-untyped-def]
    if kind == LT:
        return a < b
    if kind == LE:
        return a <= b
    if kind == EQ:
        return a == b
    if kind == NE:
        return a != b
    if kind == AND:
        return a != 0.0 and b != 0.0
    if kind == OR:
        return a != 0.0 or b != 0.0
    if kind == XOR:
        return (a != 0.0) != (b != 0.0)
    return a == 0.0


@compiled
def _rounded(kind, a, b):  # type: ignore[no-untyped-def]
    if kind == ABS:
        return abs(a)
    if kind == FLOOR:
        return np.floor(a)
    if kind == CEIL:
        return np.ceil(a)
    if kind == TRUNC:
        return np.trunc(a)
    if kind == REM:
        return np.fmod(a, b)
    if math.isnan(a) or math.isnan(b):
        return np.nan
    if kind == MIN:
        return min(a, b)
    if kind == MAX:
        return max(a, b)
    return _factorial(a)


@compiled
def operate(kind, a, b, c):  # type: ignore[no-untyped-def]
    """The value of one operation; what it does not take is ignored."""
    if kind == ADD:
        return a + b
    if kind == SUB:
        return a - b
    if kind == MUL:
        return a * b
    if kind == DIV:
        return a / b
    if kind == NEG:
        return -a
    if kind == SELECT:
        return b if a != 0.0 else c
    if kind >= LT:
        return 1.0 if _truth(kind, a, b) else 0.0
    if kind >= SIN:
        return _trigonometric(kind, a)
    return _rounded(kind, a, b) if kind >= ABS else _powered(kind, a, b)


@compiled
def run(operations, runs, first, last, registers):  # type: ignore[no-untyped-def]
    """Do the runs first .. last - 1: operations (n, 4), runs (n, 3), registers (n,) in place."""
    for one in range(first, last):
        kind, begin, end = runs[one, 0], runs[one, 1], runs[one, 2]
        if kind == MUL:
            for k in range(begin, end):
                registers[operations[k, 0]] = (
                    registers[operations[k, 1]] * registers[operations[k, 2]]
                )
        elif kind == ADD:
            for k in range(begin, end):
                registers[operations[k, 0]] = (
                    registers[operations[k, 1]] + registers[operations[k, 2]]
                )
        elif kind == SUB:
            for k in range(begin, end):
                registers[operations[k, 0]] = (
                    registers[operations[k, 1]] - registers[operations[k, 2]]
                )
        elif kind == DIV:
            for k in range(begin, end):
                registers[operations[k, 0]] = (
                    registers[operations[k, 1]] / registers[operations[k, 2]]
                )
        else:
            for k in range(begin, end):
                registers[operations[k, 0]] = operate(
                    kind,
                    registers[operations[k, 1]],
                    registers[operations[k, 2]],
                    registers[operations[k, 3]],
                )


@compiled
def _evaluated(operations, runs, constants, outputs, inputs, arrays):  # type: ignore[no-untyped-def]
    registers, found = arrays
    n_inputs = inputs.shape[1]
    for k in range(len(constants)):
        registers[n_inputs + k] = constants[k]
    for cell in range(len(inputs)):
        for k in range(n_inputs):
            registers[k] = inputs[cell, k]
        run(operations, runs, 0, len(runs), registers)
        for k in range(len(outputs)):
            found[cell, k] = registers[outputs[k]]


def evaluated(
    operations: Integers, runs: Integers, constants: Floats, outputs: Integers, inputs: Floats
) -> Floats:
    """The registers ``outputs`` of every cell: (cells, outputs).

    inputs: (cells, 1 + states + parameters), the time first. operations: (n, 4), each writing a
    register of its own; runs: (n, 3); outputs: registers.
    """
    found = np.empty((len(inputs), len(outputs)))
    registers = np.empty(inputs.shape[1] + len(constants) + len(operations))
    given = np.ascontiguousarray(inputs)
    _evaluated(operations, runs, constants, outputs, given, (registers, found))
    return found
