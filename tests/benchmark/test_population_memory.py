"""A population four times as large needs the same memory: EARM cells streamed to a Parquet file."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

#: Seconds that are simulated: memory does not depend on it, and time does.
END = "500"
#: Runs the command in a process of its own, and tells the peak of that process alone.
MEASURED = """
import sys, time
from typer.testing import CliRunner
from cellula.cli.app import app
from cellula.kernels.memory import peak_bytes
done = CliRunner().invoke(app, sys.argv[1:], catch_exceptions=False)
print("[%d, %d, %f]" % (done.exit_code, peak_bytes(), time.process_time()))
"""
SPREAD = "L_0=0.25,pR_0=0.25,flip_0=0.25,pC8_0=0.25,BAR_0=0.25"


def peak(model: Path, n_cells: int, out: Path) -> float:
    words = ["simulate", str(model), "--end", END, "--points", "3", "--n-cells", str(n_cells)]
    words += ["--spread", SPREAD, "--out", str(out)]
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, *words], capture_output=True, text=True, check=True
    )
    code, found, cpu = json.loads(done.stdout.splitlines()[-1])
    assert code == 0, done.stderr
    size = out.stat().st_size / 1e6
    print(f"\n{n_cells} cells: peak {found / 1e6:.0f} MB, {cpu:.0f} CPU s, file {size:.0f} MB")
    return float(found)


@pytest.mark.requirement("S3")
def test_memory_is_flat(data_dir: Path, tmp_path: Path) -> None:
    model = data_dir / "models" / "sbml" / "earm.xml"
    few, many = (peak(model, n, tmp_path / f"{n}.parquet") for n in (5_000, 20_000))
    assert many < 1.15 * few


@pytest.mark.requirement("S3", "K9")
def test_a_hundred_thousand_cells_need_no_more(data_dir: Path, tmp_path: Path) -> None:
    model = data_dir / "models" / "sbml" / "earm.xml"
    few, many = (peak(model, n, tmp_path / f"{n}.parquet") for n in (5_000, 100_000))
    assert many < 1.15 * few
