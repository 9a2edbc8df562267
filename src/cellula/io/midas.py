"""Measurements under perturbations in MIDAS tables: columns of cues, times and readouts."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cellula.core.errors import DataError
from cellula.core.logic import PerturbationTable
from cellula.io.delimited import parse_table
from cellula.io.text_file import text_bytes

__all__ = ["Midas"]

#: What may stand behind the name of a cue.
STIMULUS, INHIBITOR, CELL_LINE = "Stimuli", "Inhibitors", "CellLine"


@final
class Midas:
    """Reads a MIDAS table [saezrodriguez2008]_ as conditions x times x readouts.

    A column ``TR:name`` is a cue, 1 where it was given: ``TR:name:Inhibitors``, or a name that ends
    in i as CellNOpt writes (``TR:MEKi``), inhibits MEK, any other stimulates; ``TR:...:CellLine``
    names the one cell line. ``DA:ALL`` or ``DA:name`` is the time, ``DV:name`` the value. Rows of
    the same cues and time are repeats, and their mean is taken.
    """

    name: ClassVar[str] = "midas"
    suffixes: ClassVar[tuple[str, ...]] = (".midas.csv", ".midas")

    def read(self, path: Path) -> PerturbationTable:
        """The conditions in the order of their first row, times ascending.

        Raises DataError, naming the file and the column, when the file is absent or cut short,
        has no cue, time or value, a cue is neither 0 nor 1, a time is missing, there is more than
        one cell line, or a readout has no time.
        """
        table = parse_table(text_bytes(path), path.name, ",")
        table.columns = [str(name).strip() for name in table.columns]
        stimuli, inhibitors = _cues(table, path.name)
        values = [str(c) for c in table.columns if c.startswith("DV:")]
        if not values or not (stimuli or inhibitors):
            raise DataError(
                f"{path.name} has {len(stimuli) + len(inhibitors)} cues (TR:) and {len(values)} "
                "values (DV:); a MIDAS table has both"
            )
        given = np.column_stack(
            [_numbers(table, column, path.name) for column in (*stimuli, *inhibitors)]
        )
        if not np.isin(given, (0.0, 1.0)).all():
            column = int(np.flatnonzero(~np.isin(given, (0.0, 1.0)).all(axis=0))[0])
            raise DataError(
                f"{path.name}: the cue {[*stimuli, *inhibitors][column]!r} is not 0 or 1 everywhere"
            )
        conditions, place = _unique_rows(given)
        times, measured = _measured(table, values, (place, len(conditions)), path.name)
        return PerturbationTable(
            tuple(stimuli.values()),
            tuple(inhibitors.values()),
            tuple(column.removeprefix("DV:") for column in values),
            conditions[:, : len(stimuli)] == 1.0,
            conditions[:, len(stimuli) :] == 1.0,
            times,
            measured,
        )


def _cues(table: pd.DataFrame, file: str) -> tuple[dict[str, str], dict[str, str]]:
    """Column -> name, of stimuli and of inhibitors."""
    stimuli: dict[str, str] = {}
    inhibitors: dict[str, str] = {}
    for column in (str(c) for c in table.columns if str(c).startswith("TR:")):
        name, _, kind = column.removeprefix("TR:").partition(":")
        if kind == CELL_LINE:
            if not (_numbers(table, column, file) == 1.0).all():
                raise DataError(f"{file} has more than one cell line ({column!r}); take one")
        elif kind == INHIBITOR or (not kind and name.endswith("i")):
            inhibitors[column] = name.removesuffix("i")
        elif kind in {"", STIMULUS}:
            stimuli[column] = name
        else:
            raise DataError(
                f"{file}: the cue {column!r} is a {kind!r}; expected {STIMULUS}, {INHIBITOR} or "
                f"{CELL_LINE}"
            )
    return stimuli, inhibitors


def _numbers(table: pd.DataFrame, column: str, file: str) -> NDArray[np.float64]:
    numbers = pd.to_numeric(table[column], errors="coerce").to_numpy(np.float64)
    is_odd = np.isnan(numbers) & table[column].notna().to_numpy()
    if is_odd.any():
        row = int(np.flatnonzero(is_odd)[0])
        raise DataError(f"{file}: {column!r} has {table[column].iloc[row]!r}, which is no number")
    return np.asarray(numbers, np.float64)


def _unique_rows(given: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """The rows that differ, in the order of their first, and which of them each row is."""
    known: dict[bytes, int] = {}
    place = np.array([known.setdefault(row.tobytes(), len(known)) for row in given], np.int64)
    first = [int(np.flatnonzero(place == at)[0]) for at in range(len(known))]
    return given[first], place


def _measured(
    table: pd.DataFrame, columns: list[str], rows: tuple[NDArray[np.int64], int], file: str
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Times, and values (conditions, times, readouts). rows: condition of each, how many."""
    found: list[tuple[NDArray[np.float64], NDArray[np.float64]]] = []
    for column in columns:
        own = "DA:" + column.removeprefix("DV:")
        when = own if own in table.columns else "DA:ALL"
        if when not in table.columns:
            raise DataError(f"{file}: {column!r} has no time; expected a column {own!r} or DA:ALL")
        found.append((_numbers(table, when, file), _numbers(table, column, file)))
    is_there = [np.isfinite(values) for _, values in found]
    for column, (when_s, _), there in zip(columns, found, is_there, strict=True):
        if not np.isfinite(when_s[there]).all():
            raise DataError(f"{file}: a value of {column!r} has no time")
    if not any(there.any() for there in is_there):
        raise DataError(f"{file} has no value in any of {', '.join(columns)}")
    times = np.unique(np.concatenate([w[t] for (w, _), t in zip(found, is_there, strict=True)]))
    shape = (rows[1], len(times), len(columns))
    sums, counts = np.zeros(shape), np.zeros(shape)
    for at, ((when_s, values), there) in enumerate(zip(found, is_there, strict=True)):
        place = rows[0][there] * len(times) + np.searchsorted(times, when_s[there])
        sums[:, :, at] = np.bincount(place, values[there], shape[0] * shape[1]).reshape(shape[:2])
        counts[:, :, at] = np.bincount(place, None, shape[0] * shape[1]).reshape(shape[:2])
    with np.errstate(invalid="ignore"):
        return times, sums / counts
