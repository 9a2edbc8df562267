"""Attractors of logic networks: all of them, for all values of the inputs, counted and listed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias, final

import numpy as np
from numpy.typing import NDArray

from cellula.core.errors import DataError
from cellula.core.logic import LogicNetwork
from cellula.kernels.decision_diagram import (
    AND,
    WITHOUT,
    Diagram,
    assignments,
    combined,
    conjunction,
    count,
    is_false,
    literal,
    projected,
)
from cellula.models.mechanistic.asynchronous_graph import AsynchronousGraph
from cellula.models.mechanistic.logic_form import LogicForm, checked_level, logic_form
from cellula.models.mechanistic.synchronous_graph import SynchronousGraph

__all__ = ["Attractor", "Attractors", "attractors"]

Kind: TypeAlias = Literal["fixed point", "cycle", "complex"]


@final
@dataclass(frozen=True, slots=True)
class Attractor:
    """States that the network, once in them, does not leave and visits again and again.

    kind: one state, a cycle (synchronous), or any other set (asynchronous). inputs: the levels of
    the inputs it is there for. levels: component -> the levels that it takes, ascending.
    """

    kind: Kind
    inputs: Mapping[str, int]
    levels: Mapping[str, tuple[int, ...]]
    n_states: int
    form: LogicForm
    diagram: Diagram

    def states(self, limit: int = 10_000) -> NDArray[np.int64]:
        """Its states: (states, components), in the order of the network's ids.

        Raises DataError where there are more than ``limit``.
        """
        if self.n_states > limit:
            raise DataError(
                f"the attractor has {self.n_states:,} states, more than the limit of {limit:,}; "
                "raise the limit or look at its levels"
            )
        rows = assignments(self.diagram, range(len(self.form.owners)))
        return np.array([self.form.levels(row) for row in rows], np.int64)


@final
@dataclass(frozen=True, slots=True)
class Attractors:
    """All attractors of a network under one update.

    inputs: the components that are free inputs; every attractor belongs to one value of them all.
    steady: the fixed points. families: the other attractors, each diagram one attractor for every
    value of the inputs that it holds.
    """

    network: LogicNetwork
    update: Literal["synchronous", "asynchronous"]
    inputs: tuple[str, ...]
    form: LogicForm
    steady: Diagram
    families: tuple[Diagram, ...]

    @property
    def n_fixed_points(self) -> int:
        """How many fixed points there are, over all values of the inputs."""
        return count(self.steady, range(len(self.form.owners)))

    @property
    def n_complex(self) -> int:
        """How many other attractors there are, over all values of the inputs."""
        return sum(count(self._inputs_of(one), self._input_bits()) for one in self.families)

    @property
    def n_complex_states(self) -> int:
        """The states of all attractors that are no fixed points."""
        return sum(count(one, range(len(self.form.owners))) for one in self.families)

    def __iter__(self) -> Iterator[Attractor]:
        """Every attractor of every value of the inputs, fixed points first.

        There may be more than anyone can list: look at ``n_fixed_points`` and ``n_complex``.
        """
        everything = range(len(self.form.owners))
        for state in assignments(self.steady, everything):
            yield self._attractor("fixed point", _cube(everything, state))
        for family in self.families:
            bits = self._input_bits()
            for values in assignments(self._inputs_of(family), bits):
                one = combined(family, _cube(bits, values), AND)
                yield self._attractor(self._kind(), one)

    def of(self, inputs: Mapping[str, int]) -> tuple[Attractor, ...]:
        """The attractors for some values of the inputs, by id; inputs not named stay free.

        Raises DataError on an id that is no free input, or a level that it does not have.
        """
        strange = set(inputs) - set(self.inputs)
        if strange:
            raise DataError(
                f"{min(strange)!r} is no free input of {self.network.id!r}; it has "
                f"{', '.join(self.inputs) or 'none'}"
            )
        where = _held(self.form, inputs)
        families = (combined(family, where, AND) for family in self.families)
        narrowed = replace(
            self,
            steady=combined(self.steady, where, AND),
            families=tuple(family for family in families if not is_false(family)),
        )
        return tuple(narrowed)

    def _kind(self) -> Kind:
        return "cycle" if self.update == "synchronous" else "complex"

    def _input_bits(self) -> tuple[int, ...]:
        return self.form.bits([self.form.network.ids.index(id) for id in self.inputs])

    def _inputs_of(self, family: Diagram) -> Diagram:
        free = set(self._input_bits())
        return projected(family, [b for b in range(len(self.form.owners)) if b not in free])

    def _attractor(self, kind: Kind, diagram: Diagram) -> Attractor:
        taken: dict[str, tuple[int, ...]] = {}
        for at, one in enumerate(self.network.components):
            found = (
                level
                for level in range(one.max_level + 1)
                if not is_false(combined(diagram, self.form.at_level(at, level), AND))
            )
            taken[one.id] = tuple(found)
        inputs = {id: taken[id][0] for id in self.inputs}
        n_states = count(diagram, range(len(self.form.owners)))
        return Attractor(kind, inputs, taken, n_states, self.form, diagram)


def attractors(
    network: LogicNetwork,
    update: Literal["synchronous", "asynchronous"] = "asynchronous",
    held: Mapping[str, int] | None = None,
) -> Attractors:
    """All attractors of a network, found symbolically [garg2008]_ [bryant1986]_.

    update: all components move at once, or one at a time; either way a level moves by one.
    held: components, inputs among them, that are held at a level, as a knock-out or a stimulus
    does; an input not named is free, and the answer covers every value of it. Raises DataError
    on an unknown id, a level out of range or a rule that gives no level; EngineError where the
    sets of states are too irregular to be held in memory.
    """
    held = held or {}
    for id, level in held.items():
        checked_level(network, id, level)
    kept = tuple(replace(one, target=None) if one.id in held else one for one in network.components)
    form = logic_form(replace(network, components=kept))
    moving = form.bits([at for at, one in enumerate(kept) if one.target is not None])
    everything = combined(form.admissible, _held(form, held), AND)
    asynchronous = AsynchronousGraph(form, moving)
    steady = asynchronous.steady(everything)
    if update == "asynchronous":
        rest = combined(everything, asynchronous.reaching(steady, everything), WITHOUT)
        families = tuple(asynchronous.complex_attractors(rest))
    else:
        synchronous = SynchronousGraph.of(form, moving)
        rest = combined(synchronous.recurrent(everything), steady, WITHOUT)
        families = tuple(synchronous.cycles(rest))
    inputs = tuple(one.id for one in kept if one.target is None and one.id not in held)
    return Attractors(network, update, inputs, form, steady, families)


def _held(form: LogicForm, levels: Mapping[str, int]) -> Diagram:
    """The states in which components have given levels."""
    places = (checked_level(form.network, id, level) for id, level in levels.items())
    return conjunction(form.at_level(at, level) for at, level in places)


def _cube(bits: tuple[int, ...] | range, values: tuple[bool, ...]) -> Diagram:
    """The one assignment."""
    return conjunction(
        literal(bit, value) for bit, value in zip(reversed(bits), reversed(values), strict=True)
    )
