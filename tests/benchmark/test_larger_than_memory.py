"""Evaluation out of core and in memory: what it needs beside what was estimated, the same bits."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from synthetic_perturbseq import Law, Size, law_of, write_store

from cellula.data.data_source import DataSource
from cellula.evaluation.footprint import memory_bytes, stored_bytes
from cellula.validation.streaming import workload

SIZE = Size(cells=60_000, genes=2_000, perturbations=300, controls=3_000)
METRICS = ("rmse", "pearson_delta", "e_distance")
ROLES = "perturbation=perturbation,control=non-targeting"
#: Measures a command in a process of its own, whose memory nothing else has touched.
MEASURED = """
import json, resource, subprocess, sys
done = subprocess.run(sys.argv[1:], capture_output=True, text=True)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps([done.returncode, done.stderr, used.ru_maxrss * 1024,
                  used.ru_utime + used.ru_stime]))
"""


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stores")
    law: Law = law_of(SIZE)
    for draw, name in enumerate(("real", "pred")):
        write_store(folder / f"{name}.zarr", law, draw)
    return folder


def evaluate(folder: Path, out: Path, *words: str) -> tuple[str, int, float]:
    """What it told, its peak in bytes and its CPU seconds."""
    cellula = str(Path(sys.executable).with_name("cellula"))
    files = ["--real", str(folder / "real.zarr"), "--pred", str(folder / "pred.zarr")]
    metrics = [word for name in METRICS for word in ("--metric", name)]
    command = [cellula, "evaluate", *files, "--roles", ROLES, "--out", str(out), *metrics, *words]
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, *command], capture_output=True, text=True, check=True
    )
    code, told, peak, cpu = json.loads(done.stdout)
    assert code == 0, told
    return told, peak, cpu


def source(path: Path) -> DataSource:
    columns = {"perturbation": "perturbation", "control": "non-targeting"}
    return DataSource(path=str(path), role="profiles", value_type="log1p", columns=columns)


def test_peak_beside_estimate(stores: Path, tmp_path: Path) -> None:
    work = workload(source(stores / "real.zarr"), source(stores / "pred.zarr"))
    expected = {"in memory": memory_bytes(work), "out of core": stored_bytes(work)}
    allowed = (expected["in memory"] + expected["out of core"]) / 2e9
    given = {"in memory": "64", "out of core": str(allowed)}
    tables = {}
    for name, limit in given.items():
        out = tmp_path / name
        told, peak, cpu = evaluate(stores, out, "--memory", limit)
        assert ("out of core" in told) == (name == "out of core")
        print(
            f"\n{name}: {peak / 1e9:.2f} GB, estimated {expected[name] / 1e9:.2f} GB "
            f"({expected[name] / peak:.2f}x), {cpu:.0f} CPU s"
        )
        assert 1 / 1.5 < expected[name] / peak < 1.5
        tables[name] = {path.name: path.read_bytes() for path in sorted(out.glob("*.csv"))}
    assert tables["in memory"] == tables["out of core"]
