"""The example studies: every file is a study, and the two quickest run by one command."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from example_run import EXAMPLES, require_whole, run_example
from shell import Shell

from cellula.report.references import bibliography
from cellula.validation.study import read_study

PAGE = Path(__file__).parents[2] / "docs" / "examples.md"
#: A few seconds each; all of them run in tests/benchmark.
QUICK = ("glioblastoma_unseen_context", "norman_unseen_combination")


@pytest.mark.requirement("E6")
@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_every_example_is_a_whole_study(path: Path) -> None:
    study = read_study(path)
    assert study.study.id.replace("-", "_") == path.stem
    assert study.study.question.endswith("?")
    for source in study.data:
        assert source.license != "unknown"
        assert source.citation in bibliography()
    for claim in study.claim:
        assert claim.unit is not None
        assert all(len(rule.why.split()) > 8 for rule in claim.gate)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_every_example_says_its_command_and_stands_on_the_page(path: Path) -> None:
    assert f"cellula run --register examples/{path.name} --data" in path.read_text("utf-8")
    assert f"examples/{path.name}" in PAGE.read_text("utf-8")


@pytest.mark.data
@pytest.mark.requirement("E3", "E6", "O2")
@pytest.mark.parametrize("name", QUICK)
def test_a_quick_example_runs_by_one_command(name: str, shell: Shell, data_dir: Path) -> None:
    path = next(path for path in EXAMPLES if path.stem == name)
    require_whole(run_example(path, data_dir, shell.folder / "workspace"))


@pytest.mark.requirement("E6")
def test_a_study_is_registered_once(shell: Shell, toy: Callable[..., Path]) -> None:
    path = toy(9, hold_out="{ folds = 2, seed = 1 }")
    first = shell("run", path, "--register", exit_code=None)
    assert "toy version 1: registered now, before anything is fitted" in first
    assert "toy version 1: was registered before" in shell(
        "run", path, "--register", exit_code=None
    )
    path.write_text(path.read_text().replace("A toy", "Another toy"))
    refused = shell("run", path, "--register", exit_code=None)
    assert "is registered with another content" in refused
