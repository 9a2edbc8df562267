"""A population on its way: solved from event to event, every cell by itself, and recorded."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import final

import numpy as np
from numpy.typing import NDArray

from cellula.core.errors import EngineError
from cellula.models.mechanistic.events import Agenda, EventFormulas, Moment
from cellula.models.mechanistic.solver import Cells, Problem, SolverOptions, advance
from cellula.models.mechanistic.tape import Tape, evaluate

__all__ = ["Course", "Record"]

Floats = NDArray[np.float64]
#: Times that are closer, relative to the span of the simulation, are one time.
SAME_TIME = 1e-12


@final
@dataclass(frozen=True, slots=True)
class Record:
    """What is written down: states (cells, times, n) and parameters (cells, times, columns).

    columns: the parameters that change on the way, the only ones written down.
    """

    times: Floats
    states: Floats
    parameters: Floats
    columns: NDArray[np.intp]

    def write(self, cell: int, rows: slice, states: Floats, parameters: Floats) -> None:
        """Write down a cell at some times."""
        self.states[cell, rows] = states
        self.parameters[cell, rows] = parameters[self.columns]


@final
@dataclass(slots=True)
class Course:
    """Cells between start and end; advanced in place.

    held: what the parameters ``held_columns`` are set to when a cell has stopped.
    time: (cells,); states: (cells, n); parameters: (cells, m), the last of them the time of the
    next delayed event where there are events.
    """

    problem: Problem
    events: EventFormulas
    held: Tape
    held_columns: slice
    options: SolverOptions
    threads: int
    scales: Floats
    record: Record
    time: Floats
    states: Floats
    parameters: Floats
    agendas: list[Agenda]
    next: NDArray[np.int64] = field(init=False)
    stops: NDArray[np.int64] = field(init=False)

    def __post_init__(self) -> None:
        self.next = np.zeros(len(self.time), dtype=np.int64)
        self.stops = np.zeros(len(self.time), dtype=np.int64)

    @property
    def same(self) -> float:
        """How far apart times may be that are one time."""
        times = self.record.times
        return SAME_TIME * float(max(abs(times[0]), abs(times[-1])))

    def start(self) -> None:
        """Events at the start, then the first time is written down."""
        self.look(np.arange(len(self.time)), ahead=0.0)

    def to(self, end: int) -> None:
        """Advance all cells to the time of number ``end``.

        Raises EngineError, naming cell and time, where a cell cannot go on.
        """
        times = self.record.times[: end + 1]
        pending = np.flatnonzero(self.time < times[-1])
        while len(pending):
            self._advance(pending, times)
            self.look(pending, ahead=self.same)
            pending = pending[self.time[pending] < times[-1]]
            self.stops[pending] += 1
            self._check_stops(pending)

    def look(self, chosen: NDArray[np.intp], ahead: float) -> None:
        """Carry out what happens to cells at their time; write down what is there afterwards."""
        for cell in chosen:
            one = slice(cell, cell + 1)
            if self.agendas:
                now = Moment(
                    float(self.time[cell]),
                    float(self.time[cell] + ahead),
                    self.states[one],
                    self.parameters[one],
                )
                agenda = self.agendas[cell]
                agenda.carry_out(self.events, now)
                self.parameters[cell, -1] = agenda.next_time
            self._write_now(int(cell), ahead)
        columns = self.held_columns
        self.parameters[chosen, columns] = evaluate(
            self.held, self.time[chosen], self.states[chosen], self.parameters[chosen]
        )

    def _write_now(self, cell: int, ahead: float) -> None:
        times, time = self.record.times, self.time[cell]
        first = int(np.searchsorted(times, time - ahead, side="left"))
        last = int(np.searchsorted(times, time + ahead, side="right"))
        self.record.write(cell, slice(first, last), self.states[cell], self.parameters[cell])
        self.next[cell] = max(last, self.next[cell])

    def _advance(self, pending: NDArray[np.intp], times: Floats) -> None:
        before = self.next[pending]
        cells = Cells(
            self.time[pending],
            self.states[pending],
            self.parameters[pending],
            before,
            np.zeros(len(pending)),
            self.scales,
        )
        found = advance(self.problem, cells, times, self.options, self.threads)
        if found.failed.any():
            row = int(np.argmax(found.failed))
            raise EngineError(
                f"cell {pending[row]} has no solution beyond time {found.cells.time[row]:g}: "
                f"{found.word(row)}"
            )
        after = found.cells.following
        for row, cell in enumerate(pending):
            rows = slice(int(before[row]), int(after[row]))
            self.record.write(cell, rows, found.values[row, rows], self.parameters[cell])
        self.time[pending], self.states[pending] = found.cells.time, found.cells.states
        self.next[pending] = after

    def _check_stops(self, pending: NDArray[np.intp]) -> None:
        most = self.options.max_steps
        if len(pending) and self.stops[pending].max() > most:
            cell = int(pending[self.stops[pending].argmax()])
            raise EngineError(
                f"cell {cell} stopped {most} times for events or jumps by time "
                f"{self.time[cell]:g}; raise max_steps if the model means that"
            )
