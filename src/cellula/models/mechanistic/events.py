"""Events of a cell: which are triggered, which are due, which of those goes first.

SBML's order of things at one time [hucka2003]_: triggers that turn true put their events on the
agenda; of the events that are due the one of highest priority is carried out, then triggers are
looked at again, until nothing is due. Events without a priority come after those with one;
equal ones go in a pseudo-random order, the same in every cell and every run.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import final

import numpy as np
from numpy.typing import NDArray

from cellula.core.errors import EngineError
from cellula.core.expression import Expression, Number
from cellula.core.network import Event
from cellula.models.mechanistic.setting import Setting, setting
from cellula.models.mechanistic.system import System
from cellula.models.mechanistic.tape import Tape, evaluate, tape

__all__ = ["Agenda", "EventFormulas", "Moment", "event_formulas"]

Floats = NDArray[np.float64]
#: More events than that at one time, in one cell, are a loop without end.
MOST_AT_ONCE = 10_000
#: Seed of the order of events that are equal in time and priority.
ORDER_SEED = 20_260
ZERO, LAST = Number(0.0), Number(-np.inf)


@final
@dataclass(frozen=True, slots=True)
class EventFormulas:
    """The events' formulas, one output an event; what each assigns, and where that goes."""

    events: tuple[Event, ...]
    triggers: Tape
    delays: Tape
    priorities: Tape
    assigned: tuple[Tape, ...]
    settings: tuple[Setting, ...]

    def truths(self, time: Floats | float, states: Floats, parameters: Floats) -> NDArray[np.bool_]:
        """Whether each trigger is true: (cells, events); what is not a number is false."""
        values = evaluate(self.triggers, time, states, parameters)
        return np.asarray((values != 0) & ~np.isnan(values))


def event_formulas(system: System) -> EventFormulas:
    """The events of a system as tapes."""

    def on_tape(formulas: Sequence[Expression]) -> Tape:
        return tape(formulas, system.states, system.parameters)

    events = system.events
    return EventFormulas(
        events,
        on_tape([event.trigger for event in events]),
        on_tape([event.delay or ZERO for event in events]),
        on_tape([event.priority or LAST for event in events]),
        tuple(on_tape(list(event.assignments.values())) for event in events),
        tuple(setting(system, list(e.assignments), f"event {e.id!r}") for e in events),
    )


@final
@dataclass(frozen=True, slots=True)
class Moment:
    """A cell at one time: states (1, n) and parameters (1, m) are written in place.

    after: a time just later, at which triggers are looked at, so that those of one time are
    seen together. settle: brings what follows from algebraic equations in line, after a change.
    """

    time: float
    after: float
    states: Floats
    parameters: Floats
    settle: Callable[[], None]

    def values(self, formulas: Tape) -> Floats:
        """The outputs of a tape now."""
        return np.asarray(evaluate(formulas, self.time, self.states, self.parameters)[0])


@final
@dataclass(frozen=True, slots=True, eq=False)
class Due:
    """An event to be carried out at a time, with its values where they are known by now."""

    time: float
    event: int
    values: Floats | None


@final
@dataclass(slots=True)
class Agenda:
    """What a cell has before it."""

    was_true: NDArray[np.bool_]
    due: list[Due] = field(default_factory=list)
    order: np.random.Generator | None = None

    @property
    def next_time(self) -> float:
        """When the next event is due; infinite where none is."""
        return min((one.time for one in self.due), default=np.inf)

    def carry_out(self, formulas: EventFormulas, now: Moment) -> bool:
        """All that happens at one time; whether any event was carried out.

        Raises EngineError, naming the event, where it never ends or a delay is negative.
        """
        for count in range(MOST_AT_ONCE):
            self._look(formulas, now)
            ready = [one for one in self.due if one.time <= now.after]
            if not ready:
                return count > 0
            chosen = self._first(ready, formulas, now)
            self.due.remove(chosen)
            values = chosen.values
            if values is None:
                values = now.values(formulas.assigned[chosen.event])
            formulas.settings[chosen.event].put(
                np.array([now.time]), now.states, now.parameters, values[None, :]
            )
            now.settle()
        raise EngineError(
            f"event {formulas.events[chosen.event].id!r} goes off without end at time "
            f"{now.time:g}: {MOST_AT_ONCE} events at one time; give it a delay or a trigger "
            "that its own assignments turn false"
        )

    def _look(self, formulas: EventFormulas, now: Moment) -> None:
        """Put what turned true on the agenda, and off it what turned false and gives up."""
        is_true = formulas.truths(now.after, now.states, now.parameters)[0]
        risen, fallen = is_true & ~self.was_true, self.was_true & ~is_true
        self.was_true = is_true
        if fallen.any():
            self.due = [
                one for one in self.due
                if formulas.events[one.event].is_persistent or not fallen[one.event]
            ]  # fmt: skip
        if risen.any():
            delays = now.values(formulas.delays)
            for event in np.flatnonzero(risen):
                self.due.append(self._planned(int(event), float(delays[event]), formulas, now))

    @staticmethod
    def _planned(event: int, delay: float, formulas: EventFormulas, now: Moment) -> Due:
        one = formulas.events[event]
        if not delay >= 0:
            raise EngineError(
                f"the delay of event {one.id!r} is {delay:g} at time {now.time:g}; "
                "expected 0 or more"
            )
        values = now.values(formulas.assigned[event]) if one.uses_trigger_values else None
        return Due(now.time + delay, event, values)

    def _first(self, ready: list[Due], formulas: EventFormulas, now: Moment) -> Due:
        if len(ready) == 1:
            return ready[0]
        priorities = np.nan_to_num(now.values(formulas.priorities), nan=-np.inf)
        of_each = [priorities[one.event] for one in ready]
        highest = [one for one, own in zip(ready, of_each, strict=True) if own == max(of_each)]
        if len(highest) == 1:
            return highest[0]
        if self.order is None:
            self.order = np.random.default_rng(ORDER_SEED)
        return highest[int(self.order.integers(len(highest)))]
