"""The house stands, and each of its import contracts catches a violation planted for it."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
from itertools import chain
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src" / "cellula"
TREE = "tree"
LINT = "from importlinter.cli import lint_imports_command as command; command()"

FLOORS = "Each floor imports only the floors below"
ENGINES = "Engines do not know one another"
FOREIGN = "Foreign engines enter only through engines"
TORCH = "torch enters only through learned and hybrid models, explanation and private training"
KIT = "Nothing imports the test kit"
CYCLES = "No cycles among siblings, at any depth"

PLANTED = [
    pytest.param(FLOORS, {"core/planted.py": "import cellula.service"}, id="upwards"),
    pytest.param(
        FLOORS,
        {"core/planted.py": "def late() -> None:\n    import cellula.service"},
        id="upwards-inside-a-function",
    ),
    pytest.param(FLOORS, {"planted/__init__.py": ""}, id="undeclared-folder"),
    pytest.param(
        ENGINES,
        {"engines/planted_a.py": "import cellula.engines.planted_b", "engines/planted_b.py": ""},
        id="engine-knows-engine",
    ),
    pytest.param(FOREIGN, {"models/mechanistic/planted.py": "import roadrunner"}, id="foreign"),
    pytest.param(TORCH, {"data/planted.py": "import torch"}, id="torch"),
    pytest.param(KIT, {"governance/planted.py": "import cellula.testing"}, id="test-kit"),
    pytest.param(
        CYCLES,
        {
            "io/planted_a.py": "import cellula.io.planted_b",
            "io/planted_b.py": "def late() -> None:\n    import cellula.io.planted_a",
        },
        id="cycle",
    ),
]


def contracts() -> list[str]:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return [contract["name"] for contract in settings["tool"]["importlinter"]["contracts"]]


def broken(folder: Path, planted: dict[str, str]) -> set[str]:
    """The contracts that lint-imports finds broken in a copy of the tree with files planted."""
    copy = folder / TREE
    shutil.copytree(SOURCE, copy / "cellula", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", copy)
    for name, text in planted.items():
        path = copy / "cellula" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f'"""Planted."""\n\n{text}\n', encoding="utf-8")
    result = subprocess.run(
        [sys.executable, "-c", LINT, "--config", "pyproject.toml", "--no-cache"],
        cwd=copy,
        env={**os.environ, "PYTHONPATH": str(copy), "COLUMNS": "200", "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    states = dict(re.findall(r"^(.+?) (KEPT|BROKEN)", result.stdout, re.MULTILINE))
    assert set(states) == set(contracts()), result.stdout + result.stderr
    return {name for name, state in states.items() if state == "BROKEN"}


def test_every_contract_has_a_planted_violation() -> None:
    assert {case.values[0] for case in PLANTED} == set(contracts())


def test_the_house_keeps_its_contracts(tmp_path: Path) -> None:
    assert broken(tmp_path, {}) == set()


@pytest.mark.parametrize(("contract", "planted"), PLANTED)
def test_a_planted_violation_breaks_its_contract(
    contract: str, planted: dict[str, str], tmp_path: Path
) -> None:
    assert broken(tmp_path, planted) == {contract}


def test_every_floor_stands_and_says_what_it_is() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    layers = settings["tool"]["importlinter"]["contracts"][0]["layers"]
    floors = [name.strip(" ()") for layer in layers for name in layer.split("|")]
    for floor in [*floors, "testing"]:
        tree = ast.parse((SOURCE / floor / "__init__.py").read_text(encoding="utf-8"))
        assert ast.get_docstring(tree), f"{floor} says nothing about itself"


@pytest.mark.parametrize("word", ["utils", "helpers", "misc", "common"])
def test_no_file_is_named_after_nothing(word: str) -> None:
    assert not list(SOURCE.rglob(f"{word}*"))


def test_constraints_are_plain_pins() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pinned = {}
    for line in lines:
        match = re.fullmatch(r"([A-Za-z0-9._-]+)==([A-Za-z0-9.]+)", line)
        assert match, f"constraints.txt: {line!r} is no plain name==version"
        pinned[re.sub(r"[-_.]+", "-", match[1]).lower()] = match[2]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for requirement in chain(project["dependencies"], *project["optional-dependencies"].values()):
        name = re.sub(r"[-_.]+", "-", re.split(r"[\[<>=!~; ]", requirement)[0]).lower()
        assert name == "cellula" or name in pinned, f"{requirement} is not pinned"


def test_ci_runs_what_a_newcomer_runs() -> None:
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    assert [line for line in script.read_text().splitlines() if line.startswith("make ")] == [
        "make system",
        "make test",
    ]
