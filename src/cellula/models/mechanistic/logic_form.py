"""A logic network as bits: for each, the Boolean function of all bits that it goes to.

A component of levels 0 ... m has m bits, bit k true where its level is k or more, so that a level
moves by one where one bit is turned over [thomas1991]_. A level goes one step at a time towards
the level that its rule gives, whatever the update.
"""

from __future__ import annotations

import itertools
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from cellula.core.errors import DataError
from cellula.core.expression import Apply, Expression, Number, Symbol, walk
from cellula.core.logic import Component, LogicNetwork
from cellula.kernels.decision_diagram import (
    AND,
    FALSE,
    OR,
    TRUE,
    WITHOUT,
    XOR,
    Diagram,
    combined,
    conjunction,
    disjunction,
    is_false,
    literal,
    negated,
)

__all__ = ["LogicForm", "checked_level", "logic_form"]

#: A function of the bits: each of its values with where it is taken.
Cases: TypeAlias = dict[float, Diagram]
COMPARISONS: Mapping[str, Callable[[float, float], bool]] = {
    "eq": operator.eq, "neq": operator.ne, "gt": operator.gt, "lt": operator.lt,
    "geq": operator.ge, "leq": operator.le,
}  # fmt: skip
SUMS: Mapping[str, tuple[float, Callable[[float, float], float]]] = {
    "plus": (0.0, operator.add), "times": (1.0, operator.mul),
    "max": (float("-inf"), max), "min": (float("inf"), min),
}  # fmt: skip
KNOWN = frozenset({*COMPARISONS, *SUMS, "and", "or", "xor", "not", "implies", "minus", "piecewise"})


@dataclass(frozen=True, slots=True)
class LogicForm:
    """The bits of a network, in the order of its components, the lowest level first.

    first: the first bit of every component; thresholds and owners: the level and the component of
    every bit; next: what every bit is after its component was updated; admissible: the states in
    which a bit is true only where the bit below it is.
    """

    network: LogicNetwork
    first: tuple[int, ...]
    owners: tuple[int, ...]
    thresholds: tuple[int, ...]
    next: tuple[Diagram, ...]
    admissible: Diagram

    @property
    def inputs(self) -> tuple[int, ...]:
        """The numbers of the components without a rule."""
        parts = enumerate(self.network.components)
        return tuple(at for at, one in parts if one.target is None)

    def bits(self, components: Sequence[int]) -> tuple[int, ...]:
        """The bits of some components."""
        wanted = set(components)
        return tuple(bit for bit, owner in enumerate(self.owners) if owner in wanted)

    def at_level(self, component: int, level: int) -> Diagram:
        """The states in which a component has a level."""
        first, most = self.first[component], self.network.components[component].max_level
        below = literal(first + level - 1) if level > 0 else TRUE
        return combined(below, literal(first + level), WITHOUT) if level < most else below

    def levels(self, state: Sequence[bool]) -> tuple[int, ...]:
        """The levels of all components, of the bits of an admissible state."""
        sums = [0] * len(self.first)
        for owner, is_on in zip(self.owners, state, strict=True):
            sums[owner] += bool(is_on)
        return tuple(sums)


def logic_form(network: LogicNetwork) -> LogicForm:
    """The bits of a network and their functions.

    Raises DataError, naming the component, where a rule has a function that makes no level, or
    gives a level that the component does not have.
    """
    most = [one.max_level for one in network.components]
    first = tuple(itertools.accumulate(most, initial=0))[:-1]
    owners = tuple(at for at, levels in enumerate(most) for _ in range(levels))
    thresholds = tuple(k for levels in most for k in range(1, levels + 1))
    values = {
        one.id: _own_levels(first[at], one.max_level) for at, one in enumerate(network.components)
    }
    following: list[Diagram] = []
    for at, one in enumerate(network.components):
        following += _next(one, first[at], values)
    ladders = (
        combined(negated(literal(bit)), literal(bit - 1), OR)
        for bit, threshold in enumerate(thresholds)
        if threshold > 1
    )
    admissible = conjunction(ladders)
    return LogicForm(network, first, owners, thresholds, tuple(following), admissible)


def checked_level(network: LogicNetwork, id: str, level: float) -> tuple[int, int]:
    """The number of a component and a level that it has; DataError on another id or level."""
    if id not in network.ids:
        raise DataError(f"logic network {network.id!r} has no component {id!r}")
    at = network.ids.index(id)
    most = network.components[at].max_level
    if not 0 <= level <= most or int(level) != level:
        raise DataError(f"component {id!r} has the levels 0 to {most}, not {level:g}")
    return at, int(level)


def _own_levels(first: int, most: int) -> Cases:
    """Every level of a component, with the states in which it has it."""
    reached = [TRUE, *(literal(first + k) for k in range(most)), FALSE]
    return {float(k): combined(reached[k], reached[k + 1], WITHOUT) for k in range(most + 1)}


def _next(one: Component, first: int, values: Mapping[str, Cases]) -> list[Diagram]:
    """What every bit of a component is after an update."""
    if one.target is None:
        return [literal(first + k) for k in range(one.max_level)]
    cases = _cases(one.target, values, one.id)
    for level, where in cases.items():
        is_level = 0 <= level <= one.max_level and level == int(level)
        if not is_level and not is_false(where):
            raise DataError(
                f"the rule of {one.id!r} gives level {level:g}; it has the levels 0 to "
                f"{one.max_level}"
            )
    found: list[Diagram] = []
    for k in range(1, one.max_level + 1):
        wanted = disjunction(where for level, where in cases.items() if level >= k)
        if one.max_level == 1:
            return [wanted]
        own = literal(first + k - 1)
        above = literal(first + k) if k < one.max_level else FALSE
        below = literal(first + k - 2) if k > 1 else TRUE
        kept = combined(own, combined(wanted, above, OR), AND)
        risen = combined(combined(below, wanted, AND), own, WITHOUT)
        found.append(combined(kept, risen, OR))
    return found


def _cases(expression: Expression, values: Mapping[str, Cases], id: str) -> Cases:
    """The cases of an expression, without recursion: arguments before their parent."""
    for node in walk(expression):
        if isinstance(node, Apply) and node.function not in KNOWN:
            raise DataError(
                f"the rule of {id!r} has {node.function!r}; a logic rule knows "
                f"{', '.join(sorted(KNOWN))}"
            )
    results: list[Cases] = []
    pending: list[tuple[Expression, bool]] = [(expression, False)]
    while pending:
        node, is_done = pending.pop()
        if isinstance(node, Number):
            results.append({node.value: TRUE})
        elif isinstance(node, Symbol):
            results.append(values[node.id])
        elif not is_done:
            pending.append((node, True))
            pending.extend((argument, False) for argument in reversed(node.arguments))
        else:
            split = len(results) - len(node.arguments)
            arguments = results[split:]
            del results[split:]
            results.append(_applied(node.function, arguments))
    return results[0]


def _applied(function: str, arguments: list[Cases]) -> Cases:
    truths = [_truth(one) for one in arguments]
    match function:
        case "and":
            return _told(conjunction(truths))
        case "or":
            return _told(disjunction(truths))
        case "xor":
            odd: Diagram = FALSE
            for one in truths:
                odd = combined(odd, one, XOR)
            return _told(odd)
        case "not":
            return _told(negated(truths[0]))
        case "implies":
            return _told(combined(negated(truths[0]), truths[1], OR))
        case "piecewise":
            return _first_true(arguments)
        case "minus":
            zero = [{0.0: TRUE}] if len(arguments) == 1 else []
            return _pairwise(operator.sub, *zero, *arguments)
    if function in SUMS:
        start, operation = SUMS[function]
        total: Cases = {start: TRUE}
        for cases in arguments:
            total = _pairwise(operation, total, cases)
        return total
    compare = COMPARISONS[function]
    pairs = [_truth(_pairwise(compare, a, b)) for a, b in itertools.pairwise(arguments)]
    return _told(conjunction(pairs))


def _truth(cases: Cases) -> Diagram:
    """Where the value is not 0."""
    return disjunction(where for value, where in cases.items() if value != 0.0)


def _told(where: Diagram) -> Cases:
    return {1.0: where, 0.0: negated(where)}


def _pairwise(operation: Callable[[float, float], float], left: Cases, right: Cases) -> Cases:
    found: Cases = {}
    for (a, where), (b, there) in itertools.product(left.items(), right.items()):
        both = combined(where, there, AND)
        if not is_false(both):
            value = float(operation(a, b))
            found[value] = combined(found.get(value, FALSE), both, OR)
    return found


def _first_true(arguments: list[Cases]) -> Cases:
    """The value of the first condition that is true; the last value stands for all other cases."""
    found: Cases = {}
    rest = TRUE
    pairs = [*zip(arguments[::2], arguments[1::2], strict=False)]
    if len(arguments) % 2:
        pairs.append((arguments[-1], {1.0: TRUE}))
    for cases, condition in pairs:
        holds = _truth(condition)
        for value, where in cases.items():
            taken = conjunction([where, holds, rest])
            if not is_false(taken):
                found[value] = combined(found.get(value, FALSE), taken, OR)
        rest = combined(rest, holds, WITHOUT)
    if not is_false(rest):
        found[float("nan")] = rest
    return found
