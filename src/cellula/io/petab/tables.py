"""The tables of a PEtab problem, tab separated, as values."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

import pandas as pd

from cellula.core.errors import DataError
from cellula.core.expression import Expression, Number, Symbol
from cellula.core.petab import (
    MEASUREMENT_COLUMNS,
    TIME_NAME,
    Distribution,
    PetabObservable,
    PetabParameter,
    PetabValue,
    Scale,
    petab_value,
)
from cellula.io.infix import NAMES, parse
from cellula.io.text_file import decoded, text_bytes

__all__ = ["conditions", "measurements", "observables", "parameters"]

#: Words of formulas that are no ids.
CONSTANTS: Mapping[str, Expression] = {
    TIME_NAME: Symbol(TIME_NAME),
    "pi": Number(3.141592653589793),
    "inf": Number(float("inf")),
}
MISSING = {"", "na", "nan", "null", "n/a"}


def parameters(paths: Sequence[Path]) -> tuple[PetabParameter, ...]:
    """The table of parameters. Raises DataError, naming file and row, on a value that is none."""
    return tuple(
        _parameter(row, f"{path.name}, row {number}")
        for path in paths
        for number, row in _rows(path, ("parameterId", "parameterScale", "estimate"))
    )


def conditions(paths: Sequence[Path]) -> dict[str, dict[str, PetabValue]]:
    """Condition -> id -> value; empty fields and not-a-number are left out."""
    found: dict[str, dict[str, PetabValue]] = {}
    for path in paths:
        for number, row in _rows(path, ("conditionId",)):
            id = row.pop("conditionId")
            if id in found or not id:
                raise DataError(f"{path.name}, row {number}: condition {id!r} is there before")
            row.pop("conditionName", None)
            found[id] = {
                name: petab_value(text) for name, text in row.items() if text.lower() not in MISSING
            }
    return found


def observables(paths: Sequence[Path], ids: Sequence[str]) -> tuple[PetabObservable, ...]:
    """The table of observables. ids: of the network, which no word of formulas hides."""
    words = {name: one for name, one in CONSTANTS.items() if name not in ids}
    return tuple(
        _observable(row, words, f"{path.name}, row {number}")
        for path in paths
        for number, row in _rows(path, ("observableId", "observableFormula", "noiseFormula"))
    )


def measurements(paths: Sequence[Path]) -> pd.DataFrame:
    """The measurements of all files, numbers as numbers, text "" where nothing is given."""
    needed = ("observableId", "simulationConditionId", "measurement", "time")
    table = pd.concat([_table(path, needed) for path in paths], ignore_index=True).fillna("")
    for name in MEASUREMENT_COLUMNS:
        if name not in table:
            table[name] = ""
    for name in ("measurement", "time"):
        numbers = pd.to_numeric(table[name].where(table[name] != "", "nan"), errors="coerce")
        bad = numbers.isna() & ~table[name].str.lower().isin(MISSING)
        if bad.any():
            row = int(bad.to_numpy().argmax())
            raise DataError(
                f"{paths[0].name}: {name} {table[name].iloc[row]!r} of row {row + 1} is no number"
            )
        table[name] = numbers.astype("float64")
    return table


def _parameter(row: Mapping[str, str], where: str) -> PetabParameter:
    scale = row["parameterScale"] or "lin"
    estimate = row["estimate"].lower()
    if estimate not in {"0", "1", "true", "false", "0.0", "1.0"}:
        raise DataError(f"{where}: estimate is {row['estimate']!r}; expected 0 or 1")
    numbers = [_number(row, name, where) for name in ("nominalValue", "lowerBound", "upperBound")]
    return PetabParameter(
        row["parameterId"],
        numbers[0],
        estimate in {"1", "true", "1.0"},
        _word(scale, Scale, f"{where}: parameterScale"),
        *numbers[1:],
    )


def _observable(
    row: Mapping[str, str], words: Mapping[str, Expression], where: str
) -> PetabObservable:
    formulas = []
    for name in ("observableFormula", "noiseFormula"):
        try:
            formulas.append(parse(row[name], NAMES, None, words))
        except DataError as error:
            raise DataError(f"{where}, {name}: {error}") from error
    transformation = row.get("observableTransformation") or "lin"
    distribution = row.get("noiseDistribution") or "normal"
    return PetabObservable(
        row["observableId"],
        formulas[0],
        formulas[1],
        _word(transformation, Scale, f"{where}: observableTransformation"),
        _word(distribution, Distribution, f"{where}: noiseDistribution"),
    )


def _word(text: str, allowed: Any, where: str) -> Any:
    if text not in get_args(allowed):
        raise DataError(f"{where} is {text!r}; expected one of {', '.join(get_args(allowed))}")
    return text


def _number(row: Mapping[str, str], name: str, where: str) -> float:
    text = row.get(name, "")
    try:
        return float("nan") if text.lower() in MISSING else float(text)
    except ValueError as error:
        raise DataError(f"{where}: {name} is {text!r}; expected a number") from error


def _rows(path: Path, needed: Sequence[str]) -> list[tuple[int, dict[str, str]]]:
    table = _table(path, needed)
    rows = table.to_dict("records")
    return [
        (number, {str(k): str(v) for k, v in row.items()}) for number, row in enumerate(rows, 1)
    ]


def _table(path: Path, needed: Sequence[str]) -> pd.DataFrame:
    """All columns as text, stripped; "" where a field is empty or a row ends before it.

    A row may leave out its last fields, but none of ``needed``.
    """
    lines = decoded(text_bytes(path), path.name).splitlines()
    try:
        rows = [[field.strip() for field in row] for row in csv.reader(lines, delimiter="\t")]
    except csv.Error as error:
        raise DataError(f"{path.name} is damaged: {error}; fetch or repair it") from error
    names, rows = rows[0], [row for row in rows[1:] if any(row)]
    missing = [name for name in needed if name not in names]
    if missing or len(set(names)) < len(names):
        raise DataError(
            f"{path.name} has the columns {', '.join(names)}; expected each once, and "
            f"{', '.join(needed)}"
        )
    fewest = 1 + max(names.index(name) for name in needed)
    for number, row in enumerate(rows, 1):
        if not fewest <= len(row) <= len(names):
            raise DataError(
                f"{path.name}, row {number} has {len(row)} fields; expected {fewest} to "
                f"{len(names)}, separated by tabs"
            )
    width = len(names)
    return pd.DataFrame([row + [""] * (width - len(row)) for row in rows], columns=names, dtype=str)
