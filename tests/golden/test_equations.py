"""The SBML Test Suite through equations alone: what has no reactions any more means the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cellula.core import registry
from cellula.core.equations import equations
from cellula.core.errors import DataError
from cellula.core.run import RunContext
from cellula.core.simulation import ParameterTable, Schedule, Trajectory
from cellula.testing.sbml_suite import cases, reported

sbml = pytest.importorskip("cellula.io.sbml", reason="needs the extra sbml")
SAMPLE = 60


@pytest.mark.requirement("K9", "S2")
def test_sample_of_the_suite(data_dir: Path, run: RunContext) -> None:
    archive = data_dir / "models" / "sbml_suite_semantic.zip"
    quick = [
        one
        for one in cases(archive)
        if one.is_time_course and not {"CSymbolDelay", "FastReaction"}.intersection(one.tags)
    ]
    simulator = registry.create("simulator", "ode", {})
    passed, refused = 0, []
    for case in quick[:: len(quick) // SAMPLE][:SAMPLE]:
        network = sbml.network_of(case.text)
        try:
            form = equations(network)
        except DataError as error:
            refused.append(str(error))
            continue
        nobody = ParameterTable((), np.zeros((1, 0)))
        found = simulator.simulate(form, nobody, Schedule(), case.times, run)
        told = np.stack([found.of(id) for id in network.ids], axis=2)
        values = reported(case, network, Trajectory(network.ids, case.times, told))
        allowed = case.absolute + case.relative * np.abs(case.results)
        is_same = (np.abs(values - case.results) <= allowed) | (values == case.results)
        is_same |= np.isnan(values) & np.isnan(case.results)
        assert is_same.all(), case.number
        passed += 1
    assert passed >= SAMPLE // 2
    assert all("the event" in one or "constraint" in one for one in refused), refused
