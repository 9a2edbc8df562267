"""Ordinary differential equations of a network, for whole populations."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, final

import numpy as np
from numpy.typing import NDArray

from cellula.core.errors import DataError
from cellula.core.logic import LogicNetwork
from cellula.core.network import Network
from cellula.core.run import RunContext
from cellula.core.simulation import Dose, ParameterTable, Schedule, Trajectory, reaction_network
from cellula.models.mechanistic.course import Course, Record
from cellula.models.mechanistic.delays import HALF, MIDDLE
from cellula.models.mechanistic.events import Agenda
from cellula.models.mechanistic.fast_reactions import equilibrated, has_fast
from cellula.models.mechanistic.missing import check_start
from cellula.models.mechanistic.prepared import Kept, Prepared
from cellula.models.mechanistic.setting import setting
from cellula.models.mechanistic.solver import SolverOptions
from cellula.models.mechanistic.start import start_values
from cellula.models.mechanistic.stretch import Stretches
from cellula.models.mechanistic.system import System
from cellula.models.mechanistic.tape import evaluate, tape

__all__ = ["Ode"]

Floats = NDArray[np.float64]


@final
@dataclass(frozen=True, slots=True)
class Ode:
    """Deterministic courses of all cells, with events, doses and rules of any kind.

    kept: the equations of the network that was simulated last; they change no number.
    """

    name: ClassVar[str] = "ode"
    options_type: ClassVar[type[SolverOptions]] = SolverOptions
    is_stochastic: ClassVar[bool] = False
    references: ClassVar[tuple[str, ...]] = ("hucka2003",)

    options: SolverOptions
    kept: Kept = field(default_factory=Kept, repr=False, compare=False)

    def with_equations(self, made: Prepared) -> Ode:
        """The same engine, which need not prepare the network that these are the equations of."""
        return Ode(self.options, Kept.holding(made))

    def simulate(
        self,
        network: Network | LogicNetwork,
        cells: ParameterTable,
        doses: Schedule,
        times: NDArray[np.float64],
        run: RunContext,
    ) -> Trajectory:
        """The trajectory of every cell; at the time of a dose or an event, just after it.

        An id without a value anywhere is not a number, unless another needs it: then that is a
        DataError that names it.
        """
        _check_times(times)
        network = reaction_network(network, self.name)
        made = self.kept.of(network)
        system = made.system
        _check_cells(system, cells)
        _check_doses(system, doses, float(times[0]))
        given = [dose.time for dose in doses.doses if dose.time <= times[-1]]
        grid = np.union1d(times, given)
        course = self._course(made, cells, doses, grid, run.threads)
        self._equilibrate(system, course, float(times[0]), run)
        course.start()
        check_start(system, float(times[0]), course.states, course.parameters, cells.first)
        for dose in doses.doses:
            if dose.time <= times[-1]:
                course.to(int(np.searchsorted(grid, dose.time)))
                _give(dose, system, course)
                self._equilibrate(system, course, dose.time, run)
                course.look(np.arange(len(cells)), ahead=course.same)
        course.to(len(grid) - 1)
        rows = np.searchsorted(grid, times)
        return Trajectory(network.ids, times.copy(), _observed(made, course, rows))

    def _equilibrate(self, system: System, course: Course, time: float, run: RunContext) -> None:
        """Let fast reactions come to equilibrium at once, where there are any."""
        if has_fast(system.network):
            at = time, course.states, course.parameters
            alone: Any = Ode(self.options)
            course.states[:] = equilibrated(system, at, alone, run)

    def _course(
        self, made: Prepared, cells: ParameterTable, doses: Schedule, grid: Floats, threads: int
    ) -> Course:
        system = made.system
        values = start_values(system.start, system.network, cells, float(grid[0]))
        columns = [*system.states, *system.parameters]
        held = np.empty((len(cells), len(columns)))
        for k, name in enumerate(columns):
            held[:, k] = values[name]
        n = len(system.states)
        changing = _changing(system, doses)
        record = Record(
            grid,
            np.empty((len(cells), len(grid), n)),
            np.empty((len(cells), len(grid), len(changing))),
            changing,
        )
        initial = np.array([event.initial_trigger for event in system.events], dtype=np.bool_)
        agendas = [Agenda(initial.copy()) for _ in range(len(cells))] if system.events else []
        stretches, scales = None, _scales(system, float(grid[0]))
        if made.past is not None:
            span = float(grid[0]), float(grid[-1])
            stretches = Stretches(made.problem, made.past, self.options, scales, *span)
        return Course(
            made.problem, made.events, made.held, _held_columns(system), self.options, threads,
            scales, record, np.full(len(cells), grid[0]), held[:, :n].copy(),
            held[:, n:].copy(), agendas, stretches, cells.first,
        )  # fmt: skip


def _scales(system: System, time: float) -> Floats:
    """What the absolute tolerance of every state is in: the size that its amount is divided by.

    Of the network itself, so that no cell's steps depend on another's.
    """
    nobody = ParameterTable((), np.zeros((1, 0)))
    values = start_values(system.start, system.network, nobody, time)
    scales = dict.fromkeys(system.states, 1.0)
    for species in system.network.species:
        name = system.targets[species.id].name if species.id in system.targets else ""
        size = float(values[species.compartment].ravel()[0])
        if name in scales and name != species.id and np.isfinite(size) and size > 0:
            scales[name] = size
    return np.array(list(scales.values()))


def _held_columns(system: System) -> slice:
    first = len(system.parameters) - len(system.held) - bool(system.events)
    return slice(first, first + len(system.held))


def _check_times(times: Floats) -> None:
    if (
        times.ndim != 1
        or not len(times)
        or not np.isfinite(times).all()
        or (np.diff(times) <= 0).any()
    ):
        raise DataError(
            f"times of shape {times.shape} are not finite numbers that ascend; expected at "
            "least one, from where the cells start"
        )


def _check_cells(system: System, cells: ParameterTable) -> None:
    for id in cells.ids:
        if id not in system.observed:
            raise DataError(
                f"cells have values of {id!r}, which network {system.network.id!r} lacks"
            )
        if id not in system.targets:
            raise DataError(
                f"cells have values of {id!r}, which follows from other values at all times; "
                "give those"
            )


def _check_doses(system: System, doses: Schedule, start: float) -> None:
    for dose in doses.doses:
        setting(system, [dose.id], "a dose")
        if not dose.time >= start:
            raise DataError(
                f"a dose of {dose.id!r} is given at {dose.time:g}, before the cells start at "
                f"{start:g}"
            )


def _changing(system: System, doses: Schedule) -> NDArray[np.intp]:
    """Columns of the parameters that events or doses set."""
    ids = {dose.id for dose in doses.doses}
    ids.update(id for event in system.events for id in event.assignments)
    names = {system.targets[id].name for id in ids if id in system.targets}
    if system.delays:
        names.update((MIDDLE, HALF))
        names.update(name for term in system.delays for name in term.coefficients)
    found = [k for k, name in enumerate(system.parameters) if name in names]
    return np.array(found, dtype=np.intp)


def _give(dose: Dose, system: System, course: Course) -> None:
    """Give all cells a dose at their time."""
    time, values = course.time, np.full((len(course.time), 1), dose.value)
    if dose.how != "set":
        formula = tape([system.observed[dose.id]], system.states, system.parameters)
        before = evaluate(formula, time, course.states, course.parameters)
        values = before + values if dose.how == "add" else before * values
    given = setting(system, [dose.id], "a dose")
    given.put(time, course.states, course.parameters, values)


def _observed(made: Prepared, course: Course, rows: NDArray[np.intp]) -> Floats:
    """Every id of the network at the times of some rows: (cells, rows, ids)."""
    values = np.empty((len(course.time), len(rows), len(made.observed.outputs)))
    parameters = course.parameters.copy()
    for k, row in enumerate(rows):
        parameters[:, course.record.columns] = course.record.parameters[:, row]
        time = float(course.record.times[row])
        values[:, k] = evaluate(made.observed, time, course.record.states[:, row], parameters)
    return values
