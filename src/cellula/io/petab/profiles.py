"""Measurements of a PEtab problem as profiles, its conditions and times as their features."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, final

import numpy as np
import pandas as pd
from anndata import AnnData
from numpy.typing import NDArray

from cellula.core.errors import DataError
from cellula.core.petab import PetabProblem, PetabValue
from cellula.core.petab_labels import condition_labels, experiment_labels, time_label
from cellula.io.petab.format import Petab
from cellula.io.petab.tables import conditions, measurements

__all__ = ["PetabConditions", "PetabProfiles", "PetabTimes"]

Floats = NDArray[np.float64]
#: What a profile is one of.
KEYS = ["preequilibrationConditionId", "simulationConditionId", "time", "repeat"]


@final
class PetabProfiles:
    """Reads the YAML of a PEtab problem, version 1 [schmiester2021]_, as profiles.

    A profile is a condition at a time, once for every time that it was measured then; its
    readouts are the observables, on their scales (log10 where that is the transformation), not a
    number where one was not measured. obs: ``condition``, one label for all that set the same
    values, so that none of them leaks; ``time``, in the model's unit, and ``at``, the same as a
    label; ``conditionId``, ``preequilibrationConditionId`` and ``repeat``, counted from 1.
    """

    name: ClassVar[str] = "petab_profiles"
    suffixes: ClassVar[tuple[str, ...]] = (".profiles.petab.yaml",)

    def read(self, path: Path) -> AnnData:
        """The profiles, in the order of the measurements.

        Raises DataError as the reader ``petab``, and on a measurement that is not above 0 where
        its observable is on a logarithm.
        """
        problem = Petab().read(path)
        rows = problem.measurements
        repeat = rows.groupby(["observableId", *KEYS[:3]]).cumcount() + 1
        keys = pd.MultiIndex.from_frame(rows.assign(repeat=repeat)[KEYS])
        profile, profiles = keys.factorize()
        column, readouts = pd.factorize(rows["observableId"].astype(str))
        values = np.full((len(profiles), len(readouts)), np.nan)
        values[profile, column] = _values(problem, path.name)
        return AnnData(values, _obs(problem, profiles), pd.DataFrame(index=pd.Index(readouts)))


@final
class PetabConditions:
    """Reads a table of conditions of a PEtab problem, version 1 [schmiester2021]_, as features.

    A row is a label of :class:`PetabProfiles` in the column ``condition``. What a condition sets
    is a feature: ``log10_ID`` where all values are numbers above 0, ``ID`` where they are numbers,
    and else ``ID=VALUE``, 0 or 1, of every value that occurs. Conditions after a
    pre-equilibration are none of these rows.
    """

    name: ClassVar[str] = "petab_conditions"
    suffixes: ClassVar[tuple[str, ...]] = (".conditions.petab.tsv",)

    def read(self, path: Path) -> pd.DataFrame:
        """One row a label. Raises DataError, naming file and row, as the reader ``petab``."""
        table = conditions([path])
        if not table:
            raise DataError(f"{path.name} has no condition; expected one row at least")
        labels = [id for id, first in condition_labels(table).items() if id == first]
        found: dict[str, Sequence[object]] = {"condition": labels}
        for id in dict.fromkeys(name for one in table.values() for name in one):
            found |= _features(id, [table[label].get(id, "") for label in labels])
        return pd.DataFrame(found)


@final
class PetabTimes:
    """Reads a table of measurements of a PEtab problem, version 1 [schmiester2021]_, for its times.

    A row is a finite time that something was measured at, its label of :class:`PetabProfiles` in
    the column ``at``; ``time`` is in the model's unit, and ``log10_time`` the logarithm of it, of
    half the shortest time above 0 where it is 0.
    """

    name: ClassVar[str] = "petab_times"
    suffixes: ClassVar[tuple[str, ...]] = (".times.petab.tsv",)

    def read(self, path: Path) -> pd.DataFrame:
        """One row a time, ascending. Raises DataError as the reader ``petab``."""
        times = measurements([path])["time"].unique()
        times = np.sort(times[np.isfinite(times)])
        if not (times > 0).any():
            raise DataError(f"{path.name} has no finite time above 0; it tells no course")
        least = times[times > 0][0] / 2
        return pd.DataFrame(
            {
                "at": [time_label(time) for time in times],
                "time": times,
                "log10_time": np.log10(np.maximum(times, least)),
            }
        )


def _features(id: str, values: Sequence[PetabValue]) -> dict[str, Sequence[object]]:
    """What one id of a table of conditions becomes."""
    numbers = [value for value in values if not isinstance(value, str)]
    if len(numbers) < len(values):
        distinct = dict.fromkeys(str(value) for value in values)
        return {f"{id}={one}": [float(str(value) == one) for value in values] for one in distinct}
    if min(numbers) > 0:
        return {f"log10_{id}": list(np.log10(numbers))}
    return {id: numbers}


def _values(problem: PetabProblem, file: str) -> Floats:
    """All measurements on the scales of their observables: (measurements,)."""
    found: Floats = problem.measurements["measurement"].to_numpy(np.float64).copy()
    ids = problem.measurements["observableId"].to_numpy()
    for one in problem.observables:
        if one.transformation == "lin":
            continue
        rows = np.flatnonzero((ids == one.id) & ~np.isnan(found))
        if not (found[rows] > 0).all():
            raise DataError(
                f"{file}: a measurement of {one.id!r} is not above 0; expected that with the "
                f"transformation {one.transformation!r}"
            )
        found[rows] = (np.log if one.transformation == "log" else np.log10)(found[rows])
    return found


def _obs(problem: PetabProblem, profiles: pd.MultiIndex) -> pd.DataFrame:
    labels = experiment_labels(problem)
    names, rows = [], []
    for before, condition, time, repeat in profiles:
        again = f" #{repeat}" if repeat > 1 else ""
        after = f" after {before}" if before else ""
        names.append(f"{condition}{after} at {time_label(time)}{again}")
        label = labels[before, condition]
        rows.append((label, time, time_label(time), condition, before, str(repeat)))
    columns = ["condition", "time", "at", "conditionId", KEYS[0], KEYS[3]]
    return pd.DataFrame(rows, columns=columns, index=pd.Index(names))
