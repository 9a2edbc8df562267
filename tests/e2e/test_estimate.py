"""``cellula estimate``: a problem from its files to a result and figures; refusals."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from petab_files import PETAB
from shell import Shell

from cellula.io.sbml import sbml_text
from cellula.testing.simulator import decay

pytest.importorskip("fides", reason="needs the extra fitting")


@pytest.fixture
def problem(shell: Shell) -> Path:
    Path("decay.xml").write_text(sbml_text(decay()))
    for name, text in PETAB.items():
        Path(name).write_text(text)
    return Path("problem.yaml")


@pytest.mark.requirement("K9", "S4")
def test_a_problem_is_estimated_twice_with_the_same_bytes(shell: Shell, problem: Path) -> None:
    told = shell("estimate", "problem.yaml", "--out", "one", "--starts", "3", "--profile", "k")
    assert "3 of them within 0.1 of the best" in told
    assert "identifiable: [" in told
    shell(
        "estimate",
        "problem.yaml",
        "--out",
        "two",
        "--starts",
        "3",
        "--profile",
        "k",
        "--threads",
        "2",
    )
    for name in ("estimate.json", "waterfall.svg", "profiles.svg"):
        assert Path("one", name).read_bytes() == Path("two", name).read_bytes()
    found = json.loads(Path("one/estimate.json").read_text())
    (k,) = found["parameters"]
    low, high = k["interval"]
    assert low < k["value"] < high
    assert k["identifiability"] == "identifiable"
    assert found["optimiser"]["name"] == "fides"
    assert found["optimiser"]["version"]
    assert found["waterfall"][0] == found["objective"] <= found["nominal"]


def test_refusals_are_named(shell: Shell, problem: Path) -> None:
    shell("estimate", "problem.yaml", "--out", "one", "--starts", "1")
    for words, said in (
        (("problem.yaml", "--out", "one"), "holds a result"),
        (("decay.xml", "--out", "new"), "no PEtab problem"),
        (("problem.yaml", "--out", "new", "--option", "rtoll=1"), "rtoll: Extra inputs"),
        (("problem.yaml", "--out", "new", "--profile", "q"), "no parameter 'q' is estimated"),
        (("problem.yaml", "--out", "new", "--optimiser", "fidez"), "did you mean fides?"),
    ):
        assert said in shell("estimate", *words, exit_code=None)
    shell("estimate", "problem.yaml", "--out", "one", "--starts", "1", "--force")
    assert not Path("new").exists()
