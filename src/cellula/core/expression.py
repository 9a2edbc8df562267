"""Mathematical expressions of mechanistic models: a tree of numbers, ids and functions.

Every value is a number; the truth of a comparison is 1 or 0, and what is not 0 is true. The
functions are those of MathML as SBML and CellML use them, under the names of :data:`FUNCTIONS`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from cellula.core.errors import DataError

__all__ = [
    "FUNCTIONS",
    "TIME",
    "Apply",
    "Expression",
    "Number",
    "Symbol",
    "apply",
    "rewritten",
    "substituted",
    "symbols",
    "walk",
]

#: Function -> (fewest, most) arguments; None where there is no bound. ``piecewise`` takes value,
#: condition, value, condition, ... and at most one value more, for all other cases. ``log``
#: takes base and argument, ``root`` degree and argument, ``delay`` an expression and a time,
#: ``rate_of`` one id, ``rem`` has the sign of the dividend, ``quotient`` is rounded towards 0.
FUNCTIONS: Mapping[str, tuple[int, int | None]] = {
    **dict.fromkeys(("plus", "times", "and", "or", "xor"), (0, None)),
    **dict.fromkeys(("minus",), (1, 2)),
    **dict.fromkeys(("divide", "power", "root", "log", "rem", "quotient", "implies"), (2, 2)),
    **dict.fromkeys(("eq", "gt", "lt", "geq", "leq"), (2, None)),
    **dict.fromkeys(("neq", "delay"), (2, 2)),
    **dict.fromkeys(("max", "min", "piecewise"), (1, None)),
    **dict.fromkeys(("not", "exp", "ln", "abs", "ceiling", "floor", "factorial"), (1, 1)),
    **dict.fromkeys(("sin", "cos", "tan", "sec", "csc", "cot"), (1, 1)),
    **dict.fromkeys(("sinh", "cosh", "tanh", "sech", "csch", "coth"), (1, 1)),
    **dict.fromkeys(("arcsin", "arccos", "arctan", "arcsec", "arccsc", "arccot"), (1, 1)),
    **dict.fromkeys(("arcsinh", "arccosh", "arctanh", "arcsech", "arccsch", "arccoth"), (1, 1)),
    **dict.fromkeys(("rate_of",), (1, 1)),
    **dict.fromkeys(("time",), (0, 0)),
}


@dataclass(frozen=True, slots=True)
class Number:
    """A constant; infinite and not a number included."""

    value: float

    def __eq__(self, other: object) -> bool:
        """Equal values, and not-a-number equal to itself, so that expressions can be keys."""
        if not isinstance(other, Number):
            return NotImplemented
        return self.value == other.value or (math.isnan(self.value) and math.isnan(other.value))

    def __hash__(self) -> int:
        return hash("nan") if math.isnan(self.value) else hash(self.value)


@dataclass(frozen=True, slots=True)
class Symbol:
    """The value of an id of the network, or of an argument inside a function's body."""

    id: str


@dataclass(frozen=True, slots=True)
class Apply:
    """A function of :data:`FUNCTIONS`, or one that the network defines, of its arguments."""

    function: str
    arguments: tuple[Expression, ...] = ()


Expression: TypeAlias = Number | Symbol | Apply

#: The time of the simulation, in the network's unit of time.
TIME = Apply("time")


def apply(function: str, *arguments: Expression | float) -> Apply:
    """``Apply`` with numbers written as numbers, the count of arguments checked.

    Raises DataError on a function that :data:`FUNCTIONS` lacks or a wrong number of arguments.
    """
    if function not in FUNCTIONS:
        raise DataError(f"no function {function!r}; expected one of {', '.join(FUNCTIONS)}")
    fewest, most = FUNCTIONS[function]
    if len(arguments) < fewest or (most is not None and len(arguments) > most):
        upper = "any number" if most is None else most
        raise DataError(
            f"{function} has {len(arguments)} argument(s); expected from {fewest} to {upper}"
        )
    given = tuple(Number(float(a)) if isinstance(a, int | float) else a for a in arguments)
    return Apply(function, given)


def walk(expression: Expression) -> Iterator[Expression]:
    """Every node, a parent before its arguments; a node that is shared is told once."""
    pending, seen = [expression], set[int]()
    while pending:
        node = pending.pop()
        if isinstance(node, Apply):
            if id(node) in seen:
                continue
            seen.add(id(node))
            pending.extend(reversed(node.arguments))
        yield node


def symbols(expression: Expression) -> tuple[str, ...]:
    """The ids that occur, each once, in the order of their first occurrence."""
    return tuple(dict.fromkeys(node.id for node in walk(expression) if isinstance(node, Symbol)))


def rewritten(expression: Expression, rule: Callable[[Expression], Expression]) -> Expression:
    """The expression with ``rule`` applied to every node, arguments before their parent.

    Does not recurse: the depth of a model's formula is not bounded by Python's stack. A node that
    is shared is rewritten once, and stays shared.
    """
    done: dict[int, Expression] = {}
    pending: list[tuple[Expression, bool]] = [(expression, False)]
    while pending:
        node, has_arguments = pending.pop()
        if id(node) in done:
            continue
        if not isinstance(node, Apply):
            done[id(node)] = rule(node)
        elif not has_arguments:
            pending.append((node, True))
            pending.extend((argument, False) for argument in reversed(node.arguments))
        else:
            arguments = tuple(done[id(argument)] for argument in node.arguments)
            same = all(new is old for new, old in zip(arguments, node.arguments, strict=True))
            done[id(node)] = rule(node if same else Apply(node.function, arguments))
    return done[id(expression)]


def substituted(expression: Expression, values: Mapping[str, Expression]) -> Expression:
    """The expression with ids replaced, all at once; what replaces is not looked into again."""
    return rewritten(
        expression, lambda node: values.get(node.id, node) if isinstance(node, Symbol) else node
    )
