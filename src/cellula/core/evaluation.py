"""Plain evaluation of expressions with numbers, or with one number a cell.

What the compiled kernels do for every step, said once in NumPy: for initial values, for checks.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import reduce
from itertools import pairwise
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from cellula.core.errors import DataError
from cellula.core.expression import Apply, Expression, Number

__all__ = ["OPERATIONS", "Values", "evaluate"]

#: One number, or one a cell: shape (cells,).
Values: TypeAlias = "NDArray[np.float64]"


def evaluate(expression: Expression, values: Mapping[str, Values | float], time: float) -> Values:
    """The value of an expression: shape () or (cells,), as the values of its ids are.

    Not a number where a function is undefined or no case of a ``piecewise`` without a last value
    holds. Raises DataError on an id without a value and on a function that needs more than
    values (``delay``, ``rate_of``, functions of a network).
    """
    results: dict[int, Values] = {}
    pending: list[tuple[Expression, bool]] = [(expression, False)]
    with np.errstate(all="ignore"):
        while pending:
            node, is_ready = pending.pop()
            if id(node) in results:
                continue
            if isinstance(node, Apply) and not is_ready:
                pending.append((node, True))
                pending.extend((argument, False) for argument in node.arguments)
                continue
            results[id(node)] = _value(node, results, values, time)
    return results[id(expression)]


def _value(
    node: Expression,
    results: Mapping[int, Values],
    values: Mapping[str, Values | float],
    time: float,
) -> Values:
    if isinstance(node, Number):
        return np.asarray(node.value, dtype=np.float64)
    if isinstance(node, Apply):
        if node.function == "time":
            return np.asarray(time, dtype=np.float64)
        if node.function not in OPERATIONS:
            raise DataError(f"{node.function!r} has no value by itself; resolve it before")
        operands = [results[id(argument)] for argument in node.arguments]
        return np.asarray(OPERATIONS[node.function](operands), dtype=np.float64)
    if node.id not in values:
        raise DataError(f"no value of {node.id!r}; there are {', '.join(values)}")
    return np.asarray(values[node.id], dtype=np.float64)


def _relation(compare: Callable[[Values, Values], Values]) -> Callable[[list[Values]], Values]:
    """Every operand compared with the next: a < b < c."""

    def told(operands: list[Values]) -> Values:
        return reduce(np.logical_and, (compare(a, b) for a, b in pairwise(operands)))

    return told


def _piecewise(operands: list[Values]) -> Values:
    pairs = len(operands) // 2
    last = operands[-1] if len(operands) % 2 else np.asarray(np.nan)
    for k in reversed(range(pairs)):
        last = np.where(operands[2 * k + 1] != 0, operands[2 * k], last)
    return last


def _minus(operands: list[Values]) -> Values:
    return -operands[0] if len(operands) == 1 else operands[0] - operands[1]


def _root(operands: list[Values]) -> Values:
    degree, x = operands
    odd = np.mod(degree, 2) == 1
    return np.where(
        degree == 2,
        np.sqrt(x),
        np.where(odd & (x < 0), -(np.abs(x) ** (1 / degree)), x ** (1 / degree)),
    )


def _factorial(operands: list[Values]) -> Values:
    return np.asarray(np.vectorize(_factorial_of, otypes=[np.float64])(operands[0]))


def _factorial_of(x: float) -> float:
    return math.gamma(x + 1) if 0 <= x <= 170 else (math.inf if x > 170 else math.nan)


def _one(function: Callable[[Values], Values]) -> Callable[[list[Values]], Values]:
    return lambda operands: function(operands[0])


def _truths(operands: list[Values]) -> list[Values]:
    return [operand != 0 for operand in operands]


OPERATIONS: Mapping[str, Callable[[list[Values]], Values]] = {
    "plus": lambda o: reduce(np.add, o, np.asarray(0.0)),
    "times": lambda o: reduce(np.multiply, o, np.asarray(1.0)),
    "and": lambda o: reduce(np.logical_and, _truths(o), np.asarray(True)),
    "or": lambda o: reduce(np.logical_or, _truths(o), np.asarray(False)),
    "xor": lambda o: reduce(np.logical_xor, _truths(o), np.asarray(False)),
    "not": lambda o: o[0] == 0,
    "implies": lambda o: (o[0] == 0) | (o[1] != 0),
    "minus": _minus,
    "divide": lambda o: np.divide(o[0], o[1]),
    "power": lambda o: np.power(o[0], o[1]),
    "root": _root,
    "log": lambda o: np.log(o[1]) / np.log(o[0]),
    "rem": lambda o: np.fmod(o[0], o[1]),
    "quotient": lambda o: np.trunc(np.divide(o[0], o[1])),
    "eq": _relation(np.equal),
    "neq": _relation(np.not_equal),
    "gt": _relation(np.greater),
    "lt": _relation(np.less),
    "geq": _relation(np.greater_equal),
    "leq": _relation(np.less_equal),
    "max": lambda o: reduce(np.maximum, o),
    "min": lambda o: reduce(np.minimum, o),
    "piecewise": _piecewise,
    "factorial": _factorial,
    "exp": _one(np.exp), "ln": _one(np.log), "abs": _one(np.abs),
    "ceiling": _one(np.ceil), "floor": _one(np.floor),
    "sin": _one(np.sin), "cos": _one(np.cos), "tan": _one(np.tan),
    "sec": lambda o: 1 / np.cos(o[0]),
    "csc": lambda o: 1 / np.sin(o[0]),
    "cot": lambda o: 1 / np.tan(o[0]),
    "sinh": _one(np.sinh), "cosh": _one(np.cosh), "tanh": _one(np.tanh),
    "sech": lambda o: 1 / np.cosh(o[0]),
    "csch": lambda o: 1 / np.sinh(o[0]),
    "coth": lambda o: 1 / np.tanh(o[0]),
    "arcsin": _one(np.arcsin), "arccos": _one(np.arccos), "arctan": _one(np.arctan),
    "arcsec": lambda o: np.arccos(1 / o[0]),
    "arccsc": lambda o: np.arcsin(1 / o[0]),
    "arccot": lambda o: np.arctan(1 / o[0]),
    "arcsinh": _one(np.arcsinh), "arccosh": _one(np.arccosh), "arctanh": _one(np.arctanh),
    "arcsech": lambda o: np.arccosh(1 / o[0]),
    "arccsch": lambda o: np.arcsinh(1 / o[0]),
    "arccoth": lambda o: np.arctanh(1 / o[0]),
}  # fmt: skip
