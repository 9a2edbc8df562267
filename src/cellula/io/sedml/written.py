"""An experiment as SED-ML Level 1 Version 4."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from cellula.core.errors import DataError
from cellula.core.experiment import (
    Algorithm,
    Experiment,
    ExperimentModel,
    OneStep,
    Plot2D,
    RepeatedTask,
    Simulation,
    Task,
    UniformTimeCourse,
    Variable,
)
from cellula.core.expression import Expression, Number, symbols
from cellula.io.mathml import MathMl
from cellula.io.sedml.address import TIME_SYMBOLS, address_of
from cellula.io.xml_text import Attributes, Xml

__all__ = ["sedml_text"]

HEAD: Attributes = {
    "xmlns": "http://sed-ml.org/sed-ml/level1/version4",
    "xmlns:sbml": "http://www.sbml.org/sbml/level3/version2/core",
    "xmlns:cellml": "http://www.cellml.org/cellml/2.0#",
    "level": "1",
    "version": "4",
}
MATH = MathMl({})


def sedml_text(experiment: Experiment) -> str:
    """SED-ML that is read back equal. Raises DataError on what was left out when it was read."""
    if experiment.left_out:
        raise DataError(f"{experiment.id} was read without {experiment.left_out[0]}")
    xml = Xml()
    with xml.block("sedML", HEAD):
        with xml.listed("listOfModels"):
            for model in experiment.models:
                _write_model(xml, model)
        with xml.listed("listOfSimulations"):
            for simulation in experiment.simulations:
                _write_simulation(xml, simulation)
        with xml.listed("listOfTasks"):
            for task in experiment.tasks:
                _write_task(xml, task)
        with xml.listed("listOfDataGenerators"):
            for one in experiment.generators:
                with xml.block("dataGenerator", {"id": one.id, "name": one.name or None}):
                    _write_formula(xml, one.formula, one.variables)
        with xml.listed("listOfOutputs"):
            _write_outputs(xml, experiment)
    return xml.text


def _write_model(xml: Xml, model: ExperimentModel) -> None:
    told = {"id": model.id, "language": model.language or None, "source": model.source}
    with xml.block("model", told), xml.listed("listOfChanges"):
        for change in model.changes:
            target = address_of(change.target)
            if isinstance(change.formula, Number) and not change.variables:
                told = {"target": target, "newValue": repr(change.formula.value)}
                xml.leaf("changeAttribute", told)
            else:
                with xml.block("computeChange", {"target": target}):
                    _write_formula(xml, change.formula, change.variables)


def _write_simulation(xml: Xml, one: Simulation) -> None:
    if isinstance(one, UniformTimeCourse):
        told: Attributes = {
            "id": one.id,
            "initialTime": one.initial,
            "outputStartTime": one.start,
            "outputEndTime": one.end,
            "numberOfSteps": str(one.steps),
        }
        block = partial(xml.block, "uniformTimeCourse", told)
    elif isinstance(one, OneStep):
        block = partial(xml.block, "oneStep", {"id": one.id, "step": one.step})
    else:
        block = partial(xml.block, "steadyState", {"id": one.id})
    with block():
        _write_algorithm(xml, one.algorithm)


def _write_algorithm(xml: Xml, algorithm: Algorithm) -> None:
    given = {"kisaoID": algorithm.kisao}
    with xml.block("algorithm", given), xml.listed("listOfAlgorithmParameters"):
        for kisao, value in algorithm.parameters.items():
            xml.leaf("algorithmParameter", {"kisaoID": kisao, "value": value})


def _write_task(xml: Xml, task: Task | RepeatedTask) -> None:
    if isinstance(task, Task):
        named = {"modelReference": task.model, "simulationReference": task.simulation}
        xml.leaf("task", {"id": task.id, **named})
        return
    told: Attributes = {"id": task.id, "range": task.range, "resetModel": task.is_reset}
    with xml.block("repeatedTask", told):
        with xml.listed("listOfRanges"):
            for one in task.ranges:
                with xml.block("vectorRange", {"id": one.id}):
                    for value in one.values:
                        xml.leaf("value", {}, repr(value))
        with xml.listed("listOfChanges"):
            for change in task.changes:
                where = {"modelReference": change.model, "target": address_of(change.target)}
                own = set(change.variables)
                ranges = {one.id for one in task.ranges}.intersection(symbols(change.formula))
                only = {"range": min(ranges - own)} if ranges - own else {}
                with xml.block("setValue", {**where, **only}):
                    _write_formula(xml, change.formula, change.variables)
        with xml.listed("listOfSubTasks"):
            for part in task.tasks:
                xml.leaf("subTask", {"order": str(part.order), "task": part.task})


def _write_formula(xml: Xml, formula: Expression, variables: Mapping[str, Variable]) -> None:
    xml.raw(MATH.math(formula))
    with xml.listed("listOfVariables"):
        for id, one in variables.items():
            place = (
                {"symbol": TIME_SYMBOLS[0]}
                if one.target is None
                else {"target": address_of(one.target)}
            )
            of = {"taskReference": one.task or None, "modelReference": one.model or None}
            xml.leaf("variable", {"id": id, **place, **of})


def _write_outputs(xml: Xml, experiment: Experiment) -> None:
    for report in experiment.reports:
        block = xml.block("report", {"id": report.id, "name": report.name or None})
        with block, xml.listed("listOfDataSets"):
            for at, column in enumerate(report.columns):
                told = {"label": column.label, "dataReference": column.generator}
                xml.leaf("dataSet", {"id": f"{report.id}_{at + 1}", **told})
    for plot in experiment.plots:
        _write_plot(xml, plot)


def _write_plot(xml: Xml, plot: Plot2D) -> None:
    with xml.block("plot2D", {"id": plot.id, "name": plot.name or None}):
        for axis, is_log in (("xAxis", plot.is_log_x), ("yAxis", plot.is_log_y)):
            xml.leaf(axis, {"type": "log10" if is_log else "linear"})
        with xml.listed("listOfCurves"):
            for at, one in enumerate(plot.curves):
                told = {"xDataReference": one.x, "yDataReference": one.y}
                xml.leaf("curve", {"id": f"{plot.id}_{at + 1}", "name": one.name or None, **told})
