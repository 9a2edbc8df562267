"""Functions that change sign where a model's formulas jump, so that no step crosses a jump."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from itertools import pairwise

from cellula.core.expression import TIME, Apply, Expression, Number, Symbol, apply

__all__ = ["is_relation", "root_functions"]

RELATIONS = frozenset(("eq", "neq", "gt", "lt", "geq", "leq"))
LOGIC = frozenset(("and", "or", "xor", "not", "implies"))


def is_relation(expression: Expression) -> bool:
    """Whether an expression is a comparison or a combination of them."""
    return isinstance(expression, Apply) and expression.function in RELATIONS | LOGIC


def root_functions(
    formulas: Iterable[Expression], triggers: Iterable[Expression], moving: frozenset[str]
) -> tuple[Expression, ...]:
    """One function for every comparison in formulas and triggers, each once.

    a < b changes where a - b changes sign; a number that stands for a truth changes where it
    leaves 0, ``floor(x)`` and ``ceiling(x)`` where sin(pi x) changes sign, likewise remainders.
    moving: the ids that change between events; what names none of them, nor time, cannot jump.
    """
    known: dict[object, int] = {}
    changing: set[int] = set()
    found: dict[int, Expression] = {}
    for formula, is_truth in (
        *((one, False) for one in formulas),
        *((one, True) for one in triggers),
    ):
        candidates: list[Expression] = [formula] if is_truth and not is_relation(formula) else []
        numbers = _numbered(formula, known, changing, moving)
        candidates.extend(_jumps(numbers.values()))
        for one in candidates:
            key = _numbered(one, known, changing, moving)[id(one)][1]
            if key in changing:
                found.setdefault(key, one)
    return tuple(found.values())


def _jumps(nodes: Iterable[tuple[Expression, int]]) -> Iterator[Expression]:
    for node, _ in nodes:
        if not isinstance(node, Apply):
            continue
        a = node.arguments
        if node.function in RELATIONS:
            yield from (
                _difference(left, right) for left, right in pairwise(a) if _is_finite(left, right)
            )
        elif node.function in LOGIC:
            yield from (one for one in a if _is_number(one))
        elif node.function == "piecewise":
            yield from (one for one in a[1::2] if _is_number(one))
        elif node.function in {"floor", "ceiling"}:
            yield apply("sin", apply("times", math.pi, a[0]))
        elif node.function in {"rem", "quotient"}:
            yield apply("sin", apply("times", math.pi, apply("divide", *a)))


def _difference(left: Expression, right: Expression) -> Expression:
    return left if right == Number(0.0) else apply("minus", left, right)


def _is_finite(*sides: Expression) -> bool:
    return all(not isinstance(side, Number) or math.isfinite(side.value) for side in sides)


def _is_number(node: Expression) -> bool:
    return not is_relation(node)


def _numbered(
    expression: Expression, known: dict[object, int], changing: set[int], moving: frozenset[str]
) -> dict[int, tuple[Expression, int]]:
    """Every node once -> a number that equal nodes share; those that change are noted."""
    numbers: dict[int, tuple[Expression, int]] = {}
    pending: list[tuple[Expression, bool]] = [(expression, False)]
    while pending:
        node, is_ready = pending.pop()
        if id(node) in numbers:
            continue
        if isinstance(node, Apply) and not is_ready:
            pending.append((node, True))
            pending.extend((argument, False) for argument in node.arguments)
            continue
        key: object = node
        changes = isinstance(node, Symbol) and node.id in moving
        if isinstance(node, Apply):
            parts = tuple(numbers[id(argument)][1] for argument in node.arguments)
            key = (node.function, parts)
            changes = node.function == TIME.function or not changing.isdisjoint(parts)
        number = known.setdefault(key, len(known))
        if changes:
            changing.add(number)
        numbers[id(node)] = (node, number)
    return numbers
