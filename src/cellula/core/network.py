"""The intermediate form of a mechanistic model: what reacts with what, how fast, where."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from cellula.core.errors import DataError

__all__ = ["Compartment", "Event", "Network", "Parameter", "Reaction", "Rule", "Species"]


@dataclass(frozen=True, slots=True)
class Compartment:
    """A well-stirred volume; size in litres."""

    id: str
    size: float = 1.0


@dataclass(frozen=True, slots=True)
class Species:
    """Something that reacts; initial concentration in mol/l of its compartment."""

    id: str
    compartment: str
    initial: float = 0.0
    is_constant: bool = False


@dataclass(frozen=True, slots=True)
class Parameter:
    """A named number, in the unit that the rate expressions expect."""

    id: str
    value: float
    is_constant: bool = True


@dataclass(frozen=True, slots=True)
class Reaction:
    """Reactants to products at a rate; ``rate`` is an infix expression over ids (amount/s)."""

    id: str
    reactants: Mapping[str, float]
    products: Mapping[str, float]
    rate: str


@dataclass(frozen=True, slots=True)
class Rule:
    """``target`` follows ``expression``: its value (assignment), its rate, or 0 (algebraic)."""

    kind: str
    target: str
    expression: str


@dataclass(frozen=True, slots=True)
class Event:
    """When ``trigger`` turns true, after ``delay_s``, the targets take the values."""

    id: str
    trigger: str
    assignments: Mapping[str, str]
    delay_s: float = 0.0
    priority: float = 0.0
    is_persistent: bool = True


@dataclass(frozen=True, slots=True)
class Network:
    """Compartments, species, parameters, reactions, rules and events under unique ids.

    Raises DataError on an id that is used twice or a reaction that names an unknown species.
    """

    id: str
    compartments: tuple[Compartment, ...]
    species: tuple[Species, ...]
    parameters: tuple[Parameter, ...] = ()
    reactions: tuple[Reaction, ...] = ()
    rules: tuple[Rule, ...] = ()
    events: tuple[Event, ...] = ()
    functions: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        seen: set[str] = set()
        ids = [part.id for part in self.compartments] + [part.id for part in self.species]
        ids += [part.id for part in self.parameters] + [part.id for part in self.reactions]
        for id in ids:
            if id in seen:
                raise DataError(f"id {id!r} is used twice in network {self.id!r}")
            seen.add(id)
        known = {species.id for species in self.species}
        for reaction in self.reactions:
            unknown = [id for id in (*reaction.reactants, *reaction.products) if id not in known]
            if unknown:
                raise DataError(
                    f"reaction {reaction.id!r} names {unknown[0]!r}, which is no species of "
                    f"network {self.id!r}"
                )
