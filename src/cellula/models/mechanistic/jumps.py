"""Jumps of formulas: held between the times at which a cell stops, and told where they are.

A condition in a rate is a parameter while a cell moves, so that every step sees smooth rates;
its root functions stop the cell just where it changes. The condition a > b is true where a - b is
above 0, a >= b where b - a is not: so a side of a root function is a truth, to the last digit.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import final

from cellula.core.expression import Apply, Expression, Number, Symbol, apply, rewritten

__all__ = ["Held", "held", "trigger_roots"]

RELATIONS = frozenset(("eq", "neq", "gt", "lt", "geq", "leq"))
LOGIC = frozenset(("and", "or", "xor", "not", "implies"))
STEPS = frozenset(("floor", "ceiling"))


@final
@dataclass(frozen=True, slots=True)
class Held:
    """Formulas in which what jumps is a parameter.

    values: parameter -> what it has to be set to whenever a cell has stopped. roots: functions
    whose changes of side stop it, of parameters too.
    """

    formulas: tuple[Expression, ...]
    values: Mapping[str, Expression]
    roots: tuple[Expression, ...]


def held(formulas: Sequence[Expression], moving: Iterable[str]) -> Held:
    """Comparisons and steps of what moves, as parameters; ``moving``: ids beside the time."""
    plain = [rewritten(one, _plain) for one in formulas]
    nodes = _Nodes(frozenset(moving))
    values: dict[str, Expression] = {}
    roots: list[Expression] = []
    replaced: dict[int, Expression] = {}
    results = []
    for formula in plain:
        for node, number in nodes.of(formula):
            if number in replaced:
                continue
            new = _with_arguments(node, [replaced[k] for k in nodes.arguments(node)])
            if (
                isinstance(node, Apply)
                and node.function in RELATIONS | STEPS
                and number in nodes.changing
            ):
                name = f"held value {len(values)}"
                values[name] = node
                roots.extend(_roots(new, name))
                new = Symbol(name)
            replaced[number] = new
        results.append(replaced[nodes.number(formula)])
    return Held(tuple(results), values, tuple(roots))


def trigger_roots(triggers: Iterable[Expression], moving: Iterable[str]) -> tuple[Expression, ...]:
    """Root functions of every comparison of what moves in some conditions, each once."""
    nodes = _Nodes(frozenset(moving))
    seen: set[int] = set()
    roots: list[Expression] = []
    for trigger in triggers:
        for node, number in nodes.of(rewritten(_truth(trigger), _plain)):
            is_condition = isinstance(node, Apply) and node.function in RELATIONS
            if is_condition and number in nodes.changing and number not in seen:
                seen.add(number)
                roots.extend(_roots(node, ""))
    return tuple(roots)


def _jumps(node: Expression) -> bool:
    return isinstance(node, Apply) and node.function in RELATIONS | STEPS


def _roots(node: Expression, held_as: str) -> Iterator[Expression]:
    """What changes side where a comparison, or a step held as a parameter, changes its value."""
    if not isinstance(node, Apply):
        return
    if node.function in STEPS and held_as:
        x, step = node.arguments[0], Symbol(held_as)
        if node.function == "floor":  # step <= x < step + 1
            yield apply("minus", step, x)
            yield apply("minus", apply("plus", step, 1), x)
        else:  # step - 1 < x <= step
            yield apply("minus", x, step)
            yield apply("minus", x, apply("minus", step, 1))
        return
    for left, right in pairwise(node.arguments):
        if not _is_finite(left, right):
            continue  # neither can be passed
        if node.function in {"gt", "leq", "eq", "neq"}:
            yield apply("minus", left, right)
        if node.function in {"lt", "geq", "eq", "neq"}:
            yield apply("minus", right, left)


def _is_finite(*sides: Expression) -> bool:
    return all(not isinstance(side, Number) or math.isfinite(side.value) for side in sides)


def _plain(node: Expression) -> Expression:
    """Truths as comparisons; remainders and quotients through steps."""
    if not isinstance(node, Apply):
        return node
    if node.function == "piecewise":
        return Apply(
            "piecewise",
            tuple(_truth(one) if k % 2 else one for k, one in enumerate(node.arguments)),
        )
    if node.function in LOGIC:
        return Apply(node.function, tuple(_truth(one) for one in node.arguments))
    if node.function in {"rem", "quotient"}:
        whole = _truncated(apply("divide", *node.arguments))
        if node.function == "quotient":
            return whole
        return apply("minus", node.arguments[0], apply("times", node.arguments[1], whole))
    return node


def _truth(node: Expression) -> Expression:
    """A condition as it is, a number as whether it is not 0."""
    is_truth = isinstance(node, Apply) and node.function in RELATIONS | LOGIC
    return node if is_truth or isinstance(node, Number) else apply("neq", node, 0)


def _truncated(x: Expression) -> Expression:
    return apply("piecewise", apply("floor", x), apply("geq", x, 0), apply("ceiling", x))


def _with_arguments(node: Expression, arguments: Sequence[Expression]) -> Expression:
    return Apply(node.function, tuple(arguments)) if isinstance(node, Apply) else node


@final
@dataclass(slots=True)
class _Nodes:
    """Parts of expressions under numbers that equal parts share.

    changing: the numbers of those that time or what moves is in.
    """

    moving: frozenset[str]
    known: dict[object, int] = field(default_factory=dict)
    changing: set[int] = field(default_factory=set)
    numbers: dict[int, int] = field(default_factory=dict)
    alive: list[Expression] = field(default_factory=list)

    def number(self, node: Expression) -> int:
        return self.numbers[id(node)]

    def arguments(self, node: Expression) -> list[int]:
        return [self.number(one) for one in node.arguments] if isinstance(node, Apply) else []

    def of(self, expression: Expression) -> list[tuple[Expression, int]]:
        """Every part once, arguments before what they are in."""
        parts: list[tuple[Expression, int]] = []
        self.alive.append(expression)  # an id is one object's as long as that lives
        listed: set[int] = set()
        pending: list[tuple[Expression, bool]] = [(expression, False)]
        while pending:
            node, is_ready = pending.pop()
            if id(node) in listed:
                continue
            if isinstance(node, Apply) and not is_ready:
                pending.append((node, True))
                pending.extend((argument, False) for argument in reversed(node.arguments))
                continue
            listed.add(id(node))
            parts.append((node, self._numbered(node)))
        return parts

    def _numbered(self, node: Expression) -> int:
        key: object = node
        changes = isinstance(node, Symbol) and node.id in self.moving
        if isinstance(node, Apply):
            arguments = self.arguments(node)
            key = (node.function, tuple(arguments))
            changes = node.function == "time" or not self.changing.isdisjoint(arguments)
        number = self.known.setdefault(key, len(self.known))
        if changes:
            self.changing.add(number)
        self.numbers[id(node)] = number
        return number
