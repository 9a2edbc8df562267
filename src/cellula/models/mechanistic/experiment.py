"""Simulation experiments carried out: every task solved once, every data generator computed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias, final

import numpy as np
from numpy.typing import NDArray

from cellula.core.errors import DataError, EngineError
from cellula.core.evaluation import evaluate
from cellula.core.experiment import (
    DataGenerator,
    Experiment,
    OneStep,
    RepeatedTask,
    SteadyState,
    Target,
    Task,
    UniformTimeCourse,
    Variable,
)
from cellula.core.expression import Expression
from cellula.core.logic import LogicNetwork
from cellula.core.network import Network
from cellula.core.run import RunContext
from cellula.core.simulation import ParameterTable, Schedule, Simulator, Trajectory
from cellula.models.mechanistic.experiment_state import (
    Held,
    carried,
    check_carried,
    set_value,
    value_at_start,
)
from cellula.models.mechanistic.petab_start import state_ids
from cellula.models.mechanistic.steady_state import SteadyCriterion, steady_state

__all__ = ["experiment_values"]

Floats: TypeAlias = NDArray[np.float64]


@final
@dataclass(frozen=True, slots=True)
class _Solved:
    """times: (iterations, times), infinite in a steady state; values: (iterations, times, ids)."""

    ids: tuple[str, ...]
    times: Floats
    values: Floats


def experiment_values(
    experiment: Experiment,
    networks: Mapping[str, Network | LogicNetwork],
    simulators: Mapping[str, Simulator],
    run: RunContext,
) -> dict[str, Floats]:
    """Data generator -> its values: (iterations, times), one iteration of a task without any.

    networks: by model (:func:`~cellula.io.experiment_models.experiment_models`); simulators: by
    simulation. A species is told as its id stands in expressions. A repeated task that resets
    its model is a population of cells, solved in one call. Raises DataError, naming task or
    generator, on an id that a network lacks, a state that cannot be handed on (events, delays,
    logic) and generators of tasks that differ in length; EngineError, naming the task, where
    there is no solution.
    """
    whole = _Runner(experiment, networks, simulators, run)
    return {one.id: whole.generated(one) for one in experiment.generators}


@final
@dataclass(slots=True)
class _Runner:
    experiment: Experiment
    networks: Mapping[str, Network | LogicNetwork]
    simulators: Mapping[str, Simulator]
    run: RunContext
    solved: dict[str, _Solved] = field(default_factory=dict)

    # -- data generators -----------------------------------------------------------------------
    def generated(self, one: DataGenerator) -> Floats:
        values = {id: self._seen(one, variable) for id, variable in one.variables.items()}
        shapes = {part.shape for part in values.values() if part.size > 1}
        if len(shapes) > 1:
            raise DataError(
                f"data generator {one.id!r} joins tasks of {' and '.join(map(str, sorted(shapes)))}"
                " (iterations, times); give them as many"
            )
        shape = shapes.pop() if shapes else (1, 1)
        flat = {id: np.broadcast_to(part, shape).ravel() for id, part in values.items()}
        found = np.broadcast_to(evaluate(one.formula, flat, 0.0), (shape[0] * shape[1],))
        return found.reshape(shape).copy()

    def _seen(self, one: DataGenerator, variable: Variable) -> Floats:
        solved = self._of_task(variable.task)
        if variable.target is None:
            return solved.times
        id = variable.target.id
        if id not in solved.ids:
            raise DataError(
                f"data generator {one.id!r} asks task {variable.task!r} for {id!r}, which its "
                "model lacks"
            )
        if variable.target.attribute.startswith("initial"):
            raise DataError(
                f"data generator {one.id!r} asks for {variable.target.attribute} of {id!r}; ask "
                "for the value of the id"
            )
        return solved.values[:, :, solved.ids.index(id)]

    # -- tasks ---------------------------------------------------------------------------------
    def _of_task(self, id: str) -> _Solved:
        if id not in self.solved:
            task = next(one for one in self.experiment.tasks if one.id == id)
            try:
                self.solved[id] = self._task(task)
            except (EngineError, DataError) as error:
                raise type(error)(f"{self.experiment.id}, task {id!r}: {error}") from error
        return self.solved[id]

    def _task(self, task: Task | RepeatedTask) -> _Solved:
        if isinstance(task, Task):
            return self._course(task, self._begin(task.model), 0.0, self.run.child(task.id))
        models = {self._plain(part.task).model for part in task.tasks}
        if len(models) > 1:
            raise DataError(f"it repeats tasks of {len(models)} models; repeat each by itself")
        model = models.pop()
        ranges = {one.id: np.array(one.values[: task.size]) for one in task.ranges}
        if task.is_reset:
            found, _ = self._iteration(task, self._begin(model), ranges, 0.0)
            return found
        held, clock, parts = self._begin(model), 0.0, []
        for place in range(task.size):
            here = {id: values[place : place + 1] for id, values in ranges.items()}
            found, held = self._iteration(task, held, here, clock, place)
            clock = float(found.times[0, -1])
            parts.append(found)
        return _joined(parts, axis=0)

    def _plain(self, id: str) -> Task:
        return next(one for one in self.experiment.tasks if isinstance(one, Task) and one.id == id)

    def _begin(self, model: str) -> Held:
        """What the changes of a model set at the start."""
        network, held = self.networks[model], Held({})
        for part in self.experiment.lineage(model):
            for change in part.changes:
                names = {
                    id: value_at_start(network, held, variable)
                    for id, variable in change.variables.items()
                }
                held = self._set(network, held, change.target, change.formula, names)
        return held

    def _set(
        self,
        network: Network | LogicNetwork,
        held: Held,
        target: Target,
        formula: Expression,
        names: Mapping[str, Floats],
    ) -> Held:
        return set_value(network, held, target, evaluate(formula, names, 0.0))

    def _iteration(
        self, task: RepeatedTask, held: Held, ranges: Mapping[str, Floats], clock: float,
        place: int = 0,
    ) -> tuple[_Solved, Held]:  # fmt: skip
        """The tasks of one iteration, or of all at once where each begins anew."""
        for change in task.changes:
            network = self.networks[change.model]
            if change.model != self._plain(task.tasks[0].task).model:
                raise DataError(f"it sets {change.target.id!r} of another model than it solves")
            names = {
                id: value_at_start(network, held, variable)
                for id, variable in change.variables.items()
            }
            held = self._set(network, held, change.target, change.formula, {**ranges, **names})
        held = held.of_size(len(next(iter(ranges.values()))))
        parts: list[_Solved] = []
        for at, sub in enumerate(task.tasks):
            plain = self._plain(sub.task)
            network = self.networks[plain.model]
            if parts:
                check_carried(network)
            found = self._course(plain, held, clock, self.run.child(task.id, place, at))
            parts.append(found)
            if at + 1 < len(task.tasks) or (not task.is_reset and place + 1 < task.size):
                check_carried(network)
                held = carried(network, held, found.ids, found.values[:, -1])
            clock = float(found.times[0, -1])
        return _joined(parts, axis=1), held

    # -- simulations ---------------------------------------------------------------------------
    def _course(self, task: Task, held: Held, clock: float, run: RunContext) -> _Solved:
        simulation = next(s for s in self.experiment.simulations if s.id == task.simulation)
        simulator, network = self.simulators[simulation.id], self.networks[task.model]
        cells = held.table()
        if isinstance(simulation, SteadyState):
            return _steady(simulator, network, cells, run)
        if isinstance(simulation, OneStep):
            times, kept = np.array([clock, clock + simulation.step]), 1
        else:
            times, kept = _times(simulation)
        course = simulator.simulate(network, cells, Schedule(), times, run)
        return _told(course, kept)


def _times(simulation: UniformTimeCourse) -> tuple[Floats, int]:
    """Times to simulate, and how many of the first are not told."""
    told = np.linspace(simulation.start, simulation.end, simulation.steps + 1)
    if simulation.initial == simulation.start:
        return told, 0
    return np.concatenate([[simulation.initial], told]), 1


def _told(course: Trajectory, skipped: int) -> _Solved:
    times = np.tile(course.times[skipped:], (len(course.values), 1))
    return _Solved(course.ids, times, course.values[:, skipped:])


def _steady(
    simulator: Simulator, network: Network | LogicNetwork, cells: ParameterTable, run: RunContext
) -> _Solved:
    if not isinstance(network, Network):
        raise DataError("the steady state of a logic network is asked for; ask for a time course")
    by = (simulator, SteadyCriterion())
    values = steady_state(network, cells, state_ids(network), by, run)
    return _Solved(network.ids, np.full((len(cells), 1), np.inf), values[:, None])


def _joined(parts: Sequence[_Solved], axis: int) -> _Solved:
    if axis == 0 and len({part.times.shape[1] for part in parts}) > 1:
        raise DataError("iterations differ in their number of times")
    times, values = (
        np.concatenate([getattr(part, name) for part in parts], axis=axis)
        for name in ("times", "values")
    )
    return _Solved(parts[0].ids, times, values)
