"""Real and predicted profiles opened for evaluation: in memory where they fit, else on disk."""

from __future__ import annotations

import shutil
from pathlib import Path

from cellula.core.dataset import Dataset
from cellula.core.errors import DataError
from cellula.core.run import RunContext
from cellula.data.data_source import DataSource
from cellula.data.open import open_dataset
from cellula.data.stored import open_stored
from cellula.evaluation.footprint import (
    Extent,
    Workload,
    memory_bytes,
    scratch_bytes,
    stored_bytes,
)
from cellula.io.backed import BackedCells, is_backed, opened_cells
from cellula.kernels.memory import free_bytes, held_bytes

__all__ = ["open_pair", "workload"]

GB = 1e9
#: The share of the free memory that is used where no limit is given.
SHARE = 0.8
QUESTION = ("perturbation", "context", "dose_molar", "time_s", "individual")
UNITS = ("donor", "replicate", "batch")


def open_pair(
    real: DataSource, predicted: DataSource, run: RunContext, limit_gb: float | None = None
) -> tuple[Dataset, Dataset]:
    """Both datasets, in memory or in ``run.scratch``; the numbers made of them are the same.

    limit_gb: the memory that the process may take (default: 80 % of what is free, with what it
    holds). What is needed is estimated from the shapes on disk before a matrix is read, and
    told. Raises DataError, with what to do, where even the disk does not help.
    """
    paths = [Path(source.path) for source in (real, predicted)]
    if not all(is_backed(path) and path.exists() for path in paths):
        return open_dataset([real], Path()), open_dataset([predicted], Path())
    work = workload(real, predicted)
    limit = SHARE * free_bytes() + work.process if limit_gb is None else limit_gb * GB
    needed = memory_bytes(work)
    if needed <= limit:
        run.progress.say(f"in memory: about {_gb(needed)} of {_gb(limit)} allowed")
        return open_dataset([real], Path()), open_dataset([predicted], Path())
    least, disk = stored_bytes(work), scratch_bytes(work)
    run.progress.say(
        f"in memory it would take about {_gb(needed)}, {_gb(limit)} are allowed: out of core with "
        f"about {_gb(least)}, and {_gb(disk)} in {run.scratch}"
    )
    _require_room(work, least, limit, disk, run.scratch)
    return (
        open_stored(real, Path(), run.scratch / "real"),
        open_stored(predicted, Path(), run.scratch / "predicted"),
    )


def workload(real: DataSource, predicted: DataSource) -> Workload:
    """What evaluating two files takes, from their shapes and the columns of their groups."""
    with opened_cells(Path(real.path)) as cells:
        extent = _extent(cells, real)
        label = real.columns.get("control", "")
        largest, n_groups, n_controls = _groups(cells, real, label)
    with opened_cells(Path(predicted.path)) as cells:
        told = _extent(cells, predicted)
        most, _, _ = _groups(cells, predicted, label)
    return Workload(extent, told, n_groups, max(largest, most), n_controls, held_bytes())


def _extent(cells: BackedCells, source: DataSource) -> Extent:
    matrix = cells.matrix("X" if source.layer is None else f"layers/{source.layer}")
    rows, columns = matrix.shape
    size = 4 if matrix.dtype.itemsize <= 4 else 8
    return Extent(rows, columns, matrix.n_values, size, matrix.is_sparse)


def _groups(cells: BackedCells, source: DataSource, label: str) -> tuple[int, int, int]:
    """Cells of the largest group, groups, and controls where their ``label`` tells them."""
    named = [source.columns[role] for role in (*QUESTION, *UNITS) if role in source.columns]
    table = cells.columns(named)
    column = source.columns.get("perturbation", "")
    n_controls = 0
    if column in table and label:
        is_control = table[column].astype(str) == label
        n_controls = int(is_control.sum())
        table = table[~is_control]
    if not len(table.columns):
        return 0, 0, n_controls
    sizes = table.groupby(list(table.columns), observed=True, dropna=False).size()
    return int(sizes.max()) if len(sizes) else 0, len(sizes), n_controls


def _require_room(work: Workload, least: int, limit: float, disk: int, scratch: Path) -> None:
    if least > limit:
        raise DataError(
            f"{_gb(limit)} of memory are allowed, and out of core it takes about {_gb(least)} "
            f"({work.n_groups} groups of up to {work.largest} cells, {work.real.columns} "
            "readouts); allow more with --memory, evaluate a part with --where, predict fewer "
            "cells a group, or keep fewer readouts"
        )
    free = shutil.disk_usage(scratch).free
    if disk > free:
        raise DataError(
            f"{scratch} has {_gb(free)} free, and out of core it takes {_gb(disk)}; name another "
            "folder with --scratch"
        )


def _gb(size: float) -> str:
    return f"{size / GB:.3g} GB"
