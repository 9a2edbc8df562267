"""How much memory a process has needed."""

from __future__ import annotations

import subprocess
import sys

import numpy as np

from cellula.kernels.memory import peak_bytes

CHILD = "from cellula.kernels.memory import peak_bytes; print(peak_bytes())"


def test_the_peak_outlives_what_needed_it() -> None:
    before = peak_bytes()
    held = np.ones(before // 8 + 10_000_000)
    del held
    assert peak_bytes() > before + 50_000_000


def test_a_peak_is_not_that_of_the_parent() -> None:
    held = np.ones(60_000_000)
    done = subprocess.run([sys.executable, "-c", CHILD], capture_output=True, text=True, check=True)
    assert int(done.stdout) < held.nbytes
