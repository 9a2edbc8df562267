"""Experiments of a PEtab problem simulated with their slopes along the estimated parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from cellula.core.errors import NotConverged
from cellula.core.petab import PetabProblem
from cellula.core.simulation import ParameterTable
from cellula.models.mechanistic.petab_experiments import Experiments, Preparations
from cellula.models.mechanistic.petab_start import condition_cells, state_ids
from cellula.models.mechanistic.solver import SolverOptions
from cellula.models.mechanistic.steady_state import SteadyCriterion
from cellula.models.mechanistic.tangent_course import Courses, tangent_courses
from cellula.models.mechanistic.tangent_system import Tangent

__all__ = ["Equilibria", "PetabCourses"]

Floats = NDArray[np.float64]
#: Slopes are steady where none changes by more than this share of the largest of its direction.
STEADY_SLOPES = 1e-4


@final
@dataclass(frozen=True, slots=True)
class Equilibria:
    """Where pre-equilibrations ended: condition -> (states,), and (states, parameters)."""

    values: Mapping[str, Floats]
    slopes: Mapping[str, Floats]


@final
@dataclass(frozen=True, slots=True)
class PetabCourses:
    """Simulates experiments at given values of the parameters.

    parameters: id -> value; slopes: id -> (estimated parameters,). made: what tells the states'
    ids where a steady state is asked for. Only directions that move a cell are simulated, as
    many at once as ``made`` has.
    """

    problem: PetabProblem
    made: Tangent
    options: SolverOptions
    steady: SteadyCriterion
    parameters: Mapping[str, float]
    slopes: Mapping[str, Floats]
    n_estimated: int
    threads: int = 1

    def equilibria(self, groups: Sequence[Preparations]) -> Equilibria:
        """The ends of all pre-equilibrations. Raises NotConverged where there is none."""
        values: dict[str, Floats] = {}
        slopes: dict[str, Floats] = {}
        for group in groups:
            columns = self._states()
            cells = condition_cells(self.problem, group.conditions, self.parameters, {})
            moved = self._moved(cells, group.conditions, {})
            found = self._steady(cells, moved)
            for k, name in enumerate(group.conditions):
                values[name] = found.values[k, 0, columns]
                slopes[name] = found.slopes[k, 0, columns]
        return Equilibria(values, slopes)

    def courses(self, group: Experiments, before: Equilibria) -> Courses:
        """(experiments, times, ids told), the steady state last where it is asked for."""
        states: dict[str, Floats] = {}
        moving: dict[str, Floats] = {}
        for k, id in enumerate(state_ids(self.problem.network) if group.is_prepared else ()):
            states[id] = np.array([before.values[name][k] for name in group.before])
            moving[id] = np.array([before.slopes[name][k] for name in group.before])
        cells = condition_cells(self.problem, group.conditions, self.parameters, states)
        slopes = self._moved(cells, group.conditions, moving)
        found = self._simulated(cells, slopes, group.times)
        if not group.has_end:
            return found
        end = self._steady(cells, slopes)
        return Courses(
            np.concatenate([found.values, end.values], axis=1),
            np.concatenate([found.slopes, end.slopes], axis=1),
        )

    def _moved(
        self, cells: ParameterTable, conditions: Sequence[str], states: Mapping[str, Floats]
    ) -> Floats:
        """How what cells are given moves: (cells, ids, estimated parameters)."""
        found = np.zeros((*cells.values.shape, self.n_estimated))
        for column, id in enumerate(cells.ids):
            for k, name in enumerate(conditions):
                value = self.problem.conditions[name].get(id)
                if value is not None:
                    slope = self.slopes.get(value) if isinstance(value, str) else None
                elif id in states:
                    slope = states[id][k]
                else:
                    slope = self.slopes.get(id)
                if slope is not None:
                    found[k, column] = slope
        return found

    def _simulated(self, cells: ParameterTable, slopes: Floats, times: Floats) -> Courses:
        """Courses with slopes by all estimated parameters, from cells with a few each."""
        tasks = [
            (cell, part)
            for cell in range(len(cells))
            for part in self._parts(np.flatnonzero(slopes[cell].any(axis=0)))
        ]
        chosen = np.array([cell for cell, _ in tasks])
        given = np.zeros((len(tasks), len(cells.ids), self.made.n))
        for k, (cell, part) in enumerate(tasks):
            given[k, :, : len(part)] = slopes[cell][:, part]
        table = ParameterTable(cells.ids, cells.values[chosen])
        found = tangent_courses(self.made, table, given, times, self.options, self.threads)
        told = np.zeros((len(cells), len(times), len(self.made.told), self.n_estimated))
        for k, (cell, part) in enumerate(tasks):
            told[cell][:, :, part] = found.slopes[k, :, :, : len(part)]
        first = np.searchsorted(chosen, np.arange(len(cells)))
        return Courses(found.values[first], told)

    def _parts(self, active: NDArray[np.intp]) -> list[NDArray[np.intp]]:
        """At most as many directions at once as there are; one part where nothing moves."""
        width = max(self.made.n, 1)
        if not self.made.n or not len(active):
            return [active[:0]]
        return [active[k : k + width] for k in range(0, len(active), width)]

    def _states(self) -> list[int]:
        """Where the states are in what is told."""
        return [self.made.told.index(id) for id in state_ids(self.problem.network)]

    def _steady(self, cells: ParameterTable, slopes: Floats) -> Courses:
        """The steady state: (cells, 1, ids told); twice a time apart it does not change."""
        columns = self._states()
        time, criterion = self.steady.first, self.steady
        while True:
            found = self._simulated(cells, slopes, np.array([0.0, time, 2 * time]))
            before, after = found.values[:, 1][:, columns], found.values[:, 2][:, columns]
            limit = criterion.atol + criterion.rtol * np.abs(after)
            is_still = np.abs(after - before) <= limit
            s_before, s_after = found.slopes[:, 1][:, columns], found.slopes[:, 2][:, columns]
            largest = np.abs(s_after).max(axis=1, keepdims=True, initial=0.0)
            is_still &= (
                np.abs(s_after - s_before) <= criterion.atol + STEADY_SLOPES * largest
            ).all(axis=2)
            if is_still.all():
                return Courses(found.values[:, 2:], found.slopes[:, 2:])
            time *= 10
            if 2 * time > criterion.longest:
                cell, k = np.argwhere(~is_still)[0]
                raise NotConverged(
                    f"{self.problem.id} has no steady state up to time {2 * time / 10:g}: in cell "
                    f"{cell}, {self.made.told[columns[k]]!r} went from {before[cell, k]:g} to "
                    f"{after[cell, k]:g}, or its slopes still move"
                )
