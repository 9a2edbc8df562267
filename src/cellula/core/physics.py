"""A declared physical problem: equations in time, and in one place, with data and unknowns.

Every field u follows du/dt = D d2u/dx2 + f, where D and f are expressions of fields, parameters,
unknowns, the time and the place; without a place it is an ordinary differential equation. The
problem says nothing of how it is solved.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from cellula.core.errors import DataError
from cellula.core.expression import FUNCTIONS, Apply, Expression, Symbol, walk

__all__ = ["PLACE", "Boundary", "Field", "LearnedTerm", "Measured", "PhysicsProblem", "Unknown"]

#: The place, as expressions of a problem with a place name it.
PLACE = Symbol("x")
#: What looks at other times or has no derivative: not in an equation that is differentiated.
REFUSED = frozenset(("delay", "rate_of", "factorial"))


@dataclass(frozen=True, slots=True)
class Boundary:
    """At an end of the place: the ``value`` of the field, or its slope du/dx, over time."""

    kind: Literal["value", "slope"]
    expression: Expression


@dataclass(frozen=True, slots=True)
class Field:
    """An unknown function of time (and place).

    rate: f, all of du/dt but diffusion. diffusion: D, None for none. initial: at the first time,
    of the place, parameters and unknowns. left, right: needed where there is diffusion. exact:
    the solution where it is known, for comparison only. scale: how large the field gets, in its
    own unit; None takes it from what is declared.
    """

    id: str
    rate: Expression
    initial: Expression
    diffusion: Expression | None = None
    left: Boundary | None = None
    right: Boundary | None = None
    exact: Expression | None = None
    scale: float | None = None


@dataclass(frozen=True, slots=True)
class Unknown:
    """A parameter to be found between bounds; ``is_log``: sought on a logarithmic scale."""

    id: str
    lower: float
    upper: float
    is_log: bool = False


@dataclass(frozen=True, slots=True)
class LearnedTerm:
    """A function of fields that nobody knows: rates name it by its id, a network learns it."""

    id: str
    inputs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Measured:
    """A field measured at a time (and place), with the standard deviation of its error."""

    field: str
    time: float
    value: float
    sigma: float
    place: float | None = None


@dataclass(frozen=True, slots=True)
class PhysicsProblem:
    """Fields, what is known and unknown of them, and data.

    time: first and last. place: left and right end, None for an ordinary differential equation.
    Raises DataError on an id used twice or declared nowhere, a boundary condition that is
    missing or has no meaning, bounds that are none, and data outside of the domain.
    """

    id: str
    fields: tuple[Field, ...]
    time: tuple[float, float]
    place: tuple[float, float] | None = None
    parameters: Mapping[str, float] = field(default_factory=dict)
    unknowns: tuple[Unknown, ...] = ()
    learned: tuple[LearnedTerm, ...] = ()
    data: tuple[Measured, ...] = ()

    def __post_init__(self) -> None:
        self._check_domain()
        self._check_ids()
        for one in self.fields:
            self._check_boundaries(one)
        for where, expression, known in self._expressions():
            self._check_expression(where, expression, known)
        self._check_unknowns()
        for place, measured in enumerate(self.data):
            self._check_measured(place, measured)

    @property
    def ids(self) -> tuple[str, ...]:
        """The fields in order."""
        return tuple(one.id for one in self.fields)

    def of(self, id: str) -> Field:
        """The field of this id; DataError where there is none."""
        found = next((one for one in self.fields if one.id == id), None)
        if found is None:
            raise DataError(f"problem {self.id!r} has no field {id!r}; it has {_list(self.ids)}")
        return found

    # -- checks --------------------------------------------------------------------------------
    def _check_domain(self) -> None:
        for name, pair in (("time", self.time), ("place", self.place)):
            if pair is not None and not (-math.inf < pair[0] < pair[1] < math.inf):
                raise DataError(
                    f"the {name} of problem {self.id!r} is {pair}; expected two finite numbers "
                    "that ascend"
                )
        if not self.fields:
            raise DataError(f"problem {self.id!r} has no field; declare what is to be solved for")

    def _check_ids(self) -> None:
        own = {"x"} if self.place is not None else set[str]()
        sought = (*(one.id for one in self.unknowns), *(one.id for one in self.learned))
        for id in (*self.ids, *sought, *self.parameters):
            if id in own:
                raise DataError(f"id {id!r} is used twice in problem {self.id!r}")
            own.add(id)
        for one in self.learned:
            strange = [id for id in one.inputs if id not in {*self.ids, *self._places}]
            if strange or not one.inputs:
                raise DataError(
                    f"the learned term {one.id!r} depends on {strange or 'nothing'}; expected "
                    f"some of the fields {_list((*self.ids, *self._places))}"
                )

    @property
    def _places(self) -> frozenset[str]:
        return frozenset() if self.place is None else frozenset(("x",))

    def _check_boundaries(self, one: Field) -> None:
        sides = (("left", one.left), ("right", one.right))
        if one.diffusion is None or self.place is None:
            extra = [name for name, side in sides if side is not None]
            if extra or (one.diffusion is not None):
                raise DataError(
                    f"field {one.id!r} has {'a boundary condition' if extra else 'diffusion'}, "
                    f"and {'no diffusion' if one.diffusion is None else 'the problem no place'}; "
                    "declare both or neither"
                )
            return
        missing = [name for name, side in sides if side is None]
        if missing:
            raise DataError(
                f"field {one.id!r} diffuses and has no boundary condition on the "
                f"{' and the '.join(missing)}; give the value or the slope there"
            )

    def _expressions(self) -> Iterator[tuple[str, Expression, frozenset[str]]]:
        still = frozenset((*self.parameters, *(one.id for one in self.unknowns)))
        everywhere = still | self._places
        moving = everywhere | {*self.ids, *(one.id for one in self.learned)}
        for one in self.fields:
            yield f"the rate of {one.id!r}", one.rate, moving
            yield f"the initial value of {one.id!r}", one.initial, everywhere
            if one.diffusion is not None:
                yield f"the diffusion of {one.id!r}", one.diffusion, still
            if one.exact is not None:
                yield f"the exact solution of {one.id!r}", one.exact, everywhere
            for name, side in (("left", one.left), ("right", one.right)):
                if side is not None:
                    yield f"the {name} boundary of {one.id!r}", side.expression, still

    def _check_expression(self, where: str, expression: Expression, known: frozenset[str]) -> None:
        for node in walk(expression):
            if isinstance(node, Symbol) and node.id not in known:
                raise DataError(
                    f"{where} names {node.id!r}, which problem {self.id!r} has not declared there; "
                    f"expected one of {_list(sorted(known))}, or declare it a parameter or unknown"
                )
            if isinstance(node, Apply) and (
                node.function in REFUSED or node.function not in FUNCTIONS
            ):
                raise DataError(f"{where} uses {node.function!r}, which has no derivative here")

    def _check_unknowns(self) -> None:
        for one in self.unknowns:
            is_ordered = -math.inf < one.lower < one.upper < math.inf
            if not is_ordered or (one.is_log and one.lower <= 0):
                positive = "positive and " if one.is_log else ""
                raise DataError(
                    f"unknown {one.id!r} lies between {one.lower:g} and {one.upper:g}; expected "
                    f"bounds that are {positive}finite and ascend"
                )

    def _check_measured(self, row: int, one: Measured) -> None:
        what = f"measurement {row + 1} of problem {self.id!r}"
        if one.field not in self.ids:
            raise DataError(f"{what} is of {one.field!r}; expected a field: {_list(self.ids)}")
        if not self.time[0] <= one.time <= self.time[1]:
            raise DataError(
                f"{what} is at time {one.time:g}, outside of the domain "
                f"{self.time[0]:g} to {self.time[1]:g}"
            )
        if (one.place is None) != (self.place is None):
            raise DataError(
                f"{what} has {'no' if one.place is None else 'a'} place, unlike the problem"
            )
        if self.place is not None and not self.place[0] <= (one.place or 0.0) <= self.place[1]:
            raise DataError(
                f"{what} is at place {one.place:g}, outside of the domain "
                f"{self.place[0]:g} to {self.place[1]:g}"
            )
        if not (math.isfinite(one.value) and 0 < one.sigma < math.inf):
            raise DataError(
                f"{what} has the value {one.value:g} and sigma {one.sigma:g}; expected finite "
                "numbers, sigma positive"
            )


def _list(ids: Iterable[str]) -> str:
    return ", ".join(ids) or "none"
