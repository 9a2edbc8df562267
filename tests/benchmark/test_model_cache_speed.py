"""A model from the cache loads in under a tenth of its first load: each in a fresh process.

The load alone is timed, in CPU seconds, after another model has loaded all code that it needs.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

#: Load the first model, then time the second.
MEASURED = """
import sys, time
from pathlib import Path
from cellula.models.mechanistic.model_cache import ModelCache
cache, other, model = ModelCache(Path(sys.argv[1])), Path(sys.argv[2]), Path(sys.argv[3])
cache.read(other)
began = time.process_time()
made = cache.read(model)[1]
print(time.process_time() - began, len(made.system.states))
"""
MODELS = ("sbml/earm.xml", "petab/Chen_MSB2009/model_Chen_MSB2009.xml")


@pytest.mark.requirement("K9")
@pytest.mark.parametrize("name", MODELS)
def test_a_cached_model_loads_in_a_tenth(name: str, data_dir: Path, tmp_path: Path) -> None:
    models = data_dir / "models"
    words = [str(tmp_path / "cache"), str(models / "sbml" / "mapk.xml"), str(models / name)]
    seconds = []
    for _ in range(4):
        done = subprocess.run(
            [sys.executable, "-c", MEASURED, *words], capture_output=True, text=True, check=True
        )
        took, n_states = done.stdout.split()
        seconds.append(float(took))
    first, cached = seconds[0], min(seconds[1:])
    print(f"\n{name}, {n_states} states: {first * 1e3:.1f} ms, from the cache {cached * 1e3:.1f}")
    assert cached < 0.1 * first
