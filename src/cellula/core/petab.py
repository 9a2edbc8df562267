"""A parameter estimation problem as PEtab says it: a network, conditions, observables, data."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

import pandas as pd

from cellula.core.errors import DataError
from cellula.core.expression import Expression, symbols
from cellula.core.network import Network

__all__ = [
    "MEASUREMENT_COLUMNS",
    "TIME_NAME",
    "Distribution",
    "PetabObservable",
    "PetabParameter",
    "PetabProblem",
    "PetabValue",
    "Scale",
    "overrides",
    "petab_value",
]

Scale: TypeAlias = Literal["lin", "log", "log10"]
Distribution: TypeAlias = Literal["normal", "laplace"]
#: A number, or the id of a parameter whose value is taken.
PetabValue: TypeAlias = float | str
#: Columns of every table of measurements; text is "" where nothing is given.
MEASUREMENT_COLUMNS = (
    "observableId", "preequilibrationConditionId", "simulationConditionId", "measurement",
    "time", "observableParameters", "noiseParameters",
)  # fmt: skip
#: The time of the simulation, as formulas of observables name it.
TIME_NAME = "time"


@dataclass(frozen=True, slots=True)
class PetabParameter:
    """A row of the table of parameters; ``nominal``, ``lower`` and ``upper`` are not scaled.

    scale: in which it is estimated. nominal, lower, upper: not a number where not given.
    """

    id: str
    nominal: float
    is_estimated: bool
    scale: Scale = "lin"
    lower: float = math.nan
    upper: float = math.nan


@dataclass(frozen=True, slots=True)
class PetabObservable:
    """What is measured: ``formula`` of ids of the network, of parameters and of placeholders.

    noise: the standard deviation (normal) or the scale (Laplace), on the scale of
    ``transformation``; it may name observables too. Placeholders ``observableParameter1_<id>``
    and ``noiseParameter1_<id>`` take what a row of the measurements gives.
    """

    id: str
    formula: Expression
    noise: Expression
    transformation: Scale = "lin"
    distribution: Distribution = "normal"

    def placeholders(self, kind: Literal["observable", "noise"]) -> int:
        """How many values a row has to give: the highest number of a placeholder."""
        pattern = re.compile(rf"{kind}Parameter([0-9]+)_{re.escape(self.id)}")
        names = (*symbols(self.formula), *symbols(self.noise))
        found = (pattern.fullmatch(name) for name in names)
        return max((int(match[1]) for match in found if match), default=0)


@dataclass(frozen=True, slots=True, eq=False)
class PetabProblem:
    """A problem of PEtab, version 1 [schmiester2021]_, checked.

    conditions: condition -> id of the network or parameter -> value; what a condition does not
    name keeps the network's own value, or, after pre-equilibration, its state.
    measurements: one row each, with the columns :data:`MEASUREMENT_COLUMNS` and any others;
    times in the network's unit, infinite for a steady state. Raises DataError on an id that
    nothing defines, a row whose number of overrides is not what its observable takes, and a
    time that is negative or missing.
    """

    id: str
    network: Network
    parameters: tuple[PetabParameter, ...]
    conditions: Mapping[str, Mapping[str, PetabValue]]
    observables: tuple[PetabObservable, ...]
    measurements: pd.DataFrame

    def __post_init__(self) -> None:
        self._check_unique()
        known = {*self.network.ids, *(one.id for one in self.parameters)}
        self._check_conditions(known)
        named = {id for values in self.conditions.values() for id in values}
        self._check_formulas(known | named)
        self._check_rows(known)

    def __len__(self) -> int:
        return len(self.measurements)

    @property
    def nominal(self) -> dict[str, float]:
        """Parameter -> its nominal value."""
        return {one.id: one.nominal for one in self.parameters}

    # -- checks --------------------------------------------------------------------------------
    def _check_unique(self) -> None:
        for kind, ids in (
            ("parameter", [one.id for one in self.parameters]),
            ("observable", [one.id for one in self.observables]),
        ):
            twice = sorted({id for id in ids if ids.count(id) > 1})
            if twice:
                raise DataError(f"{self.id}: {kind} {twice[0]!r} is defined twice; leave one out")

    def _check_conditions(self, known: set[str]) -> None:
        own = set(self.network.ids)
        for condition, values in self.conditions.items():
            for id, value in values.items():
                if id not in known and not any(id in symbols(o.formula) for o in self.observables):
                    raise DataError(
                        f"{self.id}: condition {condition!r} sets {id!r}, which neither the model "
                        "nor the table of parameters has; remove the column or add it"
                    )
                if isinstance(value, str) and value not in known | own:
                    raise DataError(
                        f"{self.id}: condition {condition!r} sets {id!r} to {value!r}, which is "
                        "no number and no parameter"
                    )

    def _check_formulas(self, known: set[str]) -> None:
        observables = {one.id for one in self.observables}
        for one in self.observables:
            own = re.compile(rf"(observable|noise)Parameter[0-9]+_{re.escape(one.id)}")
            for word, formula, more in (
                ("formula", one.formula, set[str]()),
                ("noise formula", one.noise, observables),
            ):
                for name in symbols(formula):
                    if name in known | more | {TIME_NAME} or own.fullmatch(name):
                        continue
                    raise DataError(
                        f"{self.id}: the {word} of observable {one.id!r} names {name!r}, which "
                        "neither the model nor the table of parameters has"
                    )

    def _check_rows(self, known: set[str]) -> None:
        missing = [name for name in MEASUREMENT_COLUMNS if name not in self.measurements]
        if missing:
            raise DataError(f"{self.id}: the measurements have no column {', '.join(missing)}")
        if self.measurements.empty:
            raise DataError(f"{self.id} has no measurement; expected one row at least")
        bad = ~(self.measurements["time"] >= 0)
        if bad.any():
            row = int(bad.to_numpy().argmax())
            raise DataError(
                f"{self.id}: the time of measurement {row + 1} is "
                f"{self.measurements['time'].iloc[row]}; expected 0 or later, or inf"
            )
        self._check_columns(known)

    def _check_columns(self, known: set[str]) -> None:
        observables = {one.id: one for one in self.observables}
        columns = [name for name in MEASUREMENT_COLUMNS if name not in ("measurement", "time")]
        for key in self.measurements[columns].drop_duplicates().itertuples(index=False, name=None):
            observable, before, condition, first, second = (str(one) for one in key)
            if observable not in observables:
                raise DataError(f"{self.id}: a measurement is of {observable!r}, no observable")
            for name in filter(None, (before, condition or "(none)")):
                if name not in self.conditions:
                    raise DataError(
                        f"{self.id}: a measurement of {observable!r} is under {name!r}, no "
                        f"condition; there are {', '.join(self.conditions)}"
                    )
            one = observables[observable]
            _check_overrides(self.id, one, "observable", first, known)
            _check_overrides(self.id, one, "noise", second, known)


def _check_overrides(
    problem: str,
    one: PetabObservable,
    kind: Literal["observable", "noise"],
    text: str,
    known: set[str],
) -> None:
    given, taken = list(overrides(text)), one.placeholders(kind)
    if len(given) != taken:
        raise DataError(
            f"{problem}: a measurement of {one.id!r} gives {len(given)} {kind} parameter(s) "
            f"({text!r}); its formulas take {taken}"
        )
    for value in given:
        if isinstance(value, str) and value not in known:
            raise DataError(
                f"{problem}: a measurement of {one.id!r} gives the {kind} parameter {value!r}, "
                "which is no number and no parameter"
            )


def overrides(text: str) -> Iterator[PetabValue]:
    """Numbers and ids of a field of measurements, which semicolons separate."""
    for part in filter(None, (word.strip() for word in text.split(";"))):
        yield petab_value(part)


def petab_value(text: str) -> PetabValue:
    """A number where the text is one, else the id that it is."""
    try:
        return float(text)
    except ValueError:
        return text
