"""Which networks are jump processes, and what their ids stand for; the rest is refused by name.

A rate is taken as the propensity of its reaction, in events per time, as it stands: stochastic
models in SBML write x (x - 1) themselves where two of a kind react. A deterministic rate k x^2 of
two of a kind cannot be a propensity, and is read as k x (x - 1).
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter

from cellula.core.errors import DataError
from cellula.core.expression import (
    Apply,
    Expression,
    Number,
    Symbol,
    apply,
    substituted,
    symbols,
    walk,
)
from cellula.core.inlined import inlined
from cellula.core.network import AssignmentRule, Network, Participant, RateRule, Reaction, Species
from cellula.models.mechanistic.mass_action import depends

__all__ = ["JumpNetwork", "count_of", "jump_network"]


@dataclass(frozen=True, slots=True)
class JumpNetwork:
    """A network as counts that reactions change by whole numbers.

    network: without functions of its own. counted: species with a count; the symbol of the count
    of X is ``count(X)``. fixed: ids with a value that only doses and events change. rules: ids
    that follow from others (species from their counts, what is assigned, rates of reactions),
    those needed before those that need them. scales: counted species -> what its count is
    divided by to give what its id stands for; None for 1. jumps: reaction -> species -> change
    of its count. moving: ids that reactions change, directly or not.
    """

    network: Network
    counted: tuple[str, ...]
    fixed: tuple[str, ...]
    rules: Mapping[str, Expression]
    scales: Mapping[str, Expression | None]
    jumps: Mapping[str, Mapping[str, float]]
    moving: frozenset[str]

    def resolved(self) -> Mapping[str, Expression]:
        """Every id as an expression of counts, of fixed ids and of the time."""
        known: dict[str, Expression] = {id: Symbol(id) for id in self.fixed}
        known.update((count_of(id), Symbol(count_of(id))) for id in self.counted)
        for id, expression in self.rules.items():
            known[id] = substituted(expression, known)
        return known


def count_of(species: str) -> str:
    """The symbol of the count of a species."""
    return f"count({species})"


def jump_network(network: Network, molecules_per_unit: float | None) -> JumpNetwork:
    """The network as a jump process; molecules_per_unit: how many a unit of amount is.

    Raises DataError, naming what it is, on what has no stochastic meaning or none that is kept
    here: rate and algebraic rules, fast reactions, reactions without a rate, rates that depend on
    the time or are a difference of two directions, stoichiometries that change or change a count
    by a fraction, delays, and amounts in moles without ``molecules_per_unit``.
    """
    plain = inlined(network)
    _refuse_rules(plain)
    ruled = {one.target: one.expression for one in plain.rules if isinstance(one, AssignmentRule)}
    rates = {one.id: one.rate for one in plain.reactions if one.rate is not None}
    counted = tuple(one.id for one in plain.species if one.id not in ruled)
    factor = _molecules(plain, molecules_per_unit)
    scales = {one.id: _scale(one, factor) for one in plain.species if one.id not in ruled}
    rules = _ordered({**{id: _told(id, scales[id]) for id in counted}, **ruled, **rates})
    jumps = {one.id: _jumps(one, plain, ruled) for one in plain.reactions}
    moved = {id for jump in jumps.values() for id in jump}
    moving = _closure(rules, {*moved, *map(count_of, moved)})
    timed = _closure(rules, frozenset(), on_time=True)
    for reaction in plain.reactions:
        _refuse_reaction(reaction, moving, timed)
    named = [one.id for one in plain.compartments] + [one.id for one in plain.parameters]
    fixed = tuple(id for id in named if id not in ruled)
    return JumpNetwork(plain, counted, fixed, rules, scales, jumps, moving)


def _refuse_rules(network: Network) -> None:
    changing = {
        one.species
        for reaction in network.reactions
        for one in (*reaction.reactants, *reaction.products)
    } - {one.id for one in network.species if one.is_boundary or one.is_constant}
    for rule in network.rules:
        if not isinstance(rule, AssignmentRule):
            what = "an algebraic rule"
            if isinstance(rule, RateRule):
                what = f"the rate rule of {rule.target!r}"
            raise DataError(
                f"{what} changes network {network.id!r} continuously; a stochastic simulation "
                "has jumps alone: use the simulator ode"
            )
        if rule.target in changing:
            raise DataError(
                f"species {rule.target!r} follows an assignment rule and is changed by reactions"
            )
    for where, expression in network.expressions():
        for node in walk(expression):
            if isinstance(node, Apply) and node.function in {"delay", "rate_of"}:
                raise DataError(
                    f"{where} has {node.function}(), which a stochastic simulation cannot "
                    "compute: use the simulator ode"
                )


def _refuse_reaction(reaction: Reaction, moving: frozenset[str], timed: frozenset[str]) -> None:
    name = f"reaction {reaction.id!r}"
    if reaction.rate is None:
        raise DataError(f"{name} has no rate; a stochastic simulation needs one")
    if reaction.is_fast:
        raise DataError(f"{name} is fast: in equilibrium at all times; give it a rate instead")
    if depends(reaction.rate, timed):
        raise DataError(
            f"the rate of {name} depends on the time; a stochastic simulation here takes rates "
            "that change by events, doses and counts alone: write the change as an event"
        )
    if reaction.is_reversible and _is_difference(reaction.rate, moving):
        raise DataError(
            f"{name} is reversible and its rate the difference of two directions, which no "
            "propensity can be: write forward and backward as two reactions"
        )


def _is_difference(rate: Expression, moving: frozenset[str]) -> bool:
    """Whether a factor of the rate is a difference of two parts that both change."""
    pending: list[Expression] = [rate]
    while pending:
        match pending.pop():
            case Apply("times", arguments):
                pending.extend(arguments)
            case Apply("divide", (above, _)):
                pending.append(above)
            case Apply("minus", (left, right)):
                if depends(left, moving) and depends(right, moving):
                    return True
            case Apply("plus", arguments):
                signs = [isinstance(one, Apply) and one.function == "minus" for one in arguments]
                if any(signs) and sum(depends(one, moving) for one in arguments) > 1:
                    return True
    return False


def _ordered(rules: Mapping[str, Expression]) -> dict[str, Expression]:
    """What follows from others, after what it needs; DataError, naming it, on a loop."""
    needs = {id: set(symbols(expression)) & rules.keys() for id, expression in rules.items()}
    try:
        order = tuple(TopologicalSorter(needs).static_order())
    except CycleError as error:
        raise DataError(f"rules need one another in a loop: {' -> '.join(error.args[1])}") from None
    return {id: rules[id] for id in order}


def _told(species: str, scale: Expression | None) -> Expression:
    """What a species' id stands for, of its count."""
    count = Symbol(count_of(species))
    return count if scale is None else apply("divide", count, scale)


def _closure(
    rules: Mapping[str, Expression], changing: Set[str], *, on_time: bool = False
) -> frozenset[str]:
    """The ids that change because one of ``changing``, or the time, does."""
    found = set(changing)
    for id, expression in rules.items():
        if depends(expression, found, on_time=on_time):
            found.add(id)
    return frozenset(found)


def _molecules(network: Network, molecules_per_unit: float | None) -> float:
    unit = network.units.get("substance", "")
    if molecules_per_unit is None and "mol" in unit:
        raise DataError(
            f"amounts of network {network.id!r} are in {unit!r}, not in molecules; say how many "
            "molecules a unit of amount is: option molecules_per_unit (6.022e23 for a mole)"
        )
    return 1.0 if molecules_per_unit is None else molecules_per_unit


def _scale(species: Species, molecules: float) -> Expression | None:
    size: Expression | None = None if species.is_amount else Symbol(species.compartment)
    if molecules == 1.0:
        return size
    return Number(molecules) if size is None else apply("times", molecules, size)


def _jumps(
    reaction: Reaction, network: Network, ruled: Mapping[str, Expression]
) -> Mapping[str, float]:
    """What one event changes: species -> change of its count, those that do not change left out."""
    species = {one.id: one for one in network.species}
    change: dict[str, float] = {}
    signed = [(one, -1.0) for one in reaction.reactants] + [(one, 1.0) for one in reaction.products]
    for one, sign in signed:
        kind = species[one.species]
        if kind.is_boundary or kind.is_constant:
            continue
        size = _stoichiometry(one, reaction, network, ruled)
        size *= _conversion(kind, network)
        if size != round(size):
            raise DataError(
                f"reaction {reaction.id!r} changes {one.species!r} by {size:g}; a stochastic "
                "simulation needs whole numbers"
            )
        change[one.species] = change.get(one.species, 0.0) + sign * size
    return {id: by for id, by in change.items() if by != 0.0}


def _stoichiometry(
    one: Participant, reaction: Reaction, network: Network, ruled: Mapping[str, Expression]
) -> float:
    given = {*ruled, *network.initial, *(id for e in network.events for id in e.assignments)}
    if one.stoichiometry is None or one.id in given:
        raise DataError(
            f"how much of {one.species!r} takes part in reaction {reaction.id!r} is computed; a "
            "stochastic simulation needs a whole number"
        )
    return one.stoichiometry


def _conversion(species: Species, network: Network) -> float:
    id = species.conversion_factor or network.conversion_factor
    if id is None:
        return 1.0
    found = next((one.value for one in network.parameters if one.id == id), None)
    if found is None or id in network.initial:
        raise DataError(
            f"the conversion factor {id!r} of {species.id!r} is computed; give a number"
        )
    return found
