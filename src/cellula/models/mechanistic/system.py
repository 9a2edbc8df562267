"""A network as a system of ordinary differential and algebraic equations with events.

SBML's meaning, Level 3 Version 2 [hucka2003]_, for all that is well stirred: what changes by
reactions or rate rules is a state, what follows from others is written in terms of states,
parameters and time, and what only events or doses change is a parameter.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from cellula.core.expression import Expression, Symbol, substituted
from cellula.core.inlined import inlined
from cellula.core.network import AlgebraicRule, Compartment, Event, Network, Parameter
from cellula.models.mechanistic.algebraic import Solved, matched, solution
from cellula.models.mechanistic.quantities import (
    Quantities,
    amount_name,
    is_told_as_amount,
    quantities,
    with_named_rates,
    with_rates,
)
from cellula.models.mechanistic.resolution import resolved
from cellula.models.mechanistic.roots import root_functions
from cellula.models.mechanistic.start import start_definitions

__all__ = ["System", "Target", "system_of"]


@dataclass(frozen=True, slots=True)
class Target:
    """How an id is set: the state or parameter behind it, and what its value is multiplied by.

    factor: of states, parameters and time; None where the value is taken as it is.
    """

    name: str
    factor: Expression | None = None


@dataclass(frozen=True, slots=True)
class System:
    """y' = f(t, y, p), 0 = g(t, y, p), and what happens at events.

    states: names of y; those of the last ``n_algebraic`` are unknowns of algebraic equations.
    derivatives: f, then g. parameters: names of p. observed: every id of the network.
    events: with expressions of states, parameters and time. targets: what events and doses can
    set. roots: functions that change sign wherever a formula or a trigger jumps. start: what
    gives the values at the start, to be evaluated in this order
    (:func:`~cellula.models.mechanistic.start.start_definitions`).
    """

    network: Network
    states: tuple[str, ...]
    parameters: tuple[str, ...]
    derivatives: tuple[Expression, ...]
    n_algebraic: int
    observed: Mapping[str, Expression]
    events: tuple[Event, ...]
    targets: Mapping[str, Target]
    roots: tuple[Expression, ...]
    start: Mapping[str, Expression]


def system_of(network: Network) -> System:
    """The system of a network.

    Raises DataError, naming ids, on values that need one another in a loop and on algebraic
    rules that are over- or under-determined; EngineError on what is not solved here.
    """
    given = quantities(inlined(network))
    given, residuals = _with_algebraic(given)
    definitions = with_rates(given)
    done = resolved(definitions)
    unknowns = tuple(residuals)
    changes = {id: substituted(one, done) for id, one in given.changes.items()}
    balances = {id: substituted(one, done) for id, one in residuals.items()}
    states = (*changes, *unknowns)
    events = tuple(_lowered_event(event, done) for event in given.network.events)
    derivatives = (*changes.values(), *balances.values())
    moving = frozenset(states)
    return System(
        network,
        states,
        given.parameters,
        derivatives,
        len(unknowns),
        {id: done.get(id, Symbol(id)) for id in network.ids},
        events,
        _targets(given, done, unknowns),
        root_functions(derivatives, (event.trigger for event in events), moving),
        start_definitions(given.network, definitions),
    )


def _lowered_event(event: Event, done: Mapping[str, Expression]) -> Event:
    def told(one: Expression) -> Expression:
        return substituted(with_named_rates(one), done)

    return replace(
        event,
        trigger=told(event.trigger),
        delay=None if event.delay is None else told(event.delay),
        priority=None if event.priority is None else told(event.priority),
        assignments={id: told(one) for id, one in event.assignments.items()},
    )


def _targets(
    given: Quantities, done: Mapping[str, Expression], unknowns: tuple[str, ...]
) -> dict[str, Target]:
    """What can be set: all that has a value of its own."""
    free = {*given.changes, *given.parameters} - set(unknowns)
    targets = {id: Target(id) for id in given.network.ids if id in free}
    for one in given.network.species:
        amount = amount_name(one, given.network)
        if amount in free and not is_told_as_amount(one, given.network):
            size = done.get(one.compartment, Symbol(one.compartment))
            targets[one.id] = Target(amount, size)
    return targets


# -- algebraic rules -------------------------------------------------------------------------------
def _with_algebraic(given: Quantities) -> tuple[Quantities, Mapping[str, Expression]]:
    """Unknowns that can be solved for become definitions; the others and their residuals."""
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
