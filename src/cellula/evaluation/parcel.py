"""A comparison as files, of which a worker reads the groups that are its own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp
from numpy.typing import NDArray

from cellula.core.comparison import Comparison, GeneSets
from cellula.core.errors import DataError
from cellula.core.prediction import Population
from cellula.io.row_store import RowStore, StoredRows, appended

__all__ = ["packed", "unpacked"]

ARRAYS = (
    "unit",
    "observed",
    "predicted",
    "lower",
    "upper",
    "reference",
    "baseline",
    "fold",
    "control",
)
POPULATIONS = ("observed_cells", "predicted_cells", "control_cells")
#: Of the control cells, which are not divided.
UNITS = "control_units"
META = "comparison.json"


def packed(comparison: Comparison, folder: Path) -> None:
    """Write a comparison into an empty folder. Cells on disk stay where they are.

    Raises StorageError when the disk refuses the cells.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name in ARRAYS:
        array = getattr(comparison, name)
        if array is not None:
            np.save(folder / f"{name}.npy", array)
    if comparison.control_units is not None:
        np.save(folder / f"{UNITS}.npy", comparison.control_units)
    sets = comparison.gene_sets
    if sets is not None:
        np.save(folder / "members.npy", sets.members)
    meta = {
        "units": comparison.units,
        "readouts": comparison.readouts,
        "baseline_name": comparison.baseline_name,
        "labels": _packed_groups(comparison.groups, folder),
        "gene_sets": None if sets is None else sets.names,
        "cells": {
            name: _packed_cells(getattr(comparison, name), folder / name) for name in POPULATIONS
        },
    }
    (folder / META).write_text(json.dumps(meta))


def unpacked(folder: Path, first: int, stop: int) -> Comparison:
    """The groups first, ..., stop - 1 of a comparison that was packed, as ``part`` gives them.

    Raises DataError when the folder is not there, as on a machine that does not share it.
    """
    if not (folder / META).is_file():
        raise DataError(
            f"{folder} is not there; every worker must see the scratch folder of the run: give a "
            "folder that all machines share with --scratch"
        )
    meta = json.loads((folder / META).read_text())
    arrays: dict[str, Any] = {name: _rows(folder / f"{name}.npy", first, stop) for name in ARRAYS}
    cells: dict[str, Any] = {
        name: _population(folder / name, told, None if name == "control_cells" else (first, stop))
        for name, told in meta["cells"].items()
    }
    names = meta["gene_sets"]
    return Comparison(
        groups=_groups(folder, meta["labels"], first, stop),
        units=tuple(meta["units"]),
        readouts=tuple(meta["readouts"]),
        baseline_name=meta["baseline_name"],
        control_units=_rows(folder / f"{UNITS}.npy", 0, None),
        gene_sets=None
        if names is None
        else GeneSets(tuple(names), np.load(folder / "members.npy")),
        **arrays,
        **cells,
    )


def _rows(path: Path, first: int, stop: int | None) -> Any:
    """Some rows of an array, or None where there is none."""
    if not path.is_file():
        return None
    return np.array(np.load(path, mmap_mode="r")[first:stop])


# -- groups -----------------------------------------------------------------------------------
def _packed_groups(groups: pd.DataFrame, folder: Path) -> dict[str, list[str] | None]:
    """The labels of every column, None of a column of numbers."""
    labels: dict[str, list[str] | None] = {}
    for name, column in groups.items():
        is_text = not pd.api.types.is_numeric_dtype(column)
        text = pd.Categorical(column) if is_text else None
        np.save(folder / f"groups-{name}.npy", column.to_numpy() if text is None else text.codes)
        labels[str(name)] = None if text is None else [str(label) for label in text.categories]
    return labels


def _groups(
    folder: Path, labels: dict[str, list[str] | None], first: int, stop: int
) -> pd.DataFrame:
    columns: dict[str, Any] = {}
    for name, categories in labels.items():
        values = _rows(folder / f"groups-{name}.npy", first, stop)
        columns[name] = (
            values if categories is None else pd.Categorical.from_codes(values, categories)
        )
    return pd.DataFrame(columns)


# -- cells ------------------------------------------------------------------------------------
def _packed_cells(cells: Population | None, folder: Path) -> dict[str, Any] | None:
    """Where the cells of a population lie; those in memory are written."""
    if cells is None:
        return None
    values = cells.values
    if not isinstance(values, StoredRows):
        store = appended(folder, [values], values.shape[1], is_sparse=sp.issparse(values))
        values = store.rows(0, len(cells.group))
    folder.mkdir(exist_ok=True)
    np.save(folder / "group.npy", cells.group)
    np.save(folder / "positions.npy", values.positions)
    if values.order is not None:
        np.save(folder / "order.npy", values.order)
    store = values.store
    return {
        "folder": str(store.folder.resolve()),
        "n_columns": store.n_columns,
        "dtype": store.dtype,
        "is_sparse": store.is_sparse,
    }


def _population(
    folder: Path, told: dict[str, Any] | None, groups: tuple[int, int] | None
) -> Population | None:
    """The cells of some groups, numbered from 0, or of all where ``groups`` is None; not read."""
    if told is None:
        return None
    store = RowStore(**{**told, "folder": Path(told["folder"])})
    codes: NDArray[np.int64] = np.load(folder / "group.npy", mmap_mode="r")
    low, high = (0, len(codes)) if groups is None else np.searchsorted(codes, groups)
    order = folder / "order.npy"
    positions = np.array(np.load(folder / "positions.npy", mmap_mode="r")[low:high])
    rows = StoredRows(store, positions, np.load(order) if order.is_file() else None)
    return Population(rows, np.array(codes[low:high]) - (0 if groups is None else groups[0]))
