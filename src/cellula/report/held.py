"""The table of how often intervals held, stratum by stratum."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cellula.core.numerals import count, number, percent, plural_of
from cellula.report.blocks import Cell, Column, Table
from cellula.report.words import capital

__all__ = ["held_table"]

#: Coverage of 90 % intervals that is asked of so many units at least: level -+ this.
SLACK, FEWEST_UNITS = 0.03, 30


def held_table(found: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> Table:
    """Coverage of every stratum; found: ``level``, ``unit`` and ``options`` of the intervals."""
    is_band = bool((found.get("options") or {}).get("band"))
    columns = (
        Column("stratum", is_name=True),
        Column("held", is_number=True, hint="mean share of readouts; 95 % interval over units"),
        Column("all readouts", is_number=True, hint="share of questions held with all readouts"),
        Column("width", is_number=True),
        Column("questions", is_number=True),
        Column(plural_of(str(found.get("unit") or "unit")), is_number=True),
    )
    body = tuple(
        (
            Cell(_name(row), _judged(row, float(found["level"]), is_band)),
            Cell(
                percent(row["coverage"], 1),
                f"{percent(row['lower'], 1)}–{percent(row['upper'], 1)}",
            ),
            Cell(percent(row["joint"], 1)),
            Cell(number(row["width"], 3)),
            Cell(count(int(row["n_groups"]))),
            Cell(count(int(row["n_units"]))),
        )
        for row in rows
    )
    held = "all readouts at once" if is_band else "each readout"
    caption = (
        f"How often the intervals of what was predicted held {held} of the questions. Strata of "
        "a few units tell little."
    )
    return Table(columns, body, caption, is_stacked=True)


def _name(row: Mapping[str, Any]) -> str:
    if row["by"] == "all":
        return "all"
    return f"{capital(str(row['by']).replace('_', ' '))}: {row['stratum']}"


def _span(row: Mapping[str, Any]) -> str:
    return f"{percent(row['lower'], 1)}–{percent(row['upper'], 1)}"


def _judged(row: Mapping[str, Any], level: float, is_band: bool) -> str:
    """Below or above what is asked, where the units are enough to say so."""
    value = row["joint"] if is_band else row["coverage"]
    if int(row["n_units"]) < FEWEST_UNITS:
        return f"fewer than {FEWEST_UNITS} units"
    if value is None or abs(value - level) <= SLACK:
        return ""
    return "holds less than it says" if value < level else "wider than it needs to be"
