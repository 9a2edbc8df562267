"""Recognises rates that are a constant times counts: the propensities that cost next to nothing."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass

from cellula.core.expression import Apply, Expression, Number, Symbol, apply, walk

__all__ = ["MassAction", "depends", "distinct", "mass_action"]

#: The highest power of a count that is taken as mass action.
HIGHEST_POWER = 6.0


@dataclass(frozen=True, slots=True)
class MassAction:
    """coefficient x product of (count of id - offset) over ``factors``.

    The offsets make up combinatorial propensities: x (x - 1) for two of a kind.
    """

    coefficient: Expression
    factors: tuple[tuple[str, float], ...]


def depends(expression: Expression, ids: Set[str], *, on_time: bool = True) -> bool:
    """Whether an expression names one of ``ids``, or the time."""
    return any(
        (node.id in ids) if isinstance(node, Symbol) else (on_time and node == Apply("time"))
        for node in walk(expression)
        if not isinstance(node, Number)
    )


def mass_action(
    rate: Expression, changing: Set[str], scales: Mapping[str, Expression | None]
) -> MassAction | None:
    """The rate as mass action; None where it is something else.

    changing: ids that change between doses. scales: species -> what its count is divided by to
    give what its id stands for, None for 1; these are the ids that may be factors.
    """
    over: list[Expression] = []
    under: list[Expression] = []
    factors: list[tuple[str, float]] = []
    pending: list[tuple[Expression, bool]] = [(rate, False)]
    while pending:
        node, is_below = pending.pop()
        parts = _parts(node)
        if not depends(node, changing):
            (under if is_below else over).append(node)
        elif parts is not None:
            pending.extend((part, is_below != flips) for part, flips in reversed(parts))
        else:
            factor = _factor(node, scales)
            if factor is None or is_below:
                return None
            factors.append(factor)
            scale = scales[factor[0]]
            if scale is not None:
                pending.append((scale, True))
    coefficient = apply("divide", apply("times", *over), apply("times", *under))
    return MassAction(coefficient, tuple(factors))


def distinct(action: MassAction, reactants: Mapping[str, float]) -> MassAction:
    """The propensity of reactants that are different molecules: x^2 of two of a kind is x (x - 1).

    reactants: species -> how many of it react. A power is that of a deterministic rate, which
    could go on with one molecule left; a rate that has x - 1 already stays as it is.
    """
    plain = [id for id, offset in action.factors if offset == 0.0]
    used: dict[str, int] = {}
    factors: list[tuple[str, float]] = []
    for id, offset in action.factors:
        is_power = plain.count(id) == sum(one == id for one, _ in action.factors)
        place = used.get(id, 0)
        used[id] = place + 1
        is_another = is_power and place < reactants.get(id, 0.0)
        factors.append((id, float(place) if is_another else offset))
    return MassAction(action.coefficient, tuple(factors))


def _parts(node: Expression) -> list[tuple[Expression, bool]] | None:
    """The factors of a product, each with whether it is divided by; None for no product."""
    match node:
        case Apply("times", arguments):
            return [(one, False) for one in arguments]
        case Apply("plus", (only,)):
            return [(only, False)]
        case Apply("divide", (above, below)):
            return [(above, False), (below, True)]
        case Apply("minus", (only,)):
            return [(Number(-1.0), False), (only, False)]
        case Apply("power", (base, Number(n))) if n == int(n) and 1 <= n <= HIGHEST_POWER:
            return [(base, False)] * int(n)
    return None


def _factor(node: Expression, scales: Mapping[str, Expression | None]) -> tuple[str, float] | None:
    """The species and the offset of ``x`` or ``x - n``."""
    match node:
        case Symbol(id) if id in scales:
            return id, 0.0
        case Apply("minus", (Symbol(id), Number(offset))) if id in scales and scales[id] is None:
            return id, offset
        case Apply("plus", (Symbol(id), Number(offset))) if id in scales and scales[id] is None:
            return id, -offset
        case Apply("plus", (Number(offset), Symbol(id))) if id in scales and scales[id] is None:
            return id, -offset
    return None
