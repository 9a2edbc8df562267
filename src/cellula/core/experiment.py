"""Simulation experiments as SED-ML says them: models, what is done with them, what is told.

A value: nothing is read, simulated or drawn by it [waltemath2011]_. Formulas name their variables;
the numbers of their parameters are put in already.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from cellula.core.errors import DataError
from cellula.core.expression import Expression, symbols

__all__ = [
    "Algorithm",
    "Curve",
    "DataGenerator",
    "DataSet",
    "Experiment",
    "ExperimentModel",
    "ModelChange",
    "OneStep",
    "Plot2D",
    "RepeatedTask",
    "ReportTable",
    "SetValue",
    "Simulation",
    "SteadyState",
    "SubTask",
    "Target",
    "Task",
    "TaskRange",
    "UniformTimeCourse",
    "Variable",
]


@dataclass(frozen=True, slots=True)
class Target:
    """An id of a model's network.

    kind: of thing, as its file calls it (``species``, ``parameter``, ``variable``); attribute:
    what of it the file would say (``initialAmount``).
    """

    id: str
    kind: str = ""
    attribute: str = ""


@dataclass(frozen=True, slots=True)
class Variable:
    """What a name in a formula stands for: an id of a model, or of the model that a task solves.

    target: None for the time of the simulation.
    """

    target: Target | None
    task: str = ""
    model: str = ""


@dataclass(frozen=True, slots=True)
class ModelChange:
    """At the start ``target`` has the value of ``formula``, whose variables are of the model."""

    target: Target
    formula: Expression
    variables: Mapping[str, Variable] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ExperimentModel:
    """A model with its changes; source: a path beside the experiment, or ``#id`` of another."""

    id: str
    source: str
    language: str = ""
    changes: tuple[ModelChange, ...] = ()


@dataclass(frozen=True, slots=True)
class Algorithm:
    """A method of KiSAO [courtot2011]_, ``KISAO:0000019``, and its parameters by their ids."""

    kisao: str
    parameters: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class UniformTimeCourse:
    """``steps`` + 1 times from ``start`` to ``end``, of a simulation that begins at ``initial``."""

    id: str
    algorithm: Algorithm
    initial: float
    start: float
    end: float
    steps: int

    def __post_init__(self) -> None:
        if not (self.initial <= self.start < self.end < math.inf) or self.steps < 1:
            raise DataError(
                f"simulation {self.id!r} goes from {self.start:g} to {self.end:g} in {self.steps} "
                f"steps after it began at {self.initial:g}; expected times that ascend and 1 step "
                "or more"
            )


@dataclass(frozen=True, slots=True)
class OneStep:
    """The state ``step`` later than it was."""

    id: str
    algorithm: Algorithm
    step: float

    def __post_init__(self) -> None:
        if not 0 < self.step < math.inf:
            raise DataError(f"simulation {self.id!r} makes a step of {self.step:g}; expected > 0")


@dataclass(frozen=True, slots=True)
class SteadyState:
    """The state that does not change any more."""

    id: str
    algorithm: Algorithm


Simulation: TypeAlias = UniformTimeCourse | OneStep | SteadyState


@dataclass(frozen=True, slots=True)
class Task:
    """A model through a simulation."""

    id: str
    model: str
    simulation: str


@dataclass(frozen=True, slots=True)
class TaskRange:
    """The values of a range, one an iteration."""

    id: str
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class SetValue:
    """Before an iteration ``target`` of ``model`` is set; the formula may name ranges too."""

    model: str
    target: Target
    formula: Expression
    variables: Mapping[str, Variable] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SubTask:
    """A task of a repeated one; those of one iteration go in the order of ``order``."""

    task: str
    order: int = 0


@dataclass(frozen=True, slots=True)
class RepeatedTask:
    """Tasks done once for every value of the range that it is named by.

    is_reset: every iteration begins with the model as it was; else where the last one ended.
    """

    id: str
    range: str
    ranges: tuple[TaskRange, ...]
    changes: tuple[SetValue, ...]
    tasks: tuple[SubTask, ...]
    is_reset: bool = True

    @property
    def size(self) -> int:
        """How many iterations."""
        return next(len(one.values) for one in self.ranges if one.id == self.range)


@dataclass(frozen=True, slots=True)
class DataGenerator:
    """A formula of what tasks give."""

    id: str
    formula: Expression
    variables: Mapping[str, Variable]
    name: str = ""


@dataclass(frozen=True, slots=True)
class DataSet:
    """A column of a report."""

    label: str
    generator: str


@dataclass(frozen=True, slots=True)
class ReportTable:
    """A table of data sets."""

    id: str
    columns: tuple[DataSet, ...]
    name: str = ""


@dataclass(frozen=True, slots=True)
class Curve:
    """One generator over another."""

    x: str
    y: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class Plot2D:
    """Curves in one panel."""

    id: str
    curves: tuple[Curve, ...]
    name: str = ""
    is_log_x: bool = False
    is_log_y: bool = False


@dataclass(frozen=True, slots=True)
class Experiment:
    """Everything that a file of SED-ML asks for.

    left_out: what is asked for and not done, in words: it changes no number. Raises DataError
    where an id is used twice, or names what is not there.
    """

    id: str
    models: tuple[ExperimentModel, ...]
    simulations: tuple[Simulation, ...]
    tasks: tuple[Task | RepeatedTask, ...]
    generators: tuple[DataGenerator, ...]
    reports: tuple[ReportTable, ...] = ()
    plots: tuple[Plot2D, ...] = ()
    left_out: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self._check_unique()
        models, simulations = _ids(self.models), _ids(self.simulations)
        for task in self.tasks:
            if isinstance(task, Task):
                _require(task.model, models, "model", f"task {task.id!r}")
                _require(task.simulation, simulations, "simulation", f"task {task.id!r}")
            else:
                self._check_repeated(task)
        for one in self.generators:
            _check_formula(one.formula, one.variables, f"data generator {one.id!r}")
            for variable in one.variables.values():
                _require(variable.task, _ids(self.tasks), "task", f"data generator {one.id!r}")
        self._check_outputs()

    def model(self, id: str) -> ExperimentModel:
        """The model of that id."""
        return next(one for one in self.models if one.id == id)

    def lineage(self, id: str) -> tuple[ExperimentModel, ...]:
        """The model that names a file, then those that change it, up to this one."""
        found = [self.model(id)]
        known = _ids(self.models)
        while (source := found[-1].source.removeprefix("#")) in known:
            if len(found) > len(self.models):
                raise DataError(f"model {id!r} of {self.id} is made of itself; name a file")
            found.append(self.model(source))
        return tuple(reversed(found))

    # -- checks --------------------------------------------------------------------------------
    def _check_unique(self) -> None:
        ids = [
            one.id
            for part in (
                self.models, self.simulations, self.tasks, self.generators, self.reports, self.plots
            )
            for one in part
        ]  # fmt: skip
        twice = sorted({id for id in ids if ids.count(id) > 1})
        if twice:
            raise DataError(f"{self.id}: the id {twice[0]!r} is used twice; rename one")
        for one in self.models:
            self.lineage(one.id)

    def _check_repeated(self, task: RepeatedTask) -> None:
        where, ranges = f"repeated task {task.id!r}", _ids(task.ranges)
        _require(task.range, ranges, "range", where)
        for one in task.ranges:
            if len(one.values) < task.size:
                raise DataError(
                    f"{where}: range {one.id!r} has {len(one.values)} values, and {task.range!r} "
                    f"{task.size}; give it as many"
                )
        plain = {one.id for one in self.tasks if isinstance(one, Task)}
        if not task.tasks:
            raise DataError(f"{where} repeats no task; name one")
        for part in task.tasks:
            if part.task in _ids(self.tasks) - plain:
                raise DataError(
                    f"{where} repeats the repeated task {part.task!r}; write one of all values"
                )
            _require(part.task, plain, "task", where)
        for change in task.changes:
            _require(change.model, _ids(self.models), "model", where)
            _check_formula(change.formula, {**change.variables, **dict.fromkeys(ranges)}, where)

    def _check_outputs(self) -> None:
        known = _ids(self.generators)
        for report in self.reports:
            for column in report.columns:
                _require(column.generator, known, "data generator", f"report {report.id!r}")
        for plot in self.plots:
            for curve in plot.curves:
                for id in (curve.x, curve.y):
                    _require(id, known, "data generator", f"plot {plot.id!r}")


def _ids(parts: Iterable[object]) -> set[str]:
    return {str(getattr(one, "id", "")) for one in parts}


def _require(id: str, known: set[str], kind: str, where: str) -> None:
    if id not in known:
        there = ", ".join(sorted(known)) or "none"
        raise DataError(f"{where} names the {kind} {id!r}, which is not there; there is {there}")


def _check_formula(formula: Expression, names: Mapping[str, object], where: str) -> None:
    for name in symbols(formula):
        _require(name, set(names), "variable", f"the formula of {where}")
