"""The intermediate form of a mechanistic model: what reacts with what, how fast, where.

It holds what SBML Level 3 core, CellML and BioNetGen networks can say of a well-stirred system,
with SBML's meaning [hucka2003]_. Numbers stay in the units that the model was written in: a
model in nanomoles and minutes is simulated in them, and says so in ``units``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from cellula.core.errors import DataError
from cellula.core.expression import FUNCTIONS, Apply, Expression, Symbol, walk
from cellula.core.flux import FluxBalance

__all__ = [
    "AlgebraicRule",
    "AssignmentRule",
    "Compartment",
    "Constraint",
    "Event",
    "Function",
    "Network",
    "Parameter",
    "Participant",
    "RateRule",
    "Reaction",
    "Rule",
    "Species",
]


@dataclass(frozen=True, slots=True)
class Compartment:
    """A well-stirred volume, area or length; ``size`` is None where an initial value gives it."""

    id: str
    size: float | None = 1.0
    is_constant: bool = True
    dimensions: float = 3.0
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Species:
    """Something that reacts.

    initial: its amount or its concentration at the start, as ``initial_is_amount`` says; None
    where an initial value gives it. is_amount: in expressions, and in trajectories, its id
    stands for its amount; else for its concentration, amount / size of the compartment.
    is_boundary: reactions do not change it. is_constant: nothing changes it.
    conversion_factor: id of the parameter that turns a reaction's extent into its unit.
    name: what people call it, where the id cannot say it (``EGFR(Y1068~P)``).
    """

    id: str
    compartment: str
    initial: float | None = 0.0
    initial_is_amount: bool = False
    is_amount: bool = False
    is_boundary: bool = False
    is_constant: bool = False
    conversion_factor: str | None = None
    unit: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True)
class Parameter:
    """A named number, in the unit that the expressions expect; None where none is given."""

    id: str
    value: float | None
    is_constant: bool = True
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Participant:
    """A species in a reaction, so many of it; ``id`` names a stoichiometry that may change."""

    species: str
    stoichiometry: float | None = 1.0
    id: str | None = None
    is_constant: bool = True


@dataclass(frozen=True, slots=True)
class Reaction:
    """Reactants to products; ``rate`` is its extent per time (amount, not concentration).

    rate: None where only fluxes are asked for. modifiers: species that the rate depends on.
    """

    id: str
    reactants: tuple[Participant, ...]
    products: tuple[Participant, ...]
    rate: Expression | None = None
    modifiers: tuple[str, ...] = ()
    is_reversible: bool = True
    is_fast: bool = False
    name: str = ""


@dataclass(frozen=True, slots=True)
class AssignmentRule:
    """``target`` has the value of ``expression`` at all times."""

    target: str
    expression: Expression


@dataclass(frozen=True, slots=True)
class RateRule:
    """The value of ``target`` changes by ``expression`` per time."""

    target: str
    expression: Expression


@dataclass(frozen=True, slots=True)
class AlgebraicRule:
    """``expression`` is 0 at all times."""

    expression: Expression


Rule: TypeAlias = AssignmentRule | RateRule | AlgebraicRule


@dataclass(frozen=True, slots=True)
class Event:
    """When ``trigger`` turns from false to true, the targets take their values after ``delay``.

    priority: of those due at one time the highest goes first. is_persistent: it is carried out
    even if the trigger turns false again before. initial_trigger: the value of the trigger
    before the start. uses_trigger_values: what is assigned is computed when the event is
    triggered, not when it is carried out.
    """

    id: str
    trigger: Expression
    assignments: Mapping[str, Expression]
    delay: Expression | None = None
    priority: Expression | None = None
    is_persistent: bool = True
    initial_trigger: bool = True
    uses_trigger_values: bool = True


@dataclass(frozen=True, slots=True)
class Constraint:
    """The model is meant only for states in which ``expression`` is true."""

    expression: Expression
    message: str = ""


@dataclass(frozen=True, slots=True)
class Function:
    """A function that the network defines; ``body`` sees its arguments and nothing else."""

    id: str
    arguments: tuple[str, ...]
    body: Expression


@dataclass(frozen=True, slots=True)
class Network:
    """Compartments, species, parameters, reactions, rules and events under unique ids.

    initial: id -> what it is at the start, in place of its own number. conversion_factor: id of
    the parameter that holds for all species without one. units: what the model says of itself
    (``time``, ``substance``, ``volume``, ...). flux: bounds and objectives, for flux balance.
    Raises DataError on an id that is used twice, an expression that names no id of the network
    or no function, or a rule or event that changes what cannot change.
    """

    id: str
    compartments: tuple[Compartment, ...] = ()
    species: tuple[Species, ...] = ()
    parameters: tuple[Parameter, ...] = ()
    reactions: tuple[Reaction, ...] = ()
    rules: tuple[Rule, ...] = ()
    events: tuple[Event, ...] = ()
    functions: tuple[Function, ...] = ()
    initial: Mapping[str, Expression] = field(default_factory=dict)
    constraints: tuple[Constraint, ...] = ()
    conversion_factor: str | None = None
    units: Mapping[str, str] = field(default_factory=dict)
    flux: FluxBalance | None = None

    def __post_init__(self) -> None:
        self._check_ids()
        self._check_places()
        known = {id for _, id in self._named()}
        for where, expression in self.expressions():
            self._check_expression(where, expression, known)
        self._check_changes(known)

    @property
    def ids(self) -> tuple[str, ...]:
        """Every id that has a value over time: compartments, species, parameters, reactions.

        Stoichiometries that have an id come last.
        """
        return tuple(id for _, id in self._named())

    def expressions(self) -> Iterator[tuple[str, Expression]]:
        """Every expression outside functions, with the words that name its place."""
        for reaction in self.reactions:
            if reaction.rate is not None:
                yield f"the rate of reaction {reaction.id!r}", reaction.rate
        for rule in self.rules:
            of = "" if isinstance(rule, AlgebraicRule) else f" of {rule.target!r}"
            yield f"the {_words(rule)}{of}", rule.expression
        for id, expression in self.initial.items():
            yield f"the initial value of {id!r}", expression
        for event in self.events:
            yield f"the trigger of event {event.id!r}", event.trigger
            for word, given in (("delay", event.delay), ("priority", event.priority)):
                if given is not None:
                    yield f"the {word} of event {event.id!r}", given
            for id, expression in event.assignments.items():
                yield f"what event {event.id!r} assigns to {id!r}", expression
        for constraint in self.constraints:
            yield "a constraint", constraint.expression

    # -- checks --------------------------------------------------------------------------------
    def _named(self) -> Iterator[tuple[str, str]]:
        yield from (("compartment", one.id) for one in self.compartments)
        yield from (("species", one.id) for one in self.species)
        yield from (("parameter", one.id) for one in self.parameters)
        yield from (("reaction", one.id) for one in self.reactions)
        for reaction in self.reactions:
            for one in (*reaction.reactants, *reaction.products):
                if one.id is not None:
                    yield "stoichiometry", one.id

    def _check_ids(self) -> None:
        seen: dict[str, str] = {}
        functions = (("function", function.id) for function in self.functions)
        for kind, id in (*self._named(), *functions):
            if id in seen:
                raise DataError(
                    f"id {id!r} is used twice in network {self.id!r}: {seen[id]} and {kind}"
                )
            seen[id] = kind

    def _check_places(self) -> None:
        compartments = {part.id for part in self.compartments}
        for one in self.species:
            if one.compartment not in compartments:
                raise DataError(f"species {one.id!r} is in {one.compartment!r}, no compartment")
        known = {one.id for one in self.species}
        for reaction in self.reactions:
            taking = [one.species for one in (*reaction.reactants, *reaction.products)]
            for id in (*taking, *reaction.modifiers):
                if id not in known:
                    raise DataError(
                        f"reaction {reaction.id!r} names {id!r}, which is no species of "
                        f"network {self.id!r}"
                    )

    def _check_expression(self, where: str, expression: Expression, known: set[str]) -> None:
        own = {function.id: len(function.arguments) for function in self.functions}
        for node in walk(expression):
            if isinstance(node, Symbol) and node.id not in known:
                raise DataError(f"{where} names {node.id!r}, which network {self.id!r} lacks")
            if not isinstance(node, Apply) or node.function in FUNCTIONS:
                continue
            if own.get(node.function) != len(node.arguments):
                raise DataError(
                    f"{where} calls {node.function!r} with {len(node.arguments)} argument(s); "
                    f"network {self.id!r} has {own or 'no functions'}"
                )

    def _check_changes(self, known: set[str]) -> None:
        """Nothing follows two rules, and all that is assigned to is there and may change."""
        ruled: set[str] = set()
        for rule in self.rules:
            if isinstance(rule, AlgebraicRule):
                continue
            if rule.target in ruled:
                raise DataError(f"{rule.target!r} follows two rules in network {self.id!r}")
            ruled.add(rule.target)
        assigned = {id: f"event {event.id!r}" for event in self.events for id in event.assignments}
        for id, by in {**dict.fromkeys(ruled, "a rule"), **assigned}.items():
            if id not in known:
                raise DataError(f"{by} changes {id!r}, which network {self.id!r} lacks")
        fixed = {one.id for one in self.compartments if one.is_constant}
        fixed |= {one.id for one in self.species if one.is_constant}
        fixed |= {one.id for one in self.parameters if one.is_constant}
        for id in (*ruled, *assigned):
            if id in fixed:
                raise DataError(
                    f"{id!r} is constant in network {self.id!r}, yet changes by a rule or an event"
                )
        for id in self.initial:
            if id not in known:
                raise DataError(
                    f"an initial value is given to {id!r}, which network {self.id!r} lacks"
                )


def _words(rule: Rule) -> str:
    return {AssignmentRule: "assignment rule", RateRule: "rate rule"}.get(
        type(rule), "algebraic rule"
    )
