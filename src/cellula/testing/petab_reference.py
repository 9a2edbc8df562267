"""The simulations that come with problems of the PEtab benchmark collection."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cellula.core.errors import DataError
from cellula.io.delimited import DelimitedTable

__all__ = ["CONTRADICTED", "problem_file", "reference_file", "relative_difference"]

#: Problem -> why its reference is not its simulation; tests/golden/test_petab.py shows each.
CONTRADICTED: Mapping[str, str] = {
    "Perelson_Science1996": "the reference has c = 1.863925 and delta = 0.657894, not the nominal",
    "Sneyd_PNAS2002": "the reference exchanges Ca_dose_response__5 and Ca_dose_response__6",
    "Zheng_PNAS2012": "the reference is a copy of the measurements",
}
#: Smaller values, in units of an observable's largest, are compared with it and not to themselves.
FLOOR = 1e-6


def problem_file(folder: Path) -> Path:
    """The YAML of a problem's folder; DataError where there is none or it is not clear."""
    for name in (f"{folder.name}.yaml", "problem.yaml"):
        if (folder / name).is_file():
            return folder / name
    raise DataError(f"{folder} has neither {folder.name}.yaml nor problem.yaml")


def reference_file(folder: Path) -> Path | None:
    """The table of simulations beside a problem, None where there is none."""
    found = [*sorted(folder.glob("simulatedData_*.tsv")), *folder.glob("simulations.tsv")]
    return found[0] if found else None


def relative_difference(table: pd.DataFrame, reference: Path) -> tuple[float, str]:
    """The greatest relative difference of a simulated table from a file, and where it is.

    Rows are compared in their order where observables, conditions and times agree in it, else
    the n-th of a key with the n-th. Raises DataError where a row of the table has no counterpart.
    """
    theirs = DelimitedTable().read(reference)
    joined = ~theirs["observableId"].isin(set(table["observableId"]))
    first = theirs["observableId"].astype(str).str.split("__").str[0]  # <id>__<overrides>__...
    theirs["observableId"] = theirs["observableId"].where(~joined, first)
    if len(theirs) == len(table) and (_keys(theirs) == _keys(table)).all():
        x = theirs["simulation"].to_numpy(dtype=np.float64)
    else:
        x = _matched(table, theirs, reference.name)
    y = table["simulation"].to_numpy()
    ids = table["observableId"]
    largest = pd.Series(np.abs(x)).groupby(ids.to_numpy()).transform("max").to_numpy()
    scale = np.maximum(np.abs(x), FLOOR * largest)
    scale[scale == 0] = 1.0
    apart = np.abs(y - x) / scale
    row = int(np.argmax(np.where(np.isnan(apart), np.inf, apart)))
    told = table.iloc[row]
    where = f"{told['observableId']} under {told['simulationConditionId']} at {told['time']:g}"
    return float(apart[row]), f"{where}: {y[row]:.6g}, expected {x[row]:.6g}"


def _keys(table: pd.DataFrame) -> NDArray[np.object_]:
    """Observable, pre-equilibration, condition and time of every row, as text."""
    before = pd.Series("", index=table.index)
    if "preequilibrationConditionId" in table:
        before = table["preequilibrationConditionId"].fillna("").astype(str)
    times = table["time"].astype(float).map("{:.6g}".format)
    ids = table["observableId"].astype(str) + "|" + before + "|"
    return np.asarray(ids + table["simulationConditionId"].astype(str) + "|" + times, dtype=object)


def _matched(table: pd.DataFrame, theirs: pd.DataFrame, file: str) -> NDArray[np.float64]:
    found: dict[str, list[float]] = {}
    for key, value in zip(_keys(theirs), theirs["simulation"], strict=True):
        found.setdefault(key, []).append(float(value))
    turn: dict[str, int] = {}
    values = np.empty(len(table))
    for row, key in enumerate(_keys(table)):
        if key not in found:
            raise DataError(f"{file} has no row of {key}")
        nth = turn.get(key, 0)
        values[row] = found[key][min(nth, len(found[key]) - 1)]
        turn[key] = nth + 1
    return values
