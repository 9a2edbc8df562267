"""Logic models: every component has a few levels, and a rule for the level that it goes to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from cellula.core.errors import DataError
from cellula.core.expression import Expression, symbols

__all__ = ["Component", "LogicNetwork", "PerturbationTable", "SignedEdge", "SignedGraph"]


@dataclass(frozen=True, slots=True)
class Component:
    """A gene or protein whose level is 0 ... ``max_level``; Boolean where that is 1.

    target: the level that the component goes to, of the components' levels (comparisons,
    ``and``, ``or``, ``not``, ``piecewise``; a Boolean id by itself is true at level 1). None is
    an input: it stays where it is. initial: its level at the start, None where it may be any.
    """

    id: str
    target: Expression | None
    max_level: int = 1
    initial: int | None = None
    name: str = ""


@dataclass(frozen=True, slots=True)
class LogicNetwork:
    """Components under unique ids [kauffman1969]_ [thomas1991]_.

    rates: id -> (up, down), per time, for continuous time; 1 for those not named. Raises
    DataError on an id used twice, a rule that names none of them, a level out of range, or a rate
    that is none.
    """

    id: str
    components: tuple[Component, ...]
    rates: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        known = {one.id for one in self.components}
        if len(known) < len(self.components):
            ids = [one.id for one in self.components]
            twice = next(id for id in ids if ids.count(id) > 1)
            raise DataError(f"component {twice!r} stands twice in logic network {self.id!r}")
        for one in self.components:
            strange = [] if one.target is None else set(symbols(one.target)) - known
            if strange:
                raise DataError(
                    f"the rule of {one.id!r} names {min(strange)!r}, which logic network "
                    f"{self.id!r} lacks"
                )
            self._check_levels(one)
        for id, pair in self.rates.items():
            if id not in known or not all(0 <= rate < float("inf") for rate in pair):
                raise DataError(
                    f"logic network {self.id!r} gives {id!r} the rates {pair}; expected two "
                    "finite numbers that are not negative, for one of its components"
                )

    @staticmethod
    def _check_levels(one: Component) -> None:
        if one.max_level < 1 or not (one.initial is None or 0 <= one.initial <= one.max_level):
            raise DataError(
                f"component {one.id!r} starts at {one.initial} of {one.max_level} levels"
            )

    @property
    def ids(self) -> tuple[str, ...]:
        """The components in order."""
        return tuple(one.id for one in self.components)


@dataclass(frozen=True, slots=True)
class SignedEdge:
    """``source`` turns ``target`` on (sign 1) or off (sign -1)."""

    source: str
    sign: int
    target: str


@dataclass(frozen=True, slots=True)
class SignedGraph:
    """What is known beforehand of who acts on whom: a prior network [saezrodriguez2009]_.

    Raises DataError on a sign that is not 1 or -1, and on an edge that stands twice.
    """

    id: str
    edges: tuple[SignedEdge, ...]

    def __post_init__(self) -> None:
        seen: set[SignedEdge] = set()
        for edge in self.edges:
            if edge.sign not in (1, -1):
                raise DataError(
                    f"the edge from {edge.source!r} to {edge.target!r} has the sign {edge.sign}; "
                    "expected 1 or -1"
                )
            if edge in seen:
                raise DataError(f"the edge from {edge.source!r} to {edge.target!r} stands twice")
            seen.add(edge)

    @property
    def ids(self) -> tuple[str, ...]:
        """The nodes in the order in which the edges name them."""
        named = (id for edge in self.edges for id in (edge.source, edge.target))
        return tuple(dict.fromkeys(named))


@dataclass(frozen=True, slots=True)
class PerturbationTable:
    """What was measured under which cues, as MIDAS tables say it [saezrodriguez2008]_.

    stimuli, inhibitors: what was added, an inhibitor under the name of what it inhibits.
    stimulated: (conditions, stimuli), inhibited: (conditions, inhibitors), whether it was there.
    times: (times,) ascending. values: (conditions, times, readouts), not a number where it was
    not measured. Raises DataError where the shapes do not fit, a name stands twice, or times do
    not ascend.
    """

    stimuli: tuple[str, ...]
    inhibitors: tuple[str, ...]
    readouts: tuple[str, ...]
    stimulated: NDArray[np.bool_]
    inhibited: NDArray[np.bool_]
    times: NDArray[np.float64]
    values: NDArray[np.float64]

    def __post_init__(self) -> None:
        n = len(self.values)
        shapes = (
            ("stimulated", self.stimulated.shape, (n, len(self.stimuli))),
            ("inhibited", self.inhibited.shape, (n, len(self.inhibitors))),
            ("values", self.values.shape, (n, len(self.times), len(self.readouts))),
        )
        for name, found, expected in shapes:
            if found != expected:
                raise DataError(f"{name} has the shape {found}; expected {expected}")
        for names in (self.stimuli, self.inhibitors, self.readouts):
            twice = next((name for name in names if names.count(name) > 1), None)
            if twice is not None:
                raise DataError(f"{twice!r} stands twice among {', '.join(names)}")
        if not (np.diff(self.times) > 0).all():
            raise DataError("the times of a table of perturbations do not ascend")

    def __len__(self) -> int:
        return len(self.values)
