"""The simulations that come with problems of the PEtab benchmark collection."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from cellula.core.errors import DataError
from cellula.io.delimited import DelimitedTable

__all__ = ["problem_file", "reference_file", "relative_difference"]

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

    Rows must be in one order. Raises DataError where the file has other rows.
    """
    theirs = DelimitedTable().read(reference)
    if len(theirs) != len(table):
        raise DataError(f"{reference.name} has {len(theirs)} rows; expected {len(table)}")
    y, x = table["simulation"].to_numpy(), theirs["simulation"].to_numpy(dtype=np.float64)
    ids = table["observableId"]
    largest = pd.Series(np.abs(x)).groupby(ids.to_numpy()).transform("max").to_numpy()
    scale = np.maximum(np.abs(x), FLOOR * largest)
    scale[scale == 0] = 1.0
    apart = np.abs(y - x) / scale
    row = int(np.argmax(np.where(np.isnan(apart), np.inf, apart)))
    told = table.iloc[row]
    where = f"{told['observableId']} under {told['simulationConditionId']} at {told['time']:g}"
    return float(apart[row]), f"{where}: {y[row]:.6g}, expected {x[row]:.6g}"
