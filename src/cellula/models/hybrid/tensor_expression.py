"""Expressions of mechanistic models on tensors, differentiable by what they are made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from itertools import pairwise

import torch
from torch import Tensor

from cellula.core.derivative import ordered
from cellula.core.errors import DataError
from cellula.core.expression import Apply, Expression, Number

__all__ = ["evaluate"]

Operation = Callable[[list[Tensor]], Tensor]


def evaluate(
    expressions: Sequence[Expression], values: Mapping[str, Tensor], time: Tensor
) -> list[Tensor]:
    """The values of expressions, in the common shape of what they name; shared parts once.

    values: of every id that occurs; time: the value of ``time``. Comparisons are 1 or 0 and have
    no gradient; a ``piecewise`` has the gradient of the case that holds, and where another case
    has no finite gradient there, none. Raises DataError on an id without a value and on a
    function that needs more than values (``delay``, ``rate_of``, ``factorial``).
    """
    found: dict[int, Tensor] = {}
    for node in ordered(expressions):
        found[id(node)] = _value(node, found, values, time)
    return [found[id(one)] for one in expressions]


def _value(
    node: Expression, found: Mapping[int, Tensor], values: Mapping[str, Tensor], time: Tensor
) -> Tensor:
    if isinstance(node, Number):
        return torch.as_tensor(node.value, dtype=time.dtype, device=time.device)
    if isinstance(node, Apply):
        if node.function == "time":
            return time
        if node.function not in OPERATIONS:
            raise DataError(f"{node.function!r} cannot be differentiated by a network's trainer")
        return OPERATIONS[node.function]([found[id(one)] for one in node.arguments])
    if node.id not in values:
        raise DataError(f"no value of {node.id!r}; there are {', '.join(values)}")
    return values[node.id]


def _truth(condition: Tensor, like: Tensor) -> Tensor:
    return condition.to(like.dtype)


def _relation(compare: Callable[[Tensor, Tensor], Tensor]) -> Operation:
    """Every operand compared with the next: a < b < c."""

    def told(operands: list[Tensor]) -> Tensor:
        parts = [compare(a, b) for a, b in pairwise(operands)]
        return _truth(reduce(torch.logical_and, parts), operands[0])

    return told


def _logical(join: Callable[[Tensor, Tensor], Tensor], empty: bool) -> Operation:
    def told(operands: list[Tensor]) -> Tensor:
        if not operands:
            return torch.tensor(float(empty))
        return _truth(reduce(join, [one != 0 for one in operands]), operands[0])

    return told


def _piecewise(operands: list[Tensor]) -> Tensor:
    pairs = len(operands) // 2
    last = operands[-1] if len(operands) % 2 else torch.full_like(operands[0], torch.nan)
    for k in reversed(range(pairs)):
        last = torch.where(operands[2 * k + 1] != 0, operands[2 * k], last)
    return last


def _root(operands: list[Tensor]) -> Tensor:
    degree, x = operands
    odd = torch.remainder(degree, 2) == 1
    size = x.abs() ** (1 / degree)
    return torch.where(odd & (x < 0), -size, torch.where(degree == 2, torch.sqrt(x), size))


def _one(function: Callable[[Tensor], Tensor]) -> Operation:
    return lambda operands: function(operands[0])


def _power(operands: list[Tensor]) -> Tensor:
    base, exponent = operands
    if exponent.ndim == 0 and not exponent.requires_grad:
        return torch.pow(base, float(exponent))  # of a negative base too, and with its gradient
    return torch.pow(base, exponent)


OPERATIONS: Mapping[str, Operation] = {
    "plus": lambda o: reduce(torch.add, o) if o else torch.tensor(0.0),
    "times": lambda o: reduce(torch.mul, o) if o else torch.tensor(1.0),
    "and": _logical(torch.logical_and, True),
    "or": _logical(torch.logical_or, False),
    "xor": _logical(torch.logical_xor, False),
    "not": lambda o: _truth(o[0] == 0, o[0]),
    "implies": lambda o: _truth((o[0] == 0) | (o[1] != 0), o[0]),
    "minus": lambda o: -o[0] if len(o) == 1 else o[0] - o[1],
    "divide": lambda o: o[0] / o[1],
    "power": _power,
    "root": _root,
    "log": lambda o: torch.log(o[1]) / torch.log(o[0]),
    "rem": lambda o: torch.fmod(o[0], o[1]),
    "quotient": lambda o: torch.trunc(o[0] / o[1]),
    "eq": _relation(torch.eq),
    "neq": _relation(torch.ne),
    "gt": _relation(torch.gt),
    "lt": _relation(torch.lt),
    "geq": _relation(torch.ge),
    "leq": _relation(torch.le),
    "max": lambda o: reduce(torch.maximum, o),
    "min": lambda o: reduce(torch.minimum, o),
    "piecewise": _piecewise,
    "exp": _one(torch.exp), "ln": _one(torch.log), "abs": _one(torch.abs),
    "ceiling": _one(torch.ceil), "floor": _one(torch.floor),
    "sin": _one(torch.sin), "cos": _one(torch.cos), "tan": _one(torch.tan),
    "sec": lambda o: 1 / torch.cos(o[0]),
    "csc": lambda o: 1 / torch.sin(o[0]),
    "cot": lambda o: 1 / torch.tan(o[0]),
    "sinh": _one(torch.sinh), "cosh": _one(torch.cosh), "tanh": _one(torch.tanh),
    "sech": lambda o: 1 / torch.cosh(o[0]),
    "csch": lambda o: 1 / torch.sinh(o[0]),
    "coth": lambda o: 1 / torch.tanh(o[0]),
    "arcsin": _one(torch.arcsin), "arccos": _one(torch.arccos), "arctan": _one(torch.arctan),
    "arcsec": lambda o: torch.arccos(1 / o[0]),
    "arccsc": lambda o: torch.arcsin(1 / o[0]),
    "arccot": lambda o: torch.arctan(1 / o[0]),
    "arcsinh": _one(torch.arcsinh), "arccosh": _one(torch.arccosh), "arctanh": _one(torch.arctanh),
    "arcsech": lambda o: torch.arccosh(1 / o[0]),
    "arccsch": lambda o: torch.arcsinh(1 / o[0]),
    "arccoth": lambda o: torch.arctanh(1 / o[0]),
}  # fmt: skip
