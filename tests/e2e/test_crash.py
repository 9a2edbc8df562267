"""A run killed at any moment: nothing is half-written, the ledger verifies, a new run completes."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from shell import Shell

from cellula.evidence.keys import signing_key
from cellula.evidence.ledger import Ledger
from cellula.evidence.verify import verify_bundle

KILLS = 6
COMMAND = [sys.executable, "-c", "from cellula.cli import main; main()"]


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is of POSIX")
def test_a_run_killed_at_any_moment_completes_afterwards(
    shell: Shell, toy: Callable[..., Path]
) -> None:
    study = toy()
    shell("register", study, "--workspace", "whole")
    shell("run", study, "--workspace", "whole")
    whole = Path("whole/studies/toy/toy.zip").read_bytes()
    steps = [
        ["register", str(study), "--workspace", "w"],
        ["run", str(study), "--workspace", "w"],
    ]
    began = time.monotonic()
    for step in steps:
        subprocess.run([*COMMAND, *step], check=True, capture_output=True)
    lasts = time.monotonic() - began
    for path in sorted(Path("w").rglob("*"), reverse=True):
        path.unlink() if path.is_file() else path.rmdir()
    moments = np.random.default_rng(0).uniform(0.2, 1.0, KILLS) * lasts
    for moment in moments:
        _killed_after(steps, float(moment))
        if Path("w/ledger.sqlite").exists():
            assert Ledger(Path("w/ledger.sqlite"), signing_key()).verify() == []
        bundle = Path("w/studies/toy/toy.zip")
        if bundle.exists():
            assert verify_bundle(bundle).is_intact
            assert bundle.read_bytes() == whole
    for step in steps:
        subprocess.run([*COMMAND, *step], check=True, capture_output=True)
    assert Path("w/studies/toy/toy.zip").read_bytes() == whole
    assert Ledger(Path("w/ledger.sqlite"), signing_key()).verify() == []


def _killed_after(steps: list[list[str]], seconds: float) -> None:
    """Register and run, one after the other, and end whichever is at work by SIGKILL."""
    deadline = time.monotonic() + seconds
    for step in steps:
        process = subprocess.Popen(
            [*COMMAND, *step], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            process.wait(max(deadline - time.monotonic(), 0.01))
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
            return
