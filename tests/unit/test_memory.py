"""How much memory a process needs, has needed, and may still take."""

from __future__ import annotations

import subprocess
import sys

import numpy as np

from cellula.kernels.memory import free_bytes, give_back, held_bytes, peak_bytes

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


def test_what_is_held_is_no_more_than_the_peak() -> None:
    block = np.ones(4_000_000)
    assert block.nbytes < held_bytes() <= peak_bytes()
    assert free_bytes() > 0
    del block
    give_back()
    assert held_bytes() <= peak_bytes()
