"""Opening for evaluation: the estimate comes first, and decides."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar, final

import numpy as np
import pytest
from test_stored import cells, source

from cellula.core.dataset import Dataset
from cellula.core.errors import DataError
from cellula.core.run import RunContext, run_context
from cellula.evaluation.footprint import (
    Extent,
    Workload,
    memory_bytes,
    scratch_bytes,
    stored_bytes,
)
from cellula.io import formats
from cellula.validation import streaming
from cellula.validation.streaming import open_pair, workload

Item = TypeVar("Item")
WORK = Workload(
    real=Extent(1_000_000, 2_000, 200_000_000, 4, True),
    predicted=Extent(1_000_000, 2_000, 200_000_000, 4, True),
    n_groups=1_000,
    largest=2_000,
    n_controls=20_000,
    process=300_000_000,
)


@final
class Told:
    """A progress that keeps what it was told."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, message: str) -> None:
        self.lines.append(message)

    def track(self, items: Sequence[Item], label: str) -> Iterator[Item]:
        return iter(items)


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    paths = tmp_path / "real.zarr", tmp_path / "pred.h5ad"
    for seed, path in enumerate(paths):
        formats.write(cells(seed), path)
    return paths


def opened(
    files: tuple[Path, Path], tmp_path: Path, limit: float | None
) -> tuple[Dataset, Dataset, list[str]]:
    told = Told()
    (tmp_path / "scratch").mkdir(exist_ok=True)
    run = run_context(0, tmp_path / "scratch", progress=told)
    real, predicted = open_pair(source(files[0]), source(files[1]), run, limit)
    return real, predicted, told.lines


def test_what_fits_is_in_memory(files: tuple[Path, Path], tmp_path: Path) -> None:
    real, _, lines = opened(files, tmp_path, None)
    assert real.stored is None
    assert "in memory: about" in lines[0]


def test_what_does_not_fit_stays_on_disk(
    files: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streaming, "memory_bytes", lambda work: 10**12)
    real, predicted, (line,) = opened(files, tmp_path, 8.0)
    assert real.stored is not None
    assert predicted.stored is not None
    for words in ("would take about 1e+03 GB", "8 GB are allowed", "out of core", "scratch"):
        assert words in line


def test_what_does_not_fit_at_all_is_an_error(files: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(DataError, match="--memory") as error:
        opened(files, tmp_path, 0.001)
    assert "12 groups of up to" in str(error.value)
    assert "17 readouts" in str(error.value)


def test_a_disk_without_room_is_an_error(
    files: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streaming, "memory_bytes", lambda work: 10**12)
    monkeypatch.setattr(streaming, "scratch_bytes", lambda work: 10**18)
    with pytest.raises(DataError, match="--scratch"):
        opened(files, tmp_path, 8.0)


def test_tables_are_opened_in_memory(tmp_path: Path, run: RunContext) -> None:
    path = tmp_path / "cells.csv"
    path.write_text("gene,line,a\nnone,k,1.5\np,k,2.5\np,k,2\n")
    asked = source(path).model_copy(update={"readouts": ("a",)})
    real, _ = open_pair(asked, asked, run, 1e-9)
    assert real.stored is None


def test_the_work_is_read_from_shapes_and_columns(files: tuple[Path, Path]) -> None:
    found = workload(source(files[0]), source(files[1]))
    data = cells(0)
    frame = data.obs[data.obs["gene"] != "none"]
    assert found.real == Extent(900, 17, data.X.nnz, 4, True)
    assert found.n_controls == 900 - len(frame)
    assert found.n_groups == 12
    assert found.largest >= frame.groupby(["gene", "line"]).size().max()


def test_estimates_grow_with_what_they_count() -> None:
    twice = replace(WORK, real=replace(WORK.real, values=2 * WORK.real.values))
    assert memory_bytes(twice) > memory_bytes(WORK) + 6 * 8 * WORK.real.values
    assert scratch_bytes(twice) > scratch_bytes(WORK)
    assert stored_bytes(replace(WORK, largest=20_000)) > stored_bytes(WORK) + 10**9
    assert stored_bytes(WORK) < memory_bytes(WORK) / 8
    dense = Extent(10, 20, 200, 8, False)
    assert dense.bytes == 200 * 8 + 80
    assert replace(WORK, n_controls=0).baseline_bytes == 0
    assert np.isclose(WORK.baseline_bytes, 1_000 * 300 * 200 * 12)
