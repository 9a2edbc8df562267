"""A network as a Myokit model: what moves, what follows from it, what a run may set."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, final

import myokit

from cellula.core.errors import EngineError
from cellula.core.evaluation import evaluate
from cellula.core.expression import (
    TIME,
    Expression,
    Number,
    Symbol,
    apply,
    symbols,
    walk,
)
from cellula.core.inlined import inlined
from cellula.core.network import AlgebraicRule, AssignmentRule, Network, RateRule, Species
from cellula.core.resolution import in_order
from cellula.engines.myokit.formula import formula_text

__all__ = ["Program", "program"]

#: The component of all variables; the variable of time in it.
PART, CLOCK = "m", "time"


@final
@dataclass(frozen=True, slots=True)
class Program:
    """A model, and how its variables stand for ids.

    names: id -> variable. states: id -> variable that moves, in the order of the model's states.
    sizes: id of a species whose state is an amount and which is told as a concentration -> its
    compartment. free: ids that are numbers, which a run may set. fixed: what follows from those
    alone, in order. start: what gives every id at the start, in order.
    """

    model: Any
    names: Mapping[str, str]
    states: Mapping[str, str]
    sizes: Mapping[str, str]
    free: tuple[str, ...]
    fixed: Mapping[str, Expression]
    start: Mapping[str, Expression]

    @property
    def moving(self) -> tuple[str, ...]:
        """The ids that a run has to tell; the others follow from numbers."""
        still = {*self.free, *self.fixed}
        return tuple(id for id in self.names if id not in still)

    def at_start(self, given: Mapping[str, float], time: float) -> dict[str, float]:
        """The values of all ids at the start; ``given`` takes the place of what the model says."""
        values: dict[str, Any] = dict(given)
        for id, one in self.start.items():
            if id not in values:
                values[id] = evaluate(one, values, time)
        return {id: float(value) for id, value in values.items()}


def program(network: Network, engine: str) -> Program:
    """The program of a network. engine: its name and version, for messages.

    Raises EngineError, naming it, on what Myokit does not have: events, algebraic rules, delays,
    conversion factors, fast reactions and those without a rate.
    """
    plain = inlined(network)
    _refuse(plain, engine)
    names = {id: f"v{place}" for place, id in enumerate(plain.ids)}
    changes, sizes = _changes(plain)
    rules = [rule for rule in plain.rules if isinstance(rule, AssignmentRule)]
    follows: dict[str, Expression] = {rule.target: rule.expression for rule in rules}
    follows |= {one.id: one.rate for one in plain.reactions if one.rate is not None}
    free = tuple(id for id in plain.ids if id not in follows and id not in changes)
    states = {id: f"n{k}" if id in sizes else names[id] for k, id in enumerate(changes)}
    lines = ["[[model]]", *(f"{PART}.{one} = 0" for one in states.values())]
    lines += [f"[{PART}]", f"{CLOCK} = 0 bind time", *(f"{names[id]} = 0" for id in free)]
    lines += [f"{names[id]} = {states[id]} / {names[size]}" for id, size in sizes.items()]
    lines += _formulas({f"dot({states[id]})": one for id, one in changes.items()}, names)
    lines += _formulas({names[id]: one for id, one in follows.items()}, names)
    try:
        model: Any = myokit.parse_model("\n".join(lines) + "\n")
    except (myokit.MyokitError, RecursionError) as error:
        raise EngineError(f"{engine} refuses network {network.id!r}: {error}") from error
    start = {**dict(_numbers(plain)), **plain.initial, **follows}
    fixed = _fixed(follows, free)
    moving = [size for size in sizes.values() if size in follows and size not in fixed]
    if moving:
        raise EngineError(f"{engine} has no compartment that changes by a rule: {moving[0]!r}")
    return Program(
        model,
        {id: f"{PART}.{name}" for id, name in names.items()},
        {id: f"{PART}.{name}" for id, name in states.items()},
        sizes,
        free,
        fixed,
        {id: start[id] for id in in_order(start)},
    )


def _refuse(network: Network, engine: str) -> None:
    species = network.species
    odd = {
        "events": bool(network.events),
        "algebraic rules": any(isinstance(rule, AlgebraicRule) for rule in network.rules),
        "fast reactions": any(one.is_fast for one in network.reactions),
        "reactions without a rate": any(one.rate is None for one in network.reactions),
        "conversion factors": bool(network.conversion_factor)
        or any(one.conversion_factor for one in species),
    }
    for what, is_there in odd.items():
        if is_there:
            raise EngineError(
                f"{engine} has no {what}, and network {network.id!r} has; take another engine"
            )


def _changes(network: Network) -> tuple[dict[str, Expression], dict[str, str]]:
    """What each state changes by; of species that react and are told as concentrations, where."""
    changes = {rule.target: rule.expression for rule in network.rules if isinstance(rule, RateRule)}
    reacting = {one.id: one for one in network.species if not (one.is_boundary or one.is_constant)}
    terms: dict[str, list[Expression]] = {}
    for reaction in network.reactions:
        for sign, participants in ((-1.0, reaction.reactants), (1.0, reaction.products)):
            for one in participants:
                many = Number(one.stoichiometry or 0.0) if one.id is None else Symbol(one.id)
                term = apply("times", sign, many, Symbol(reaction.id))
                if one.species in reacting:
                    terms.setdefault(one.species, []).append(term)
    changes |= {id: apply("plus", *given) for id, given in terms.items()}
    return changes, {id: reacting[id].compartment for id in terms if not reacting[id].is_amount}


def _formulas(given: Mapping[str, Expression], names: Mapping[str, str]) -> Iterator[str]:
    for left, right in given.items():
        yield f"{left} = {formula_text(right, names, CLOCK)}"


def _fixed(follows: Mapping[str, Expression], free: tuple[str, ...]) -> dict[str, Expression]:
    """What follows from free ids alone, in order."""
    known, found = set(free), dict[str, Expression]()
    for id in in_order(follows):
        if known.issuperset(symbols(follows[id])) and TIME not in walk(follows[id]):
            known.add(id)
            found[id] = follows[id]
    return found


def _numbers(network: Network) -> Iterator[tuple[str, Expression]]:
    """The numbers that the network gives; not a number where it gives none."""
    for part in network.compartments:
        yield part.id, _number(part.size)
    for parameter in network.parameters:
        yield parameter.id, _number(parameter.value)
    for one in network.species:
        yield one.id, _told(one)
    for reaction in network.reactions:
        for participant in (*reaction.reactants, *reaction.products):
            if participant.id is not None:
                yield participant.id, _number(participant.stoichiometry)


def _told(one: Species) -> Expression:
    """What a species is at the start, as its id stands in expressions."""
    if one.is_amount == one.initial_is_amount:
        return _number(one.initial)
    how = "divide" if one.initial_is_amount else "times"
    return apply(how, _number(one.initial), Symbol(one.compartment))


def _number(value: float | None) -> Number:
    return Number(math.nan if value is None else value)
