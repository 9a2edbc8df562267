"""Growth of cells under drugs from time-lapse counts: the three tables of a Thunor screen."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, final

import numpy as np
import pandas as pd
from anndata import AnnData
from numpy.typing import NDArray

from cellula.core.errors import DataError
from cellula.io.delimited import DelimitedTable

__all__ = ["DIP_RATE", "LEAST_SCANS", "ThunorTables", "dip_rate"]

Floats = NDArray[np.float64]
COLUMNS = {
    "assays": ("well_id", "timepoint_h", "cell_count"),
    "controls": ("cell_line", "plate", "well_id", "timepoint_h", "value", "well_num"),
    "doses": ("drug", "cell_line", "dose_M", "well_id", "well_num"),
}
#: The readout of the rate, in doublings per hour.
DIP_RATE = "dip_rate_per_h"
#: Scans that a rate is read from, at least.
LEAST_SCANS = 5
#: A well must be counted first before this hour, or its growth has no beginning.
FIRST_H = 6.0
DAY_H = 24
#: An empty well counts as half a cell.
LEAST_COUNT = 0.5


@final
class ThunorTables:
    """Reads a folder of ``assays``, ``controls`` and ``doses`` (.csv.gz or .csv) [lubbock2021]_.

    A profile is a well. Its readouts are ``log2_fold_24h``, ``log2_fold_48h`` ...: log2 of the
    cells over those of the first scan, between two scans on a straight line, on every day that all
    wells were followed for; and ``dip_rate_per_h``, see :func:`dip_rate`. obs: ``drug``
    (``control`` without one), ``cell_line``, ``dose_M`` (mol/l), ``plate``, ``is_control``,
    ``first_h`` and ``last_h``. A plate is told by the difference of a well's id and its number.
    """

    name: ClassVar[str] = "thunor"
    suffixes: ClassVar[tuple[str, ...]] = (".thunor",)

    def read(self, path: Path) -> AnnData:
        """The wells of a folder, treated ones first, each in the order of its table.

        Raises DataError, naming folder and table, when a table is missing or cut short, lacks a
        column, or holds what is no number; a well is in two tables or on a plate without
        controls, its counts are missing, negative or fewer than five, or begin after 6 h.
        """
        tables = {name: _table(path, name) for name in COLUMNS}
        wells = _wells(tables, path.name)
        counts = pd.concat(
            [tables["assays"], tables["controls"].rename(columns={"value": "cell_count"})]
        )
        courses = _courses(counts, wells.index, path.name)
        wells["first_h"] = [float(hours[0]) for hours, _ in courses]
        wells["last_h"] = [float(hours[-1]) for hours, _ in courses]
        days = np.arange(DAY_H, wells["last_h"].min() + 1e-9, DAY_H)
        if not len(days):
            raise DataError(f"{path.name}: a well ends at {wells['last_h'].min()} h; give a day")
        growth = [np.interp(days, hours, level) - level[0] for hours, level in courses]
        rates = [dip_rate(hours, level) for hours, level in courses]
        names = [*(f"log2_fold_{day:g}h" for day in days), DIP_RATE]
        return AnnData(
            np.column_stack([np.array(growth), rates]), wells, pd.DataFrame(index=pd.Index(names))
        )


def dip_rate(hours: Floats, log2_count: Floats) -> float:
    """The drug-induced proliferation rate of a course, in doublings per hour [harrisfrick2016]_.

    hours, log2_count: (scans,). The slope of the straight line from the scan to the end at which
    R2 (1 - s)^2 (n - 3)^(1/4) is greatest: R2 adjusted, s the root mean square error and n the
    number of scans, 5 at least; so that a delay before the drug acts is left out.
    """
    x, y = hours - hours.mean(), log2_count - log2_count.mean()
    n = np.arange(len(x), LEAST_SCANS - 1, -1)
    sums = [_to_the_end(one)[: len(n)] for one in (x, y, x * x, x * y, y * y)]
    xx, xy, yy = (
        sums[2] - sums[0] ** 2 / n,
        sums[3] - sums[0] * sums[1] / n,
        np.maximum(sums[4] - sums[1] ** 2 / n, 0.0),
    )
    slope = xy / xx
    left = np.maximum(yy - slope * xy, 0.0)
    r2 = 1.0 - np.divide(left, yy, out=np.ones_like(yy), where=yy > 0) * (n - 1) / (n - 2)
    merit = r2 * (1.0 - np.sqrt(left / n)) ** 2 * (n - 3) ** 0.25
    return float(slope[np.argmax(merit)])


def _to_the_end(values: Floats) -> Floats:
    """The sum from every scan to the last."""
    return np.asarray(np.cumsum(values[::-1])[::-1], np.float64)


def _table(folder: Path, name: str) -> pd.DataFrame:
    if not folder.is_dir():
        raise DataError(f"{folder} is no folder; expected one of {', '.join(COLUMNS)} (.csv.gz)")
    files = [folder / f"{name}{suffix}" for suffix in (".csv.gz", ".csv")]
    found = [file for file in files if file.is_file()]
    if not found:
        raise DataError(f"{folder.name} has no {files[0].name}; expected {', '.join(COLUMNS)}")
    try:
        table = DelimitedTable().read_labelled(found[0], ("drug", "cell_line", "plate"))
    except DataError as error:
        raise DataError(f"{folder.name}: {error}") from error
    for column in COLUMNS[name]:
        where = f"{folder.name}: {found[0].name}"
        if column not in table:
            raise DataError(f"{where} has no column {column!r}; it has {', '.join(table.columns)}")
        if table[column].isna().any():
            row = int(table[column].isna().to_numpy().argmax())
            raise DataError(f"{where} has no {column} in row {row}; fill it or drop the row")
        if column not in ("drug", "cell_line", "plate") and table[column].dtype.kind not in "if":
            raise DataError(f"{where}: {column!r} holds text; expected numbers")
    return table


def _wells(tables: dict[str, pd.DataFrame], folder: str) -> pd.DataFrame:
    """What was done in every well, indexed by its id."""
    controls = tables["controls"].drop_duplicates("well_id")
    plates = dict(zip(controls["well_id"] - controls["well_num"], controls["plate"], strict=True))
    doses = tables["doses"]
    of_dose = (doses["well_id"] - doses["well_num"]).map(plates)
    if of_dose.isna().any():
        well = doses["well_id"][of_dose.isna()].iloc[0]
        raise DataError(f"{folder}: the plate of well {well} has no control; drop its wells")
    every: Any = pd.concat(
        [
            doses.assign(plate=of_dose, is_control=False),
            controls.assign(drug="control", dose_M=0.0, is_control=True),
        ],
        ignore_index=True,
    )
    twice = every["well_id"][every["well_id"].duplicated()]
    if len(twice):
        raise DataError(f"{folder}: well {twice.iloc[0]} is listed twice; one treatment a well")
    if not (every["dose_M"][~every["is_control"]] > 0).all():
        raise DataError(f"{folder}: a dose of doses is not above 0; untreated wells are controls")
    kept = every[["drug", "cell_line", "dose_M", "plate", "is_control"]].astype(
        {"drug": str, "cell_line": str, "plate": str}
    )
    return kept.set_index(pd.Index(every["well_id"].astype(str), name=None))


def _courses(counts: pd.DataFrame, wells: pd.Index, folder: str) -> list[tuple[Floats, Floats]]:
    """Hours and log2 counts of every well."""
    ordered = counts.sort_values(["well_id", "timepoint_h"], kind="stable")
    if (ordered["cell_count"] < 0).any():
        well = ordered["well_id"][ordered["cell_count"] < 0].iloc[0]
        raise DataError(f"{folder}: well {well} has a negative count")
    level = np.log2(np.maximum(ordered["cell_count"].to_numpy(np.float64), LEAST_COUNT))
    hours = ordered["timepoint_h"].to_numpy(np.float64)
    ids, first = np.unique(ordered["well_id"].astype(str).to_numpy(), return_index=True)
    size = ordered["well_id"].astype(str).value_counts()
    start = dict(zip(ids, first, strict=True))
    found = []
    for well in wells:
        if well not in start:
            raise DataError(f"{folder}: well {well} has no counts in assays or controls")
        rows = slice(start[well], start[well] + int(size[well]))
        _check_course(hours[rows], well, folder)
        found.append((hours[rows], level[rows]))
    return found


def _check_course(hours: Floats, well: str, folder: str) -> None:
    if len(hours) < LEAST_SCANS or hours[0] > FIRST_H:
        raise DataError(
            f"{folder}: well {well} has {len(hours)} scans from {hours[0]} h; expected "
            f"{LEAST_SCANS} or more from {FIRST_H:g} h at the latest"
        )
    if (np.diff(hours) <= 0).any():
        raise DataError(f"{folder}: well {well} has two counts of one time")
