"""The matrix of requirements: what it counts, and that it finds what is missing or unheard of."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def tool() -> dict[str, Any]:
    return runpy.run_path(str(ROOT / "tools" / "traceability.py"))


def test_the_list_has_every_id_once(tool: dict[str, Any]) -> None:
    ids = [one.id for one in tool["requirements"]()]
    assert len(ids) == len(set(ids)) == 140
    assert {one.level for one in tool["requirements"]()} == {"M", "S"}


def test_the_matrix_names_what_has_no_test_and_what_nobody_heard_of(tool: dict[str, Any]) -> None:
    wanted = [tool["Requirement"](name, "M", "", "") for name in ("A1", "A2")]
    tests = {
        "A1": ["tests/unit/test_a.py::test_one", "tests/unit/test_a.py::test_two"],
        "Z9": ["x"],
    }
    lines, unknown = tool["matrix"](wanted, tests)
    assert lines[0].split() == ["A1", "M", "2", "unit/test_a.py"]
    assert lines[1].split() == ["A2", "M", "0", "-"]
    assert "\nmust: 1 of 2 have a test" in lines
    assert "  without: A2" in lines
    assert unknown == ["Z9"]
