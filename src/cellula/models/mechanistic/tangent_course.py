"""Courses of a population with their slopes: exact forward sensitivities."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from cellula.core.errors import DataError, EngineError
from cellula.core.simulation import ParameterTable
from cellula.models.mechanistic.course import Course, Record
from cellula.models.mechanistic.events import Agenda
from cellula.models.mechanistic.solver import SolverOptions
from cellula.models.mechanistic.start import start_values
from cellula.models.mechanistic.tangent_start import start_slopes
from cellula.models.mechanistic.tangent_system import Tangent, slope_name
from cellula.models.mechanistic.tape import evaluate
from cellula.models.mechanistic.turning import Turning

__all__ = ["Courses", "tangent_courses"]

Floats = NDArray[np.float64]


@final
@dataclass(frozen=True, slots=True)
class Courses:
    """values: (cells, times, ids); slopes: (cells, times, ids, directions), of values."""

    values: Floats
    slopes: Floats


def tangent_courses(
    made: Tangent,
    cells: ParameterTable,
    slopes: Floats,
    times: Floats,
    options: SolverOptions,
    threads: int = 1,
) -> Courses:
    """What the tangent tells of every cell at ``times``, which ascend from where cells start.

    slopes: (cells, ids, directions), how what the cells are given moves along each direction.
    At the time of an event values are told as they are just after it. Raises DataError on
    values without a number, EngineError, naming cell and time, where a cell has no solution.
    """
    if slopes.shape != (*cells.values.shape, made.n):
        raise DataError(
            f"slopes have shape {slopes.shape}; expected {(*cells.values.shape, made.n)}"
        )
    course = _course(made, cells, slopes, times, (options, threads))
    course.start()
    _check_rates(made, course)
    course.to(len(times) - 1)
    return _told(made, course)


def _course(
    made: Tangent,
    cells: ParameterTable,
    slopes: Floats,
    times: Floats,
    by: tuple[SolverOptions, int],
) -> Course:
    system, n = made.system, len(made.system.states)
    values, scales = _start(made, cells, slopes, float(times[0]))
    changing = _changing(made)
    record = Record(
        times,
        np.empty((len(cells), len(times), n)),
        np.empty((len(cells), len(times), len(changing))),
        changing,
    )
    initial = np.array([event.initial_trigger for event in system.events], dtype=np.bool_)
    agendas = [Agenda(initial.copy()) for _ in range(len(cells))] if system.events else []
    first = len(system.parameters) - len(system.held) - bool(system.events)
    held = slice(first, first + len(system.held))
    return Course(
        made.problem, made.events, made.held, held, *by, scales, record,
        np.full(len(cells), times[0]), values[:, :n].copy(), values[:, n:].copy(), agendas, None,
        cells.first, _turning(made),
    )  # fmt: skip


def _start(
    made: Tangent, cells: ParameterTable, slopes: Floats, time: float
) -> tuple[Floats, Floats]:
    """States and parameters at the start, (cells, both), and the scales of the states."""
    plain = made.plain
    values = start_values(plain.start, plain.network, cells, time)
    moved = start_slopes(made, cells, slopes, values, time)
    columns = {name: k for k, name in enumerate((*made.system.states, *made.system.parameters))}
    found = np.zeros((len(cells), len(columns)))
    for name in (*plain.states, *plain.parameters):
        found[:, columns[name]] = values[name]
        for k in range(made.n if name in moved else 0):
            if slope_name(name, k) in columns:
                found[:, columns[slope_name(name, k)]] = moved[name][:, k]
    return found, _scales(made, time)


def _scales(made: Tangent, time: float) -> Floats:
    """As of the simulator ``ode``: the size that an amount is divided by; of its slopes too."""
    plain = made.plain
    nobody = ParameterTable((), np.zeros((1, 0)))
    values = start_values(plain.start, plain.network, nobody, time)
    scales = dict.fromkeys(made.system.states, 1.0)
    for species in plain.network.species:
        name = plain.targets[species.id].name if species.id in plain.targets else ""
        size = float(values[species.compartment].ravel()[0])
        if name in scales and name != species.id and np.isfinite(size) and size > 0:
            for own in (name, *(slope_name(name, k) for k in range(made.n))):
                scales[own] = size
    return np.array(list(scales.values()))


def _changing(made: Tangent) -> NDArray[np.intp]:
    """Columns of the parameters that events set, slopes included."""
    ids = {id for event in made.system.events for id in event.assignments}
    names = {made.system.targets[id].name for id in ids if id in made.system.targets}
    found = [k for k, name in enumerate(made.system.parameters) if name in names]
    return np.array(found, dtype=np.intp)


def _turning(made: Tangent) -> Turning | None:
    """None where nothing stops a cell."""
    if not made.n or not made.problem.n_roots:
        return None
    states = {name: k for k, name in enumerate(made.system.states)}
    parameters = {name: k for k, name in enumerate(made.system.parameters)}
    moving = made.plain.states[: made.n_differential]
    return Turning(
        made.crossing,
        made.problem.rates,
        np.array([[states[slope_name(one, k)] for one in moving] for k in range(made.n)], np.intp),
        np.array([parameters[slope_name("time", k)] for k in range(made.n)], np.intp),
    )


def _check_rates(made: Tangent, course: Course) -> None:
    """The rates at the start are numbers."""
    rates = evaluate(made.problem.rates, course.time, course.states, course.parameters)
    wrong = np.argwhere(~np.isfinite(rates))
    if len(wrong):
        cell, column = wrong[0]
        raise EngineError(
            f"cell {course.first + cell} has no solution beyond time {course.time[cell]:g}: the "
            f"rate of change of {made.problem.states[column]!r} is {rates[cell, column]:g} there"
        )


def _told(made: Tangent, course: Course) -> Courses:
    n_cells, n_times = len(course.time), len(course.record.times)
    found = np.empty((n_cells, n_times, 1 + made.n, len(made.told)))
    parameters = course.parameters.copy()
    for k in range(n_times):
        parameters[:, course.record.columns] = course.record.parameters[:, k]
        time = float(course.record.times[k])
        told = evaluate(made.observed, time, course.record.states[:, k], parameters)
        found[:, k] = told.reshape(n_cells, 1 + made.n, -1)
    return Courses(found[:, :, 0], np.moveaxis(found[:, :, 1:], 2, 3))
