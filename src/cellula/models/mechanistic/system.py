"""A network as a system of ordinary differential and algebraic equations with events.

SBML's meaning, Level 3 Version 2 [hucka2003]_, for all that is well stirred: what changes by
reactions or rate rules is a state, what follows from others is written in terms of states,
parameters and time, and what only events or doses change is a parameter.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

from cellula.core.expression import TIME, Expression, Number, Symbol, apply, substituted
from cellula.core.inlined import inlined
from cellula.core.network import Event, Network
from cellula.core.resolution import names_in, resolved
from cellula.models.mechanistic.algebraic import with_algebraic
from cellula.models.mechanistic.delays import DelayTerm, early_values, resolved_terms, undelayed
from cellula.models.mechanistic.jumps import held, trigger_roots
from cellula.models.mechanistic.quantities import (
    Quantities,
    amount_name,
    is_told_as_amount,
    quantities,
    with_named_rates,
    with_rates,
)
from cellula.models.mechanistic.start import start_definitions

__all__ = ["NEXT_DUE", "System", "Target", "system_of"]


#: The last parameter of a system with events: when a cell's next delayed event is due.
NEXT_DUE = "time of the next event"


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
    derivatives: f, then g. parameters: names of p; the last is
    :data:`NEXT_DUE` where there are events. observed: every id of the network.
    events: with expressions of states, parameters and time. targets: what events and doses can
    set. held: parameters that stand for the conditions in derivatives, and what each is to be
    set to when a cell has stopped. delays: what the polynomials of
    :mod:`~cellula.models.mechanistic.delays` stand for, inner ones first. roots: functions
    whose changes of side stop a cell. start: what gives the values at the start
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
    held: Mapping[str, Expression]
    delays: tuple[DelayTerm, ...]
    roots: tuple[Expression, ...]
    start: Mapping[str, Expression]


def system_of(network: Network) -> System:
    """The system of a network.

    Raises DataError, naming ids, on values that need one another in a loop and on algebraic
    rules that are over- or under-determined; EngineError on what is not solved here.
    """
    plain, terms = undelayed(inlined(network))
    given, residuals = with_algebraic(quantities(plain))
    terms = tuple(_named(term) for term in terms)
    definitions = with_rates(given, (side for one in terms for side in (one.signal, one.lag)))
    done = resolved(definitions)

    def told(one: Expression) -> Expression:
        return substituted(with_named_rates(one), done)

    changes = [told(one) for one in (*given.changes.values(), *residuals.values())]
    states = (*given.changes, *residuals)
    events = tuple(_event_of(event, told) for event in plain.events)
    smooth = held(changes, states)
    roots = (*smooth.roots, *trigger_roots((event.trigger for event in events), states))
    start = start_definitions(plain, definitions)
    start.update((name, Number(math.nan)) for name in smooth.values)
    if terms:
        still = {id: given.definitions.get(id, Number(0.0)) for id in definitions}
        terms, past = resolved_terms(terms, done, early_values(start, still, plain.initial))
        start.update(past)
    parameters = (*given.parameters, *smooth.values)
    if events:
        parameters, start[NEXT_DUE] = (*parameters, NEXT_DUE), Number(math.inf)
        roots = (*roots, apply("minus", Symbol(NEXT_DUE), TIME))
    return System(
        network=network,
        states=states,
        parameters=parameters,
        derivatives=smooth.formulas,
        n_algebraic=len(residuals),
        observed={id: done.get(id, Symbol(id)) for id in network.ids},
        events=events,
        targets=_targets(given, done),
        held=smooth.values,
        delays=_asked(terms, [*changes, *done.values(), *_formulas(events)]),
        roots=roots,
        start=start,
    )


def _event_of(event: Event, told: Callable[[Expression], Expression]) -> Event:
    return replace(
        event,
        trigger=told(event.trigger),
        delay=None if event.delay is None else told(event.delay),
        priority=None if event.priority is None else told(event.priority),
        assignments={id: told(one) for id, one in event.assignments.items()},
    )


def _named(term: DelayTerm) -> DelayTerm:
    return replace(term, signal=with_named_rates(term.signal), lag=with_named_rates(term.lag))


def _formulas(events: tuple[Event, ...]) -> Iterator[Expression]:
    for event in events:
        yield event.trigger
        yield from event.assignments.values()
        yield from (one for one in (event.delay, event.priority) if one is not None)


def _asked(terms: tuple[DelayTerm, ...], formulas: list[Expression]) -> tuple[DelayTerm, ...]:
    """The delays that matter after the start, those that others look back at included."""
    if not terms:
        return ()
    names = names_in([*formulas, *(side for one in terms for side in (one.signal, one.lag))])
    return terms if any(one.coefficients[0] in names for one in terms) else ()


def _targets(given: Quantities, done: Mapping[str, Expression]) -> dict[str, Target]:
    """What can be set: all that has a value of its own."""
    free = {*given.changes, *given.parameters}
    targets = {id: Target(id) for id in given.network.ids if id in free}
    for one in given.network.species:
        amount = amount_name(one, given.network)
        if amount in free and not is_told_as_amount(one, given.network):
            size = done.get(one.compartment, Symbol(one.compartment))
            targets[one.id] = Target(amount, size)
    return targets
