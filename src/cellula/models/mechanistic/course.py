"""A population on its way: solved from event to event, every cell by itself, and recorded."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import final

import numpy as np
from numpy.typing import NDArray

from cellula.core.errors import EngineError, NotConverged
from cellula.models.mechanistic.consistency import consistent
from cellula.models.mechanistic.events import Agenda, EventFormulas, Moment
from cellula.models.mechanistic.past import Past
from cellula.models.mechanistic.solver import Cells, Problem, SolverOptions, advance
from cellula.models.mechanistic.stretch import Stretches
from cellula.models.mechanistic.tape import Tape, evaluate
from cellula.models.mechanistic.turning import Turning

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
    next delayed event where there are events. first: the number of the first cell in its
    population, for messages. turning: what moves slopes where a cell stops, where it has any.
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
    stretches: Stretches | None = None
    first: int = 0
    turning: Turning | None = None
    pasts: list[Past] = field(init=False)
    next: NDArray[np.int64] = field(init=False)
    stops: NDArray[np.int64] = field(init=False)

    def __post_init__(self) -> None:
        self.next = np.zeros(len(self.time), dtype=np.int64)
        self.stops = np.zeros(len(self.time), dtype=np.int64)
        self.pasts = []

    @property
    def same(self) -> float:
        """How far apart times may be that are one time."""
        times = self.record.times
        return SAME_TIME * float(max(abs(times[0]), abs(times[-1])))

    def start(self) -> None:
        """Events at the start, then the first time is written down."""
        self._settle(np.arange(len(self.time)))
        if self.stretches is not None:
            self.pasts = [
                self.stretches.past(self.states[k : k + 1], self.parameters[k : k + 1])
                for k in range(len(self.time))
            ]
        self.look(np.arange(len(self.time)), ahead=0.0)

    def to(self, end: int) -> None:
        """Advance all cells to the time of number ``end``.

        Raises EngineError, naming cell and time, where a cell cannot go on.
        """
        times = self.record.times[: end + 1]
        pending = np.flatnonzero(self.time < times[-1])
        while len(pending):
            if self.stretches is None:
                self._advance(pending, times)
            else:
                self._stretch(self.stretches, pending, times)
            self.look(pending, ahead=self.same)
            if self.turning is not None:
                for cell in self.turning.after(self.time, self.states, self.parameters):
                    self._write_now(int(cell), self.same)
            late = times[-1] - self.time[pending] <= self.same
            self.time[pending[late]] = times[-1]
            pending = pending[~late]
            self.stops[pending] += 1
            self._check_stops(pending)

    def _settle(self, chosen: NDArray[np.intp]) -> None:
        """What is held and what algebraic equations determine, as cells are now."""
        self._hold(chosen)
        if not self.problem.n_algebraic:
            return
        try:
            self.states[chosen] = self._consistent(chosen)
        except NotConverged as error:
            if len(chosen) == 1:
                raise NotConverged(f"cell {self.first + chosen[0]}, alone: {error}") from error
            for cell in chosen:  # so that the error names the cell
                self._settle(np.array([cell]))
            raise
        self._hold(chosen)

    def _hold(self, chosen: NDArray[np.intp]) -> None:
        self.parameters[chosen, self.held_columns] = evaluate(
            self.held, self.time[chosen], self.states[chosen], self.parameters[chosen]
        )

    def _consistent(self, chosen: NDArray[np.intp]) -> Floats:
        return consistent(self.problem, self._cells(chosen)).states

    def _cells(self, chosen: NDArray[np.intp]) -> Cells:
        return Cells(
            self.time[chosen],
            self.states[chosen],
            self.parameters[chosen],
            self.next[chosen],
            np.zeros(len(chosen)),
            self.scales,
        )

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
                    partial(self._settle, np.array([cell])),
                )
                agenda = self.agendas[cell]
                agenda.carry_out(self.events, now)
                self.parameters[cell, -1] = agenda.next_time
            self._write_now(int(cell), ahead)
        self._settle(chosen)

    def _write_now(self, cell: int, ahead: float) -> None:
        rows = self._rows(self.time[cell], ahead)
        self.record.write(cell, rows, self.states[cell], self.parameters[cell])
        self.next[cell] = max(rows.stop, self.next[cell])

    def _rows(self, time: float, ahead: float) -> slice:
        """Of the times to be written down those that are this one."""
        times = self.record.times
        first = int(np.searchsorted(times, time - ahead, side="left"))
        return slice(first, int(np.searchsorted(times, time + ahead, side="right")))

    def _advance(self, pending: NDArray[np.intp], times: Floats) -> None:
        before = self.next[pending]
        found = advance(self.problem, self._cells(pending), times, self.options, self.threads)
        if found.failed.any():
            row = int(np.argmax(found.failed))
            raise EngineError(
                f"cell {self.first + pending[row]} has no solution beyond time "
                f"{found.cells.time[row]:g}: {found.word(row)}"
            )
        after = found.cells.following
        for row, cell in enumerate(pending):
            rows = slice(int(before[row]), int(after[row]))
            self.record.write(cell, rows, found.values[row, rows], self.parameters[cell])
        self.time[pending], self.states[pending] = found.cells.time, found.cells.states
        self.next[pending] = after
        if self.turning is not None:
            self._turn(self.turning, pending, found.changed)

    def _turn(
        self, turning: Turning, pending: NDArray[np.intp], changed: NDArray[np.bool_]
    ) -> None:
        states, parameters = self.states[pending], self.parameters[pending]
        turning.before(self.time[pending], states, parameters, changed)
        self.states[pending], self.parameters[pending] = states, parameters

    def _stretch(self, by: Stretches, pending: NDArray[np.intp], times: Floats) -> None:
        """Advance cells with delays, one after the other, as far as each can go at once."""
        for cell in pending:
            one = slice(cell, cell + 1)
            first, begin = int(self.next[cell]), self.time[cell]
            before = self.states[cell].copy()
            try:
                reached = by.advance(
                    self.pasts[cell], float(self.time[cell]), self.states[one],
                    self.parameters[one], times[first:],
                )  # fmt: skip
            except EngineError as error:
                raise EngineError(f"cell {self.first + cell}: {error}") from error
            if begin > by.begin:  # a jump of a delayed value is told as it is after it
                self.record.write(
                    int(cell), self._rows(begin, self.same), before, self.parameters[cell]
                )
            rows = slice(first, first + len(reached.told))
            self.record.write(int(cell), rows, reached.told, self.parameters[cell])
            self.time[cell], self.states[one] = reached.time, reached.states
            self.next[cell] = rows.stop

    def _check_stops(self, pending: NDArray[np.intp]) -> None:
        most = self.options.max_steps
        if len(pending) and self.stops[pending].max() > most:
            cell = int(pending[self.stops[pending].argmax()])
            raise EngineError(
                f"cell {self.first + cell} stopped {most} times for events or jumps by time "
                f"{self.time[cell]:g}; raise max_steps if the model means that"
            )
