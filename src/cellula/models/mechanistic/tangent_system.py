"""A system with its forward sensitivities: equations of how states move with parameters.

With s = dy/dq along a direction q of the parameters and the start, s' = (df/dy) s + (df/dp) dp/dq,
exact, as a system like any other: so the solver controls the error of s too, and every cell may
have directions of its own. Where a root that depends on q stops a cell, its time moves, and s
jumps [galan1999]_.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import final

from cellula.core.derivative import Gradient, gradients
from cellula.core.errors import EngineError
from cellula.core.expression import Expression, Number, Symbol
from cellula.core.network import Event, Network
from cellula.core.simplified import product, total
from cellula.models.mechanistic.events import EventFormulas, event_formulas
from cellula.models.mechanistic.problem import Problem, problem
from cellula.models.mechanistic.system import System, Target, system_of
from cellula.models.mechanistic.tape import Tape, tape

__all__ = ["Tangent", "slope_name", "tangent"]


def slope_name(name: str, number: int) -> str:
    """The derivative of a state, a parameter or an id along the direction of a number."""
    return f"slope {number} of {name}"


@final
@dataclass(frozen=True, slots=True)
class Tangent:
    """A network's system with ``n`` directions beside every cell.

    Its states: the differential ones, their slopes along the first direction, along the second,
    ..., then the algebraic ones likewise. free: parameters that have slopes, the first of the
    system's parameters; their slopes follow, then those of the time of a stop. held: the tape of
    the conditions in derivatives. observed: of the ids ``told``, then of their slopes along the
    first direction, and so on. crossing: of every root function its rate along the course and
    its slopes. start: the derivatives of what gives the values at the start.
    """

    n: int
    plain: System
    system: System
    free: tuple[str, ...]
    problem: Problem
    events: EventFormulas
    held: Tape
    told: tuple[str, ...]
    observed: Tape
    crossing: Tape
    start: dict[str, Gradient]

    @property
    def n_differential(self) -> int:
        """Differential states of the plain system."""
        return len(self.plain.states) - self.plain.n_algebraic


def tangent(network: Network, told: Sequence[str], n: int) -> Tangent:
    """The system of a network with n directions, which tells the ids ``told``.

    Raises DataError and EngineError as :func:`~cellula.models.mechanistic.system.system_of`
    does, and EngineError where there is no sensitivity here: with delays, with delayed events,
    and with conditions on what algebraic rules determine.
    """
    plain = system_of(network)
    if n:
        _require_smooth(plain)
    made = _Made(plain, n, tuple(told))
    system = made.system()
    names = system.states, system.parameters
    observed = [plain.observed[id] for id in made.told]
    slopes = [made.slopes(observed, k) for k in range(n)]
    return Tangent(
        n,
        plain,
        system,
        made.free,
        problem(*names, system.derivatives, system.n_algebraic, system.roots),
        event_formulas(system),
        tape(list(system.held.values()), *names),
        made.told,
        tape([*observed, *(one for own in slopes for one in own)], *names),
        tape(list(made.crossing()), *names),
        dict(zip(plain.start, gradients(tuple(plain.start.values()), plain.start), strict=True)),
    )


def _require_smooth(system: System) -> None:
    if system.delays:
        raise EngineError(f"network {system.network.id!r} has delays, which have no slopes here")
    for event in system.events:
        if event.delay not in (None, Number(0.0)):
            raise EngineError(
                f"event {event.id!r} of network {system.network.id!r} has a delay, which has no "
                "slopes here"
            )
    algebraic = system.states[len(system.states) - system.n_algebraic :]
    if any(set(algebraic).intersection(one) for one in gradients(system.roots, algebraic)):
        raise EngineError(
            f"network {system.network.id!r} has a condition on what an algebraic rule "
            "determines, which has no slopes here"
        )


@final
@dataclass(frozen=True, slots=True)
class _Made:
    """What a system becomes with n directions."""

    plain: System
    n: int
    told: tuple[str, ...]

    @property
    def free(self) -> tuple[str, ...]:
        """Parameters but those that stand for conditions and the time of the next event."""
        after = len(self.plain.held) + bool(self.plain.events)
        return self.plain.parameters[: len(self.plain.parameters) - after]

    def system(self) -> System:
        """The system with slopes."""
        plain, first = self.plain, len(self.plain.states) - self.plain.n_algebraic
        events = tuple(map(self._event, plain.events))
        assigned = [id for event in events for id in event.assignments if id not in plain.observed]
        return replace(
            plain,
            states=(*self._named(plain.states[:first]), *self._named(plain.states[first:])),
            parameters=(
                *self._named(self.free),
                *(slope_name("time", k) for k in range(self.n)),
                *plain.parameters[len(self.free) :],
            ),
            derivatives=(
                *self._with_slopes(plain.derivatives[:first]),
                *self._with_slopes(plain.derivatives[first:]),
            ),
            n_algebraic=(1 + self.n) * plain.n_algebraic,
            observed={**plain.observed, **{name: Symbol(name) for name in assigned}},
            events=events,
            targets={**plain.targets, **{name: Target(name) for name in assigned}},
        )

    def slopes(self, formulas: Sequence[Expression], number: int) -> list[Expression]:
        """The slope of every formula along a direction, the time held."""
        found = gradients(formulas, (*self.plain.states, *self.free))
        return [_along(one, number) for one in found]

    def crossing(self) -> Iterator[Expression]:
        """Of every root its rate along the course, then its slopes."""
        plain = self.plain
        rates = dict(zip(plain.states, plain.derivatives, strict=True))
        for one in gradients(plain.roots, (*plain.states, *self.free, None)):
            moved = [product(part, rates[id]) for id, part in one.items() if id in rates]
            yield total(one.get(None, Number(0.0)), *moved)
            for k in range(self.n):
                yield _along({id: part for id, part in one.items() if id is not None}, k)

    def _named(self, names: Sequence[str]) -> tuple[str, ...]:
        return (*names, *(slope_name(name, k) for k in range(self.n) for name in names))

    def _with_slopes(self, formulas: Sequence[Expression]) -> list[Expression]:
        slopes = [one for k in range(self.n) for one in self.slopes(formulas, k)]
        return [*formulas, *slopes]

    def _event(self, event: Event) -> Event:
        """An event that sets slopes too; the time of the event has slopes of its own."""
        targets = [self.plain.targets.get(id) for id in event.assignments]
        assignments = dict(event.assignments)
        for target, given in zip(targets, event.assignments.values(), strict=True):
            if target is None:
                continue  # named where the events are made
            value = given if target.factor is None else product(target.factor, given)
            found = gradients((value,), (*self.plain.states, *self.free, None))[0]
            for k in range(self.n):
                moved = product(found.get(None, Number(0.0)), Symbol(slope_name("time", k)))
                own = _along({id: part for id, part in found.items() if id is not None}, k)
                assignments[slope_name(target.name, k)] = total(own, moved)
        return replace(event, assignments=assignments)


def _along(gradient: Gradient, number: int) -> Expression:
    """A gradient times the slopes of what it is by."""
    return total(
        *(
            product(part, Symbol(slope_name(id, number)))
            for id, part in gradient.items()
            if id is not None
        )
    )
