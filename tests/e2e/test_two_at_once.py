"""Two processes in one workspace: they wait for one another or are told, and nothing breaks."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from shell import Shell

from cellula.evidence.keys import signing_key
from cellula.evidence.ledger import Ledger
from cellula.evidence.verify import verify_bundle
from cellula.validation.workspace import open_workspace

COMMAND = [sys.executable, "-c", "from cellula.cli import main; main()"]


def at_once(*words: str) -> list[subprocess.CompletedProcess[str]]:
    """The same command in two processes that run together."""
    made = [
        subprocess.Popen(
            [*COMMAND, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    return [
        subprocess.CompletedProcess(words, one.wait(), *texts)
        for one, texts in [(one, one.communicate()) for one in made]
    ]


def test_one_study_registered_and_run_by_two(shell: Shell, toy: Callable[..., Path]) -> None:
    study = toy(9, hold_out="{ folds = 2, seed = 1 }")
    ran = at_once("run", str(study), "--register", "--workspace", "w")
    for done in ran:
        assert done.returncode in {0, 2} or "another process is running" in done.stderr, done
    assert any(done.returncode in {0, 2} for done in ran), ran
    ledger = Ledger(Path("w/ledger.sqlite"), signing_key())
    assert len(ledger.entries("registered")) == 1
    assert len(ledger.entries("labels_sealed")) == 1
    assert ledger.verify(head=ledger.head()) == []
    folder = Path("w/studies/toy")
    found = verify_bundle(
        folder / "toy.zip", head=folder / "toy.head.json", ledger=folder / "toy.ledger.jsonl"
    )
    assert found.is_intact


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such locks")
def test_a_study_that_is_running_is_told(shell: Shell, toy: Callable[..., Path]) -> None:
    study = toy(9, hold_out="{ folds = 2, seed = 1 }")
    shell("register", study, "--workspace", "w")
    with open_workspace(Path("w")).running("toy"):
        output = shell("run", study, "--workspace", "w", exit_code=1)
    assert "another process is running the study 'toy'" in output
