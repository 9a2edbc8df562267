"""A network as one cell has it, and as it is treated: what is asked of an engine, in a model.

An engine that reads a model file needs no word of ours about cells and doses: values at the start
are written into the model, and a dose is an event of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from cellula.core.expression import TIME, Apply, Expression, Number, Symbol, apply, rewritten
from cellula.core.expression import symbols as symbols_of
from cellula.core.network import (
    AlgebraicRule,
    AssignmentRule,
    Event,
    Network,
    Parameter,
    Participant,
    Rule,
)
from cellula.core.request import check_request
from cellula.core.simulation import Dose, ParameterTable, Schedule

__all__ = [
    "Treated",
    "is_settled",
    "of_cell",
    "treated",
    "with_doses",
    "with_rates",
    "with_start",
]

HOW = {"scale": "times", "add": "plus"}


@dataclass(frozen=True, slots=True)
class Treated:
    """A network that starts at time 0 and carries its doses as events.

    start: the time that its 0 stands for. rates: reaction -> the parameter that has its rate.
    """

    network: Network
    start: float
    rates: Mapping[str, str]

    def at(self, times: NDArray[np.float64]) -> NDArray[np.float64]:
        """The same times as the network counts them."""
        return np.asarray(times - self.start, np.float64)


def treated(
    network: Network,
    cells: ParameterTable,
    doses: Schedule,
    times: NDArray[np.float64],
    has_rates: bool = True,
) -> Treated:
    """What an engine is handed: the request checked, doses as events, time counted from 0.

    has_rates: whether the engine tells the rates of reactions; where it does not, a parameter
    beside every rate tells it.
    """
    check_request(network, cells, doses, times)
    start = float(times[0])
    counted = Schedule(tuple(replace(dose, time=dose.time - start) for dose in doses.doses))
    made = with_doses(with_start(network, start), counted)
    if has_rates:
        return Treated(made, start, {})
    with_parameters, rates = with_rates(made)
    return Treated(with_parameters, start, rates)


def of_cell(network: Network, values: Mapping[str, float]) -> Network:
    """The network whose ids have these values at the start, as they stand in expressions."""

    def participant(one: Participant) -> Participant:
        if one.id is None or one.id not in values:
            return one
        return replace(one, stoichiometry=values[one.id])

    return replace(
        network,
        compartments=tuple(
            replace(one, size=values[one.id]) if one.id in values else one
            for one in network.compartments
        ),
        species=tuple(
            replace(one, initial=values[one.id], initial_is_amount=one.is_amount)
            if one.id in values
            else one
            for one in network.species
        ),
        parameters=tuple(
            replace(one, value=values[one.id]) if one.id in values else one
            for one in network.parameters
        ),
        reactions=tuple(
            replace(
                one,
                reactants=tuple(map(participant, one.reactants)),
                products=tuple(map(participant, one.products)),
            )
            for one in network.reactions
        ),
        initial={id: given for id, given in network.initial.items() if id not in values},
    )


def with_doses(network: Network, doses: Schedule) -> Network:
    """The network with an event for every time at which there are doses."""
    taken = {*network.ids, *(event.id for event in network.events)}
    events: list[Event] = []
    for number, (time, group) in enumerate(groupby(doses.doses, key=lambda dose: dose.time)):
        trigger = apply("geq", TIME, time)
        id = _free(f"dose_{number}", taken)
        events.append(Event(id, trigger, _assigned(tuple(group)), initial_trigger=False))
    dosed = {dose.id for dose in doses.doses}
    if not dosed:
        return network
    return replace(
        _free_to_change(network, dosed),
        events=(*network.events, *events),
    )


def _assigned(doses: Sequence[Dose]) -> dict[str, Expression]:
    """What doses of one time make of each id, one after the other."""
    made: dict[str, Expression] = {}
    for dose in doses:
        before = made.get(dose.id, Symbol(dose.id))
        value = Number(dose.value)
        made[dose.id] = value if dose.how == "set" else apply(HOW[dose.how], before, value)
    return made


def _free_to_change(network: Network, ids: set[str]) -> Network:
    def participant(one: Participant) -> Participant:
        return replace(one, is_constant=one.is_constant and one.id not in ids)

    return replace(
        network,
        compartments=tuple(
            replace(one, is_constant=one.is_constant and one.id not in ids)
            for one in network.compartments
        ),
        species=tuple(
            replace(one, is_constant=False, is_boundary=one.is_boundary or one.is_constant)
            if one.id in ids
            else one
            for one in network.species
        ),
        parameters=tuple(
            replace(one, is_constant=one.is_constant and one.id not in ids)
            for one in network.parameters
        ),
        reactions=tuple(
            replace(
                one,
                reactants=tuple(map(participant, one.reactants)),
                products=tuple(map(participant, one.products)),
            )
            for one in network.reactions
        ),
    )


def with_start(network: Network, start: float) -> Network:
    """The network whose time 0 is ``start`` of the given one."""
    if start == 0:
        return network
    later = apply("plus", TIME, start)

    def moved(given: Expression) -> Expression:
        return rewritten(given, lambda node: later if node == TIME else node)

    return _mapped(network, moved)


def _mapped(network: Network, change: Callable[[Expression], Expression]) -> Network:
    def maybe(given: Expression | None) -> Expression | None:
        return None if given is None else change(given)

    def rule(given: Rule) -> Rule:
        return replace(given, expression=change(given.expression))

    return replace(
        network,
        reactions=tuple(replace(one, rate=maybe(one.rate)) for one in network.reactions),
        rules=tuple(map(rule, network.rules)),
        initial={id: change(given) for id, given in network.initial.items()},
        events=tuple(
            replace(
                one,
                trigger=change(one.trigger),
                delay=maybe(one.delay),
                priority=maybe(one.priority),
                assignments={id: change(given) for id, given in one.assignments.items()},
            )
            for one in network.events
        ),
        constraints=tuple(
            replace(one, expression=change(one.expression)) for one in network.constraints
        ),
        functions=tuple(replace(one, body=change(one.body)) for one in network.functions),
    )


def with_rates(network: Network) -> tuple[Network, dict[str, str]]:
    """The network with a parameter that follows the rate of every reaction, and their ids."""
    taken = {*network.ids, *(event.id for event in network.events)}
    taken |= {function.id for function in network.functions}
    rates = {
        one.id: _free(f"rate_of_{one.id}", taken)
        for one in network.reactions
        if one.rate is not None
    }
    followed = tuple(
        AssignmentRule(rates[one.id], one.rate) for one in network.reactions if one.rate is not None
    )
    return replace(
        network,
        parameters=(
            *network.parameters,
            *(Parameter(id, None, is_constant=False) for id in rates.values()),
        ),
        rules=(*network.rules, *followed),
    ), rates


def _free(wanted: str, taken: set[str]) -> str:
    id = wanted
    while id in taken:
        id += "_"
    taken.add(id)
    return id


def is_settled(network: Network, ids: Iterable[str]) -> bool:
    """Whether nothing else at the start depends on these ids, so that a loaded model may be set.

    What depends on them: sizes (concentrations follow), initial values, rules (their initial
    values may be used elsewhere), and triggers, whose value at the start may decide.
    """
    moved = set(ids)
    if moved & {one.id for one in network.compartments}:
        return False
    rules = [rule for rule in network.rules if isinstance(rule, AssignmentRule)]
    while True:
        more = {r.target for r in rules if moved & set(symbols_of(r.expression))} - moved
        if not more:
            break
        moved |= more
    at_start = list(network.initial.values())
    at_start += [event.trigger for event in network.events]
    at_start += [rule.expression for rule in network.rules if isinstance(rule, AlgebraicRule)]
    if any(moved & set(symbols_of(given)) for given in at_start):
        return False
    return not any(_is_due(event.trigger) for event in network.events)


def _is_due(trigger: Expression) -> bool:
    """Whether a trigger is that of a dose at time 0, which an engine carries out on loading."""
    match trigger:
        case Apply("geq", (left, Number(at))):
            return at <= 0 and left == TIME
    return False
