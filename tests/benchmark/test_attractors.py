"""Attractors of the 60 published networks equal AEON's; the times of both are printed."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from cellula.io.bnet import Bnet
from cellula.models.mechanistic.attractors import attractors

aeon = pytest.importorskip("biodivine_aeon", reason="pip install biodivine_aeon==1.4.2")


def of_aeon(path: Path) -> tuple[int, int, int]:
    """Fixed points, other attractors and their states."""
    network = aeon.BooleanNetwork.from_file(str(path), repair_graph=True)
    graph = aeon.AsynchronousGraph(network)
    found = aeon.Attractors.attractors(graph)
    n_steady = int(aeon.FixedPoints.symbolic(graph).cardinality())
    n_all = sum(int(one.colors().cardinality()) for one in found)
    n_states = sum(int(one.cardinality()) for one in found)
    return n_steady, n_all - n_steady, n_states - n_steady


@pytest.mark.slow
@pytest.mark.data
def test_all_published_networks(data_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = sorted((data_dir / "models" / "boolean").glob("*.bnet"))
    assert len(paths) == 60
    attractors(Bnet().read(paths[0]))  # compiles
    spent = {"cellula": 0.0, "aeon": 0.0}
    for path in paths:
        start = time.process_time()
        found = attractors(Bnet().read(path))
        spent["cellula"] += time.process_time() - start
        start = time.process_time()
        expected = of_aeon(path)
        spent["aeon"] += time.process_time() - start
        assert (found.n_fixed_points, found.n_complex, found.n_complex_states) == expected, path
    with capsys.disabled():
        print(f"\n60 networks: {', '.join(f'{name} {s:.1f} s' for name, s in spent.items())}")
