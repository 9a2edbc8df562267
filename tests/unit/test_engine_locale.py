"""An engine changes nothing of the process that it is loaded into."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize("name", ["roadrunner", "copasi", "bngsim"])
def test_an_engine_leaves_the_locale_of_the_process_alone(name: str, tmp_path: Path) -> None:
    script = f"""
import locale
import numpy as np
from pathlib import Path
from cellula.core import registry
from cellula.core.run import run_context
from cellula.core.simulation import ParameterTable, Schedule
from cellula.testing.simulator import decay
before = locale.setlocale(locale.LC_ALL)
engine, one = registry.create("simulator", {name!r}, {{}}), ParameterTable((), np.zeros((1, 0)))
engine.simulate(decay(), one, Schedule(), np.array([0.0, 1.0]), run_context(0, Path(".")))
assert locale.setlocale(locale.LC_ALL) == before, locale.setlocale(locale.LC_ALL)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
