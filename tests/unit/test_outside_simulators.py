"""Simulators out of process: what they are asked, what they refuse before they are started."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cellula.core import registry
from cellula.core.errors import DataError, EngineError, MissingExtra
from cellula.core.expression import Number
from cellula.core.network import AssignmentRule, Compartment, Parameter
from cellula.core.run import RunContext
from cellula.core.simulation import Dose, ParameterTable, Schedule
from cellula.engines.outside import amici, vcell
from cellula.engines.outside.environment import Environment
from cellula.engines.outside.even_times import stretches
from cellula.engines.outside.opensim import Motion, forward
from cellula.engines.outside.vcell import Slab, slab_course
from cellula.engines.outside.worker import Question
from cellula.testing.simulator import decay

NOBODY = ParameterTable((), np.zeros((1, 0)))
TIMES = np.array([0.0, 0.5, 1.0, 2.0, 4.0])
NAMES = {"A": "A_", "k": "k"}


def test_times_from_dose_to_dose_share_a_step() -> None:
    doses = Schedule((Dose(1.0, "A", 3.0, "add"), Dose(1.0, "k", 0.1), Dose(9.0, "k", 5.0)))
    runs, places = stretches(doses, TIMES, NAMES)
    assert [(one["duration"], one["step"]) for one in runs] == [(1.0, 0.5), (3.0, 1.0)]
    assert runs[0]["doses"] == []
    assert runs[1]["doses"] == [
        {"id": "A_", "how": "add", "value": 3.0},
        {"id": "k", "how": "set", "value": 0.1},
    ]
    assert places == [(0, 0), (0, 1), (0, 2), (1, 1), (1, 3)]


def test_times_that_share_no_step() -> None:
    with pytest.raises(DataError, match="share a step of 1e-06 only"):
        stretches(Schedule(), np.array([0.0, 0.999999, 4.0]), NAMES)
    runs, places = stretches(Schedule(), np.linspace(0.0, 1.0, 11), NAMES)
    assert runs[0]["step"] == pytest.approx(0.1)
    assert [row for _, row in places] == list(range(11))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"compartments": (Compartment("cell"), Compartment("other"))}, "several compartments"),
        ({"compartments": (Compartment("cell", None),)}, "a compartment without a size"),
        ({"initial": {"A": Number(1.0)}}, "initial values that are computed"),
        (
            {
                "parameters": (Parameter("k", 0.7), Parameter("q", None, False)),
                "rules": (AssignmentRule("q", Number(1.0)),),
            },
            "rules",
        ),
        (
            {"species": tuple(replace(one, is_amount=True) for one in decay().species)},
            "species told as amounts",
        ),
    ],
)
def test_what_virtual_cell_is_not_given(
    change: Mapping[str, Any], words: str, run: RunContext
) -> None:
    simulator = registry.create("simulator", "vcell", {})
    with pytest.raises(EngineError, match=f"is not given {words}"):
        simulator.simulate(replace(decay(), **change), NOBODY, Schedule(), TIMES, run)


def test_virtual_cell_has_no_size_to_change(run: RunContext) -> None:
    simulator = registry.create("simulator", "vcell", {})
    cells = ParameterTable(("cell",), np.ones((1, 1)))
    with pytest.raises(EngineError, match="cannot change the size of 'cell'"):
        simulator.simulate(decay(), cells, Schedule(), TIMES, run)
    with pytest.raises(DataError, match="the slab has 'C', no species"):
        slab_course(decay(), Slab(diffusion={"C": 1.0}), TIMES)


@pytest.mark.parametrize("name", ["amici", "vcell"])
def test_one_that_is_not_installed_says_how(
    name: str, run: RunContext, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    where = "cellula.engines.outside.environment.default_folder"
    monkeypatch.setattr(where, lambda: tmp_path)
    simulator = registry.create("simulator", name, {})
    with pytest.raises(MissingExtra, match=f"cellula engine install (py)?{name}"):
        simulator.simulate(decay(), NOBODY, Schedule(), TIMES, run)
    nobody = ParameterTable((), np.zeros((0, 0)))
    if name == "amici":
        empty = simulator.simulate(decay(), nobody, Schedule(), TIMES, run)
        assert empty.values.shape == (0, 5, len(decay().ids))


def test_what_amici_is_asked_and_answers(run: RunContext, monkeypatch: pytest.MonkeyPatch) -> None:
    """Parameters are set on one model; a size makes a model of its own."""
    seen: list[Question] = []

    def answer(environment: Environment, question: Question, scratch: Path) -> Any:
        seen.append(question)
        course = {"status": "", "time": 4.0, "values": [[1.0] * 5, [2.0] * 5, [3.0] * 5]}
        failed = {"status": "TOO_MUCH_WORK", "time": 0.5, "values": []}
        courses = [failed if cell["values"].get("k") == 9.0 else course
                   for cell in question.content["cells"]]  # fmt: skip
        return {"version": "1.0.1", "ids": ["A", "B", "rate_of_decay"], "courses": courses}

    monkeypatch.setattr(amici, "answered", answer)
    simulator = registry.create("simulator", "amici", {})
    cells = ParameterTable(("k",), np.array([[0.1], [0.2]]))
    found = simulator.simulate(decay(), cells, Schedule(), TIMES, run)
    assert set(found.ids) == {"A", "B", "decay"}
    assert found.of("decay")[0, 0] == 3.0
    assert len(seen[0].content["models"]) == 1
    sizes = ParameterTable(("cell",), np.array([[1.0], [2.0]]))
    simulator.simulate(decay(), sizes, Schedule(), TIMES, run)
    assert len(seen[1].content["models"]) == 2
    slow = ParameterTable(("k",), np.array([[0.1], [9.0]]))
    with pytest.raises(EngineError, match=r"no solution of cell 1 beyond 0\.5: TOO_MUCH_WORK"):
        simulator.simulate(decay(), slow, Schedule(), TIMES, run)


def test_what_virtual_cell_is_asked(run: RunContext, monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(environment: Environment, question: Question, scratch: Path) -> Any:
        runs = question.content["stretches"]
        rows = [round(one["duration"] / one["step"]) + 1 for one in runs]
        part = [{id: [[float(k)] for k in range(n)] for id in ("A", "B")} for n in rows]
        return {"version": "0.2.4", "courses": [part] * len(question.content["cells"])}

    monkeypatch.setattr(vcell, "answered", answer)
    simulator = registry.create("simulator", "vcell", {})
    found = simulator.simulate(decay(), NOBODY, Schedule(), TIMES, run)
    assert found.ids == ("A", "B")
    assert list(found.of("A")[0]) == [0.0, 1.0, 2.0, 4.0, 8.0]
    assert set(slab_course(decay(), Slab(), TIMES)) == {"A", "B"}


def test_half_a_musculoskeletal_model(tmp_path: Path) -> None:
    path = tmp_path / "arm.osim"
    with pytest.raises(DataError, match="cannot be read"):
        forward(path, Motion(TIMES))
    path.write_text("<OpenSimDocument><Model>")
    with pytest.raises(DataError, match=r"arm\.osim"):
        forward(path, Motion(TIMES))
    path.write_text("<sbml/>")
    with pytest.raises(DataError, match="expected an <OpenSimDocument>"):
        forward(path, Motion(TIMES))
    with pytest.raises(DataError, match="do not ascend"):
        forward(path, Motion(TIMES[::-1]))
    with pytest.raises(DataError, match="excitation of 'biceps' is 2"):
        forward(path, Motion(TIMES, excitations={"biceps": 2.0}))
