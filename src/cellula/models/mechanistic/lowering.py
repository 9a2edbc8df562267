"""Expressions lowered to operations: equal parts shared, constants folded, signs carried along."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from itertools import pairwise
from typing import TypeAlias, final

from cellula.core.derivative import ordered
from cellula.core.errors import DataError
from cellula.core.expression import FUNCTIONS, Apply, Expression, Number, Symbol
from cellula.kernels import tape as ops

__all__ = ["CONSTANT", "DYNAMIC", "FIXED", "INPUT", "Graph", "Operation", "lowered"]

#: (kind, a, b, c): operands are places in the graph.
Operation: TypeAlias = tuple[int, int, int, int]
#: A value as a place in the graph and whether its sign is turned.
Signed: TypeAlias = tuple[int, bool]
#: Kinds beside those of the kernel: an input (its register), a constant (its place among them).
INPUT, CONSTANT = -1, -2
#: What a value depends on: nothing, parameters alone, time or states.
FIXED, ONCE, DYNAMIC = range(3)
COMMUTATIVE = frozenset((ops.ADD, ops.MUL, ops.MIN, ops.MAX, ops.EQ, ops.NE, ops.AND, ops.OR))
#: A power of up to this whole number is done by multiplications.
LONGEST_POWER = 16
UNARY: Mapping[str, int] = {
    "exp": ops.EXP, "ln": ops.LN, "abs": ops.ABS, "floor": ops.FLOOR, "ceiling": ops.CEIL,
    "factorial": ops.FACTORIAL, "not": ops.NOT, "sin": ops.SIN, "cos": ops.COS, "tan": ops.TAN,
    "arcsin": ops.ASIN, "arccos": ops.ACOS, "arctan": ops.ATAN, "sinh": ops.SINH,
    "cosh": ops.COSH, "tanh": ops.TANH, "arcsinh": ops.ASINH, "arccosh": ops.ACOSH,
    "arctanh": ops.ATANH,
}  # fmt: skip
#: 1 / f(x) and f(1 / x).
RECIPROCAL: Mapping[str, int] = {
    "sec": ops.COS, "csc": ops.SIN, "cot": ops.TAN, "sech": ops.COSH, "csch": ops.SINH,
    "coth": ops.TANH,
}  # fmt: skip
OF_RECIPROCAL: Mapping[str, int] = {
    "arcsec": ops.ACOS, "arccsc": ops.ASIN, "arccot": ops.ATAN, "arcsech": ops.ACOSH,
    "arccsch": ops.ASINH, "arccoth": ops.ATANH,
}  # fmt: skip
#: Function -> (kind, whether its sides are exchanged); each neighbour is compared with the next.
COMPARED: Mapping[str, tuple[int, bool]] = {
    "eq": (ops.EQ, False), "neq": (ops.NE, False), "lt": (ops.LT, False),
    "leq": (ops.LE, False), "gt": (ops.LT, True), "geq": (ops.LE, True),
}  # fmt: skip
#: Function of any number of arguments -> (kind, its value of none).
FOLDED: Mapping[str, tuple[int, float]] = {
    "and": (ops.AND, 1.0), "or": (ops.OR, 0.0), "xor": (ops.XOR, 0.0),
    "max": (ops.MAX, -math.inf), "min": (ops.MIN, math.inf),
}  # fmt: skip


def lowered(
    expressions: Sequence[Expression], inputs: Mapping[str, int], n_changing: int
) -> tuple[Graph, tuple[int, ...]]:
    """The graph of expressions and the place of each in it.

    inputs: id -> its register, the time having register 0; those below ``n_changing`` change
    within a run of a cell. Raises DataError on what a tape cannot hold.
    """
    graph = Graph(n_changing)
    values: dict[int, Signed] = {}
    for node in ordered(expressions):
        if isinstance(node, Number):
            values[id(node)] = (graph.constant(node.value), False)
        elif isinstance(node, Symbol):
            values[id(node)] = (graph.input(_register(node, inputs)), False)
        else:
            arguments = [values[id(argument)] for argument in node.arguments]
            values[id(node)] = _applied(graph, node, arguments)
    return graph, tuple(graph.plain(values[id(one)]) for one in expressions)


def _register(symbol: Symbol, inputs: Mapping[str, int]) -> int:
    if symbol.id not in inputs:
        raise DataError(
            f"no value for {symbol.id!r}; expected a state, a parameter or the time: "
            "replace what a rule gives by its expression first"
        )
    return inputs[symbol.id]


@final
@dataclass(slots=True)
class Graph:
    """Operations, each once, every operand before what takes it."""

    n_changing: int
    operations: list[Operation] = field(default_factory=list)
    constants: list[float] = field(default_factory=list)
    levels: list[int] = field(default_factory=list)
    known: dict[Operation | str, int] = field(default_factory=dict)

    def constant(self, value: float) -> int:
        """A number."""
        key = value.hex()
        if key not in self.known:
            self.constants.append(value)
            self.known[key] = self._appended((CONSTANT, len(self.constants) - 1, 0, 0), FIXED)
        return self.known[key]

    def input(self, register: int) -> int:
        """The time, a state or a parameter."""
        operation = (INPUT, register, 0, 0)
        if operation not in self.known:
            level = DYNAMIC if register < self.n_changing else ONCE
            self.known[operation] = self._appended(operation, level)
        return self.known[operation]

    def operation(self, kind: int, *operands: int) -> int:
        """An operation; done now where all it takes is constant."""
        if kind in COMMUTATIVE:
            operands = tuple(sorted(operands))
        a, b, c = (*operands, *operands[:1] * (3 - len(operands)))
        level = max(self.levels[one] for one in operands)
        if level == FIXED:
            return self.constant(float(ops.operate(kind, *map(self._value, (a, b, c)))))
        key = (kind, a, b, c)
        if key not in self.known:
            self.known[key] = self._appended(key, level)
        return self.known[key]

    def plain(self, value: Signed) -> int:
        """A value whose sign is not turned."""
        place, is_negative = value
        return self.operation(ops.NEG, place) if is_negative else place

    def number(self, value: Signed) -> float | None:
        """The value of a constant; None of anything else."""
        place, is_negative = value
        if self.levels[place] != FIXED:
            return None
        return -self._value(place) if is_negative else self._value(place)

    def total(self, terms: Sequence[Signed]) -> Signed:
        """What is added less what is subtracted, each in the order given."""
        kept = [term for term in terms if self.number(term) != 0.0]
        added = [place for place, is_negative in kept if not is_negative]
        taken = [place for place, is_negative in kept if is_negative]
        if not kept:
            return self.constant(0.0), False
        if not added:
            return reduce(lambda a, b: self.operation(ops.ADD, a, b), taken), True
        start = reduce(lambda a, b: self.operation(ops.ADD, a, b), added)
        return reduce(lambda a, b: self.operation(ops.SUB, a, b), taken, start), False

    def product(self, factors: Sequence[Signed]) -> Signed:
        """The product: constants first, then parameters, then what changes."""
        is_negative = sum(sign for _, sign in factors) % 2 == 1
        kept = [place for place, _ in factors if self.number((place, False)) != 1.0]
        kept.sort(key=self.levels.__getitem__)
        if not kept:
            return self.constant(1.0), is_negative
        return reduce(lambda a, b: self.operation(ops.MUL, a, b), kept), is_negative

    def quotient(self, above: Signed, below: Signed) -> Signed:
        """The quotient of two values."""
        is_negative = above[1] != below[1]
        if self.number((below[0], False)) == 1.0:
            return above[0], is_negative
        return self.operation(ops.DIV, above[0], below[0]), is_negative

    def power(self, base: Signed, exponent: Signed) -> Signed:
        """A power; whole numbers by multiplications, a half by the square root."""
        number = self.number(exponent)
        if number == 0.5:
            return self.operation(ops.SQRT, self.plain(base)), False
        if number is None or not number.is_integer() or abs(number) > LONGEST_POWER:
            return self.operation(ops.POW, self.plain(base), self.plain(exponent)), False
        whole = abs(int(number))
        found = self.constant(1.0), False
        square = base
        while whole:
            if whole % 2:
                found = self.product((found, square))
            whole //= 2
            if whole:
                square = self.product((square, square))
        return found if number >= 0 else self.quotient((self.constant(1.0), False), found)

    def _value(self, place: int) -> float:
        return self.constants[self.operations[place][1]]

    def _appended(self, operation: Operation, level: int) -> int:
        self.operations.append(operation)
        self.levels.append(level)
        return len(self.operations) - 1


def _applied(graph: Graph, node: Apply, given: Sequence[Signed]) -> Signed:
    """The value of a function of values."""
    _check(node)
    function = node.function
    match function:
        case "time":
            return graph.input(0), False
        case "plus":
            return graph.total(given)
        case "minus":
            *rest, (place, is_negative) = given
            turned = (place, not is_negative)
            return graph.total((*rest, turned)) if rest else turned
        case "times":
            return graph.product(given)
        case "divide":
            return graph.quotient(*given)
        case "power":
            return graph.power(*given)
    plain = [graph.plain(value) for value in given]
    if function in COMPARED:
        return _compared(graph, function, plain), False
    if function in FOLDED:
        return _folded(graph, function, plain), False
    return _plainly_applied(graph, function, plain), False


def _plainly_applied(graph: Graph, function: str, given: Sequence[int]) -> int:
    one = graph.constant(1.0)
    if function in UNARY:
        return graph.operation(UNARY[function], given[0])
    if function in RECIPROCAL:
        return graph.operation(ops.DIV, one, graph.operation(RECIPROCAL[function], given[0]))
    if function in OF_RECIPROCAL:
        return graph.operation(OF_RECIPROCAL[function], graph.operation(ops.DIV, one, given[0]))
    match function:
        case "root":
            is_square = graph.number((given[0], False)) == 2.0
            return graph.operation(*((ops.SQRT, given[1]) if is_square else (ops.ROOT, *given)))
        case "log":
            above, below = (graph.operation(ops.LN, given[k]) for k in (1, 0))
            return graph.operation(ops.DIV, above, below)
        case "rem":
            return graph.operation(ops.REM, *given)
        case "quotient":
            return graph.operation(ops.TRUNC, graph.operation(ops.DIV, *given))
        case "implies":
            return graph.operation(ops.OR, graph.operation(ops.NOT, given[0]), given[1])
    return _piecewise(graph, given)


def _piecewise(graph: Graph, given: Sequence[int]) -> int:
    """The value of the first condition that is true; not a number where none is."""
    found = given[-1] if len(given) % 2 else graph.constant(math.nan)
    for place in range(len(given) // 2 * 2 - 2, -1, -2):
        value, condition = given[place], given[place + 1]
        known = graph.number((condition, False))
        if known is None:
            found = graph.operation(ops.SELECT, condition, value, found)
        elif known != 0.0:
            found = value
    return found


def _folded(graph: Graph, function: str, given: Sequence[int]) -> int:
    kind, empty = FOLDED[function]
    if not given:
        return graph.constant(empty)
    if len(given) == 1 and function in {"and", "or", "xor"}:
        return graph.operation(ops.NE, given[0], graph.constant(0.0))
    return reduce(lambda a, b: graph.operation(kind, a, b), given)


def _compared(graph: Graph, function: str, given: Sequence[int]) -> int:
    kind, is_exchanged = COMPARED[function]
    sides = [(b, a) if is_exchanged else (a, b) for a, b in pairwise(given)]
    truths = [graph.operation(kind, a, b) for a, b in sides]
    return reduce(lambda a, b: graph.operation(ops.AND, a, b), truths)


def _check(node: Apply) -> None:
    if node.function in {"delay", "rate_of"}:
        raise DataError(
            f"{node.function} needs more than a point in time; expected it replaced by an "
            "expression of states and parameters"
        )
    if node.function not in FUNCTIONS:
        raise DataError(
            f"no function {node.function!r}; expected one of cellula.core.expression.FUNCTIONS: "
            "inline the network's own functions first"
        )
    fewest, most = FUNCTIONS[node.function]
    count = len(node.arguments)
    if count < fewest or (most is not None and count > most):
        raise DataError(
            f"{node.function} has {count} argument(s); expected at least {fewest}"
            + ("" if most is None else f" and at most {most}")
        )
