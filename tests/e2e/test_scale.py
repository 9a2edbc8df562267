"""``cellula evaluate`` beyond memory and beyond one machine: the same bytes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import anndata
import pytest
from shell import Shell

from cellula.io import formats
from cellula.validation import streaming

Toy = Callable[..., Path]
WORDS = (
    "evaluate",
    "--real",
    "cells.h5ad",
    "--pred",
    "pred.zarr",
    "--roles",
    "perturbation=gene,control=control,context=line",
    "--metric",
    "energy_distance",
    "--metric",
    "rmse",
)


@pytest.fixture
def files(toy: Toy) -> None:
    toy(n_genes=8)
    real = anndata.read_h5ad("cells.h5ad")
    formats.write(real[real.obs["gene"] != "control"].copy(), Path("pred.zarr"))


@pytest.mark.requirement("D13")
def test_out_of_core_writes_the_same_bytes(
    shell: Shell, files: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("space").mkdir()
    assert "in memory: about" in shell(*WORDS, "--out", "here", "--memory", "64")
    monkeypatch.setattr(streaming, "memory_bytes", lambda work: 10**12)
    told = shell(*WORDS, "--out", "away", "--memory", "64", "--scratch", "space", "--threads", "2")
    assert "out of core" in told
    for path in (*sorted(Path("here").glob("*.csv")), Path("here/report.html")):
        assert path.read_bytes() == (Path("away") / path.name).read_bytes()
    assert not list(Path("space").iterdir())


def test_too_little_memory_is_told_with_what_to_do(shell: Shell, files: None) -> None:
    told = shell(*WORDS, "--out", "out", "--memory", "0.001", exit_code=1)
    assert "allow more with --memory" in told
    assert not Path("out").exists()


def test_a_scheduler_that_does_not_answer(
    shell: Shell, files: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("distributed", reason="the extra 'cluster' is not installed")
    monkeypatch.setattr("cellula.engines.dask.PATIENCE_S", 0.5)
    told = shell(*WORDS, "--out", "out", "--scheduler", "tcp://127.0.0.1:1", exit_code=1)
    assert "no Dask scheduler answers at tcp://127.0.0.1:1" in told
