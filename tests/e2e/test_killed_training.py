"""``cellula fit`` of a network killed at any moment: the same command goes on to the same bytes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from shell import Shell

from cellula.testing.examples import single_cells

#: The command line that is killed: it writes a training down after every epoch.
OFTEN = (
    "from cellula.models.learned.blocks import checkpoint; checkpoint.EVERY_S = 0; "
    "from cellula.cli import main; main()"
)
ROLES = "perturbation=perturbation,control=is_control,context=context"


def command(out: Path, folder: Path) -> list[str]:
    words = ["--data", str(folder / "cells.h5ad"), "--roles", ROLES, "--model", "flow_matching"]
    return ["fit", *words, "--option", 'train={"epochs": 20}', "--out", str(out)]


def killed_at_a_checkpoint(words: list[str], scratch: Path) -> None:
    """Start a command in a process and kill it as soon as it has written a training down."""
    process = subprocess.Popen(
        [sys.executable, "-c", OFTEN, *words],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    until = time.monotonic() + 600  # of a busy machine
    while not list(scratch.rglob("*.safetensors")) and time.monotonic() < until:
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert list(scratch.rglob("*.safetensors"))


@pytest.mark.requirement("E5")
def test_a_fit_that_was_killed_goes_on(shell: Shell, tmp_path: Path) -> None:
    single_cells().data.write_h5ad(tmp_path / "cells.h5ad")
    out = tmp_path / "fitted"
    shell(*command(tmp_path / "whole", tmp_path))
    killed_at_a_checkpoint(command(out, tmp_path), tmp_path / ".fitted.fitting")
    assert not out.exists()
    assert "training goes on after" in shell(*command(out, tmp_path))
    for name in ("state.npz", "model.json"):
        assert (out / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert sorted(os.listdir(tmp_path)) == ["cells.h5ad", "fitted", "home", "whole"]


@pytest.mark.requirement("E5")
def test_a_run_that_was_killed_goes_on(
    shell: Shell, toy: Callable[..., Path], tmp_path: Path
) -> None:
    study = toy(n_genes=6, hold_out="{ fraction = 0.34, seed = 1 }")
    network = 'kind = "mlp_response"\noptions = { width = 8, train = { epochs = 8 } }'
    study.write_text(study.read_text().replace('kind = "bilinear_ridge"', network))
    workspace = tmp_path / "evidence"
    shell("register", str(study), "--workspace", str(workspace))
    words = ["run", str(study), "--workspace", str(workspace)]
    killed_at_a_checkpoint(words, workspace / "scratch")
    assert "training goes on after" in shell(*words, exit_code=None)
    assert not list((workspace / "scratch").rglob("*.safetensors"))
    assert list(workspace.rglob("*.zip"))
