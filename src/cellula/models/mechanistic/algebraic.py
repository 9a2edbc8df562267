"""Algebraic rules: which unknown each determines, and its solution where it is linear."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_bipartite_matching

from cellula.core.derivative import derivative
from cellula.core.errors import DataError
from cellula.core.expression import Apply, Expression, Number, apply, substituted, walk
from cellula.core.network import AlgebraicRule, Compartment, Parameter
from cellula.core.resolution import names_in, resolved
from cellula.models.mechanistic.quantities import (
    Quantities,
    amount_name,
    with_named_rates,
    with_rates,
)

__all__ = ["Solved", "matched", "solution", "with_algebraic"]

ZERO = Number(0.0)
STEPPED = frozenset(
    ("eq", "neq", "gt", "lt", "geq", "leq", "and", "or", "xor", "not", "implies")
) | {"floor", "ceiling", "quotient", "rem", "factorial", "delay"}


@dataclass(frozen=True, slots=True)
class Solved:
    """What algebraic rules come to: unknown -> its value, and the rest, unknown -> 0 = residual."""

    definitions: Mapping[str, Expression]
    residuals: Mapping[str, Expression]


def with_algebraic(given: Quantities) -> tuple[Quantities, Mapping[str, Expression]]:
    """Unknowns that can be solved for become definitions; the others, with what is 0 for each.

    Raises DataError where the rules are over- or under-determined.
    """
    rules = [rule for rule in given.network.rules if isinstance(rule, AlgebraicRule)]
    if not rules:
        return given, {}
    done = resolved(with_rates(given))
    residuals = [substituted(with_named_rates(rule.expression), done) for rule in rules]
    choice = matched(residuals, _ranks(given))
    found: Solved = solution(residuals, choice)
    definitions = {**given.definitions, **found.definitions}
    still = tuple(id for id in given.parameters if id not in choice)
    return replace(given, definitions=definitions, parameters=still), found.residuals


def _ranks(given: Quantities) -> dict[str, int]:
    """What algebraic rules may determine; 1 where an event sets it too."""
    network = given.network
    touched = {id for event in network.events for id in event.assignments}
    ranks: dict[str, int] = {}
    parts: tuple[Compartment | Parameter, ...] = (*network.compartments, *network.parameters)
    for part in parts:
        if not part.is_constant:
            ranks[part.id] = int(part.id in touched)
    for one in network.species:
        if not one.is_constant:
            ranks[amount_name(one, network)] = int(one.id in touched)
    for reaction in network.reactions:
        for participant in (*reaction.reactants, *reaction.products):
            if participant.id is not None and not participant.is_constant:
                ranks[participant.id] = int(participant.id in touched)
    return {id: ranks[id] for id in given.parameters if id in ranks}


def matched(residuals: Sequence[Expression], ranks: Mapping[str, int]) -> tuple[str, ...]:
    """The unknown that each rule determines, no two the same.

    residuals: what is 0, of unknowns and other ids. ranks: unknown -> 0 for those to be
    preferred (nothing else gives them a value), higher for others. Raises DataError where there
    is no such choice (over-determined) or another one as good (under-determined).
    """
    tiers = sorted(set(ranks.values()))
    for tier in tiers:
        allowed = [id for id, rank in ranks.items() if rank <= tier]
        choice = _matching(residuals, allowed)
        if choice is not None:
            _require_single(residuals, choice, [id for id in allowed if ranks[id] == tier])
            return choice
    named = ", ".join(sorted(names_in(residuals) & ranks.keys())) or "none"
    raise DataError(
        f"{len(residuals)} algebraic rule(s) and too few unknowns that they could determine "
        f"(those that may change and follow from nothing else: {named}): over-determined"
    )


def _matching(residuals: Sequence[Expression], allowed: Sequence[str]) -> tuple[str, ...] | None:
    pattern = np.zeros((len(residuals), len(allowed)), dtype=np.int8)
    for row, residual in enumerate(residuals):
        names = names_in([residual])
        pattern[row] = [id in names for id in allowed]
    if not len(allowed):
        return None
    columns = maximum_bipartite_matching(csr_array(pattern), perm_type="column")
    return None if (columns < 0).any() else tuple(allowed[k] for k in columns)


def _require_single(
    residuals: Sequence[Expression], choice: tuple[str, ...], tier: Sequence[str]
) -> None:
    """No other unknown of the same rank could take the place of a chosen one."""
    chosen = set(choice)
    for left_out in (id for id in tier if id not in chosen):
        for one in chosen.intersection(tier):
            others = [id for id in (*choice, left_out) if id != one]
            if _matching(residuals, others) is not None:
                raise DataError(
                    f"the algebraic rules may determine {one!r} or {left_out!r}: "
                    "under-determined; make one of the two constant"
                )


def solution(residuals: Sequence[Expression], unknowns: Sequence[str]) -> Solved:
    """Each rule solved for its unknown where it is linear in it and no loop arises."""
    definitions: dict[str, Expression] = {}
    rest: dict[str, Expression] = {}
    for unknown, residual in zip(unknowns, residuals, strict=True):
        slope = derivative(residual, unknown)
        if slope == ZERO or unknown in names_in([slope]) or _is_stepped(residual, unknown):
            rest[unknown] = residual
            continue
        constant = substituted(residual, {unknown: ZERO})
        definitions[unknown] = apply("divide", apply("minus", constant), slope)
    return _without_loops(definitions, rest, dict(zip(unknowns, residuals, strict=True)))


def _is_stepped(residual: Expression, unknown: str) -> bool:
    """Whether the unknown is where a slope of 0 does not mean that nothing changes."""
    stepped = (one for one in walk(residual) if isinstance(one, Apply) and one.function in STEPPED)
    return any(unknown in names_in([one]) for one in stepped)


def _without_loops(
    definitions: dict[str, Expression],
    rest: dict[str, Expression],
    residuals: Mapping[str, Expression],
) -> Solved:
    """Unknowns whose definitions need one another are left as residuals."""
    kept: dict[str, Expression] = {}
    pending = dict(definitions)
    while pending:
        ready = [id for id, one in pending.items() if not names_in([one]) & pending.keys()]
        if not ready:
            loop = next(iter(pending))
            rest[loop] = residuals[loop]
            del pending[loop]
            continue
        for id in ready:
            kept[id] = pending.pop(id)
    return Solved(kept, rest)
