"""``cellula fit`` of a network killed at any moment: the same command goes on to the same bytes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cellula.testing.examples import single_cells

#: The command line, with a checkpoint after every epoch.
SCRIPT = """
from cellula.models.learned.blocks import checkpoint
checkpoint.EVERY_S = 0.0
from cellula.cli import main
main()
"""
ROLES = "perturbation=perturbation,control=is_control,context=context"


def command(out: Path, folder: Path) -> list[str]:
    words = ["--data", str(folder / "cells.h5ad"), "--roles", ROLES, "--model", "flow_matching"]
    train = ["--option", 'train={"epochs": 20}']
    return [sys.executable, "-c", SCRIPT, "fit", *words, *train, "--out", str(out)]


@pytest.mark.requirement("E5")
def test_a_fit_that_was_killed_goes_on(tmp_path: Path) -> None:
    single_cells().data.write_h5ad(tmp_path / "cells.h5ad")
    out = tmp_path / "fitted"
    whole = subprocess.run(command(tmp_path / "whole", tmp_path), capture_output=True, text=True)
    assert whole.returncode == 0, whole.stderr
    process = subprocess.Popen(command(out, tmp_path), stderr=subprocess.DEVNULL)
    scratch = tmp_path / ".fitted.fitting"
    until = time.monotonic() + 120
    while not list(scratch.rglob("*.safetensors")) and time.monotonic() < until:
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert not out.exists()
    assert list(scratch.rglob("*.safetensors"))
    again = subprocess.run(command(out, tmp_path), capture_output=True, text=True)
    assert again.returncode == 0, again.stderr
    assert "training goes on after" in again.stderr
    for name in ("state.npz", "model.json"):
        assert (out / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert sorted(os.listdir(tmp_path)) == ["cells.h5ad", "fitted", "whole"]
