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

#: The command line; the one that is killed writes a training down after every epoch.
PLAIN = "from cellula.cli import main; main()"
OFTEN = f"from cellula.models.learned.blocks import checkpoint; checkpoint.EVERY_S = 0; {PLAIN}"
ROLES = "perturbation=perturbation,control=is_control,context=context"


def command(script: str, out: Path, folder: Path) -> list[str]:
    words = ["--data", str(folder / "cells.h5ad"), "--roles", ROLES, "--model", "flow_matching"]
    train = ["--option", 'train={"epochs": 20}']
    return [sys.executable, "-c", script, "fit", *words, *train, "--out", str(out)]


def killed_at_a_checkpoint(words: list[str], scratch: Path) -> None:
    """Start a command and kill it as soon as it has written a training down."""
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    until = time.monotonic() + 120
    while not list(scratch.rglob("*.safetensors")) and time.monotonic() < until:
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert list(scratch.rglob("*.safetensors"))


@pytest.mark.requirement("E5")
def test_a_fit_that_was_killed_goes_on(tmp_path: Path) -> None:
    single_cells().data.write_h5ad(tmp_path / "cells.h5ad")
    out = tmp_path / "fitted"
    whole = subprocess.run(
        command(PLAIN, tmp_path / "whole", tmp_path), capture_output=True, text=True
    )
    assert whole.returncode == 0, whole.stderr
    killed_at_a_checkpoint(command(OFTEN, out, tmp_path), tmp_path / ".fitted.fitting")
    assert not out.exists()
    again = subprocess.run(command(PLAIN, out, tmp_path), capture_output=True, text=True)
    assert again.returncode == 0, again.stderr
    assert "training goes on after" in again.stderr
    for name in ("state.npz", "model.json"):
        assert (out / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert sorted(os.listdir(tmp_path)) == ["cells.h5ad", "fitted", "whole"]


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
    killed_at_a_checkpoint([sys.executable, "-c", OFTEN, *words], workspace / "scratch")
    again = subprocess.run([sys.executable, "-c", PLAIN, *words], capture_output=True, text=True)
    assert "training goes on after" in again.stderr, again.stderr
    assert not list((workspace / "scratch").rglob("*.safetensors"))
    assert list(workspace.rglob("*.zip"))
