"""Elements of SED-ML to an experiment."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar

import numpy as np

from cellula.core.errors import DataError
from cellula.core.experiment import (
    Algorithm,
    DataGenerator,
    Experiment,
    ExperimentModel,
    ModelChange,
    OneStep,
    RepeatedTask,
    SetValue,
    Simulation,
    SteadyState,
    SubTask,
    Task,
    TaskRange,
    UniformTimeCourse,
    Variable,
)
from cellula.core.expression import Expression, Number, substituted
from cellula.core.kisao import kisao_id
from cellula.io.mathml_in import mathml_expression
from cellula.io.sedml.address import TIME_SYMBOLS, target_of
from cellula.io.sedml.document import Part
from cellula.io.sedml.outputs_in import outputs_in

__all__ = ["experiment_in"]

Made = TypeVar("Made")


def experiment_in(root: Part, id: str) -> Experiment:
    """The experiment of a file. Raises DataError, naming the element, on what it cannot hold."""
    _refuse(root, "listOfDataDescriptions", "data of other files are not read; leave it out")
    reports, plots, left_out = outputs_in(root)
    try:
        return Experiment(
            id,
            tuple(map(_model, root.parts("listOfModels"))),
            tuple(map(_simulation, root.parts("listOfSimulations"))),
            tuple(map(_task, root.parts("listOfTasks"))),
            tuple(map(_generator, root.parts("listOfDataGenerators"))),
            reports,
            plots,
            left_out,
        )
    except DataError as error:
        if root.file in str(error):
            raise
        raise DataError(f"{root.file}: {error}") from error


def _refuse(part: Part, tag: str, why: str) -> None:
    found = part.child(tag)
    if found is not None and len(found.element):
        raise found.fault(f"is not represented: {why}")


def _model(part: Part) -> ExperimentModel:
    changes = tuple(map(_change, part.parts("listOfChanges")))
    return ExperimentModel(
        part.text("id"), part.text("source"), part.element.get("language", ""), changes
    )


def _change(part: Part) -> ModelChange:
    target = _named(part, lambda: target_of(part.text("target")))
    if part.tag == "changeAttribute":
        return ModelChange(target, Number(part.number("newValue")))
    if part.tag != "computeChange":
        raise part.fault("changes the file of a model; only changeAttribute of a number is known")
    formula, variables = _formula(part)
    return ModelChange(target, formula, variables)


def _simulation(part: Part) -> Simulation:
    algorithm = part.child("algorithm")
    if algorithm is None:
        raise part.fault("has no algorithm")
    method = _algorithm(algorithm)
    if part.tag == "uniformTimeCourse":
        times = [part.number(f"{name}Time") for name in ("initial", "outputStart", "outputEnd")]
        steps = _whole(part, "numberOfSteps", "numberOfPoints")
        return UniformTimeCourse(part.text("id"), method, times[0], times[1], times[2], steps)
    if part.tag == "oneStep":
        return OneStep(part.text("id"), method, part.number("step"))
    if part.tag == "steadyState":
        return SteadyState(part.text("id"), method)
    raise part.fault("is not known; expected uniformTimeCourse, oneStep or steadyState")


def _algorithm(part: Part) -> Algorithm:
    given = {
        kisao_id(one.text("kisaoID")): one.text("value")
        for one in part.parts("listOfAlgorithmParameters")
    }
    return Algorithm(_named(part, lambda: kisao_id(part.text("kisaoID"))), given)


def _task(part: Part) -> Task | RepeatedTask:
    if part.tag == "task":
        return Task(part.text("id"), part.text("modelReference"), part.text("simulationReference"))
    if part.tag != "repeatedTask":
        raise part.fault("is not known; expected task or repeatedTask")
    if not part.is_true("concatenate", otherwise=True):
        raise part.fault('has concatenate="false"; write a repeated task for every task')
    tasks = [_sub_task(one) for one in part.parts("listOfSubTasks")]
    return RepeatedTask(
        part.text("id"),
        part.text("range"),
        tuple(map(_range, part.parts("listOfRanges"))),
        tuple(map(_set_value, part.parts("listOfChanges"))),
        tuple(sorted(tasks, key=lambda one: one.order)),
        part.is_true("resetModel", otherwise=False),
    )


def _sub_task(part: Part) -> SubTask:
    _refuse(part, "listOfChanges", "change before the task, in the list of the repeated one")
    return SubTask(part.text("task"), int(part.number("order")) if part.element.get("order") else 0)


def _range(part: Part) -> TaskRange:
    if part.tag == "vectorRange":
        texts = [(one.text or "").strip() for one in part.element]
        try:
            return TaskRange(part.text("id"), tuple(map(float, texts)))
        except ValueError as error:
            raise part.fault(f"holds a value that is no number: {error}") from error
    if part.tag != "uniformRange":
        raise part.fault("is not known; expected uniformRange or vectorRange")
    start, end = part.number("start"), part.number("end")
    count = _whole(part, "numberOfSteps", "numberOfPoints") + 1
    kind = part.element.get("type", "linear")
    if kind == "log":
        if not (start > 0 and end > 0):
            raise part.fault(f"is logarithmic from {start:g} to {end:g}; expected numbers above 0")
        return TaskRange(part.text("id"), tuple(np.geomspace(start, end, count).tolist()))
    if kind != "linear":
        raise part.fault(f"has the type {kind!r}; expected linear or log")
    return TaskRange(part.text("id"), tuple(np.linspace(start, end, count).tolist()))


def _whole(part: Part, *names: str) -> int:
    value = part.number(*names)
    if value != round(value) or value < 0:
        raise part.fault(f"has {names[0]} {value:g}; expected a whole number")
    return int(value)


def _set_value(part: Part) -> SetValue:
    formula, variables = _formula(part)
    target = _named(part, lambda: target_of(part.text("target")))
    return SetValue(part.text("modelReference"), target, formula, variables)


def _generator(part: Part) -> DataGenerator:
    formula, variables = _formula(part)
    return DataGenerator(part.text("id"), formula, variables, part.element.get("name", ""))


def _formula(part: Part) -> tuple[Expression, Mapping[str, Variable]]:
    """The formula of an element, numbers of its parameters put in, and its variables."""
    math = part.child("math")
    if math is None:
        raise part.fault("has no formula")
    expression = _named(part, lambda: mathml_expression(math.element))
    numbers = {
        one.text("id"): Number(one.number("value")) for one in part.parts("listOfParameters")
    }
    return substituted(expression, numbers), dict(_variables(part))


def _variables(part: Part) -> Iterator[tuple[str, Variable]]:
    for one in part.parts("listOfVariables"):
        if one.element.get("term") or one.element.get("dimensionTerm"):
            raise one.fault("asks for a term of what a task gives; only its values are known")
        task, model = one.element.get("taskReference", ""), one.element.get("modelReference", "")
        symbol = one.element.get("symbol")
        if symbol is None:
            target = _named(one, lambda one=one: target_of(one.text("target")))  # type: ignore[misc]
            yield one.text("id"), Variable(target, task, model)
        elif symbol in TIME_SYMBOLS:
            yield one.text("id"), Variable(None, task, model)
        else:
            raise one.fault(f"asks for the symbol {symbol!r}; only {TIME_SYMBOLS[0]} is known")


def _named(part: Part, make: Callable[[], Made]) -> Made:
    """What ``make`` gives; its DataError with the element's name."""
    try:
        return make()
    except DataError as error:
        if part.file in str(error):
            raise
        raise part.fault(str(error)) from error
