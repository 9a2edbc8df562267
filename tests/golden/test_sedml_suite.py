"""Cases of the SBML Test Suite as SED-ML by libsedml: reports are the suite's own results."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from cellula.core import registry
from cellula.core.run import RunContext
from cellula.io.experiment_models import experiment_models
from cellula.io.experiment_tables import report_table
from cellula.io.sedml import SedMl
from cellula.models.mechanistic.experiment import experiment_values
from cellula.testing.sbml_suite import Case, cases

pytestmark = pytest.mark.skipif(find_spec("libsedml") is None, reason="needs python-libsedml")

SAMPLE = 25
#: libsedml in a process of its own: it cannot be loaded beside libsbml. As the suite's authors
#: do it: an amount is the concentration times the size.
WRITER = """
import json, sys
import libsedml as L
for case in json.load(sys.stdin):
    made = L.SedDocument(1, case["version"])
    model = made.createModel()
    model.setId("m"); model.setSource(case["model"]); model.setLanguage("urn:sedml:language:sbml")
    course = made.createUniformTimeCourse()
    course.setId("s"); course.setInitialTime(0); course.setOutputStartTime(case["start"])
    course.setOutputEndTime(case["end"])
    steps = course.setNumberOfSteps if case["version"] == 4 else course.setNumberOfPoints
    steps(case["steps"])
    method = course.createAlgorithm(); method.setKisaoID("KISAO:0000019")
    task = made.createTask()
    task.setId("t"); task.setModelReference("m"); task.setSimulationReference("s")
    report = made.createReport(); report.setId("r")
    for label, formula, targets in case["columns"]:
        one = made.createDataGenerator(); one.setId("g_" + label)
        for id, target in targets.items():
            seen = one.createVariable(); seen.setId("v_" + id); seen.setTaskReference("t")
            seen.setSymbol("urn:sedml:symbol:time") if target is None else seen.setTarget(target)
        one.setMath(L.parseL3Formula(formula))
        column = report.createDataSet()
        column.setId("d_" + label); column.setLabel(label); column.setDataReference("g_" + label)
    L.writeSedMLToFile(made, case["out"])
"""
PLACE = "/sbml:sbml/sbml:model/sbml:listOf{}/sbml:{}[@id='{}']"


def columns(case: Case, network: object) -> list[tuple[str, str, dict[str, str | None]]]:
    species = {one.id: one for one in network.species}  # type: ignore[attr-defined]
    compartments = {one.id for one in network.compartments}  # type: ignore[attr-defined]
    found: list[tuple[str, str, dict[str, str | None]]] = [("time", "v_time", {"time": None})]
    for id in case.variables:
        kind = "Compartments" if id in compartments else "Parameters"
        targets: dict[str, str | None] = {id: PLACE.format(kind, kind.lower()[:-1], id)}
        formula = f"v_{id}"
        if id in species:
            one = species[id]
            targets = {id: PLACE.format("Species", "species", id)}
            if (id in case.amounts) != one.is_amount:
                sign = "/" if one.is_amount else "*"
                formula += f" {sign} v_{one.compartment}"
                place = PLACE.format("Compartments", "compartment", one.compartment)
                targets[one.compartment] = place
        found.append((id, formula, targets))
    return found


def is_fit(case: Case) -> bool:
    words = ("comp:", "fbc:", "Delay", "Fast", "Algebraic", "Random")
    return case.is_time_course and not any(word in tag for tag in case.tags for word in words)


@pytest.mark.requirement("K9", "S2", "S3")
def test_reports_are_the_results(data_dir: Path, tmp_path: Path, run: RunContext) -> None:
    sbml = pytest.importorskip("cellula.io.sbml", reason="needs the extra sbml")
    fit = [c for c in cases(data_dir / "models" / "sbml_suite_semantic.zip") if is_fit(c)]
    networks = {}
    asked = []
    for case in fit[:: len(fit) // (2 * SAMPLE)]:
        network = sbml.network_of(case.text)
        reactions = {one.id for one in network.reactions}
        if len(networks) == SAMPLE or reactions.intersection(case.variables):
            continue
        networks[case.number] = (case, network)
        (tmp_path / f"{case.number}.xml").write_text(case.text)
        asked.append(
            {
                "version": (4, 3, 2)[len(asked) % 3],
                "model": f"{case.number}.xml",
                "start": case.times[0],
                "end": case.times[-1],
                "steps": len(case.times) - 1,
                "columns": columns(case, network),
                "out": str(tmp_path / f"{case.number}.sedml"),
            }
        )
    command = [sys.executable, "-W", "ignore", "-c", WRITER]
    subprocess.run(command, input=json.dumps(asked), text=True, check=True, capture_output=True)
    simulator = registry.create("simulator", "ode", {})
    for number, (case, _) in networks.items():
        experiment = SedMl().read(tmp_path / f"{number}.sedml")
        models = experiment_models(experiment, tmp_path)
        values = experiment_values(experiment, models, {"s": simulator}, run)
        table = report_table(experiment.reports[0], values)
        found = table[list(case.variables)].to_numpy()
        allowed = case.absolute + case.relative * np.abs(case.results)
        is_same = (np.abs(found - case.results) <= allowed) | (found == case.results)
        is_same |= np.isnan(found) & np.isnan(case.results)
        assert is_same.all(), number
    assert len(networks) == SAMPLE
