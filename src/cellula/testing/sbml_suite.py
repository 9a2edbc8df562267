"""Cases of the SBML Test Suite: a model, what to simulate, what must come out.

The archive is a part of the suite at https://github.com/sbmlteam/sbml-test-suite. A case passes
where every value is within absolute + relative * |reference| of the reference.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from zipfile import ZipFile

import numpy as np
from numpy.typing import NDArray

from cellula.core.errors import CellulaError
from cellula.core.network import Network
from cellula.core.run import RunContext
from cellula.core.simulation import ParameterTable, Schedule, Simulator, Trajectory

__all__ = ["Case", "Outcome", "cases", "judged", "reported"]

Floats = NDArray[np.float64]
LAST_MODEL = re.compile(r"/\d+-sbml-l\dv\d\.xml$")


@dataclass(frozen=True, slots=True)
class Case:
    """One case: SBML text, the ids asked for and how species are told, times and results.

    results: (times, variables). tags: of components and tests, in the suite's words.
    """

    number: str
    text: str
    tags: tuple[str, ...]
    is_time_course: bool
    variables: tuple[str, ...]
    amounts: frozenset[str]
    concentrations: frozenset[str]
    absolute: float
    relative: float
    times: Floats
    results: Floats


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a case came to: it passed, was refused by name, or gave wrong numbers."""

    case: Case
    verdict: Literal["passed", "refused", "wrong"]
    reason: str = ""


def cases(archive: Path) -> Iterator[Case]:
    """The cases of an archive, folders ``NNNNN/`` of model, settings, results and tags."""
    with ZipFile(archive) as held:
        names = held.namelist()
        for model in sorted(name for name in names if LAST_MODEL.search(name)):
            number = model.split("/")[0]
            start = f"{number}/{number}"
            yield _case(
                number,
                held.read(model).decode(),
                held.read(f"{start}-settings.txt").decode(),
                held.read(f"{start}-results.csv").decode(),
                held.read(f"{number}/tags.txt").decode(),
            )


def judged(
    case: Case, read: Callable[[str], Network], simulator: Simulator, run: RunContext
) -> Outcome:
    """A case read, simulated and compared; every refusal is one of cellula's own errors."""
    try:
        network = read(case.text)
        nobody = ParameterTable((), np.zeros((1, 0)))
        found = simulator.simulate(network, nobody, Schedule(), case.times, run)
    except CellulaError as error:
        return Outcome(case, "refused", f"{type(error).__name__}: {error}")
    values = reported(case, network, found)
    allowed = case.absolute + case.relative * np.abs(case.results)
    with np.errstate(invalid="ignore"):
        gap = np.abs(values - case.results) / allowed
    same = (values == case.results) | (np.isnan(values) & np.isnan(case.results)) | (gap <= 1)
    if same.all():
        return Outcome(case, "passed")
    row, column = np.argwhere(~same)[0]
    return Outcome(
        case,
        "wrong",
        f"{case.variables[column]} at time {case.times[row]:g}: {values[row, column]:.8g}, "
        f"reference {case.results[row, column]:.8g}; {(~same).sum()} of {same.size} values",
    )


def reported(case: Case, network: Network, found: Trajectory) -> Floats:
    """The values of the one cell as the case wants them told: (times, variables)."""
    species = {one.id: one for one in network.species}
    points = {c.id for c in network.compartments if c.dimensions == 0 and c.size is None}
    columns = []
    for id in case.variables:
        values = found.of(id)[0]
        one = species.get(id)
        if one is not None and one.compartment not in points:
            size = found.of(one.compartment)[0]
            if id in case.amounts and not one.is_amount:
                values = values * size
            elif id in case.concentrations and one.is_amount:
                values = values / size
        columns.append(values)
    return np.column_stack(columns)


def _case(number: str, text: str, settings: str, results: str, tags: str) -> Case:
    told = _fields(settings)
    rows = [row for row in csv.reader(io.StringIO(results)) if row]
    header = [name.strip() for name in rows[0]]
    values = np.array([[float(value) for value in row] for row in rows[1:]])
    variables = _listed(told["variables"])
    about = _fields(tags)
    is_course = "TimeCourse" in about.get("testType", "TimeCourse")
    where = [header.index(name, int(is_course)) for name in variables]  # the first is the time
    return Case(
        number,
        text,
        (*_listed(about.get("componentTags", "")), *_listed(about.get("testTags", ""))),
        is_course,
        variables,
        frozenset(_listed(told["amount"])),
        frozenset(_listed(told["concentration"])),
        float(told["absolute"]),
        float(told["relative"]),
        _times(told) if is_course else np.zeros(len(values)),
        values[:, where],
    )


def _times(told: dict[str, str]) -> Floats:
    """Evenly spaced, as the settings say; the results tell them rounded."""
    start, duration = float(told["start"]), float(told["duration"])
    return np.linspace(start, start + duration, int(told["steps"]) + 1)


def _fields(text: str) -> dict[str, str]:
    lines = (line.partition(":") for line in text.splitlines() if ":" in line)
    return {name.strip(): value.strip() for name, _, value in lines}


def _listed(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())
