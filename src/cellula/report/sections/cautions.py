"""Cautions beside the verdict, and the declared boundary beside what the data are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cellula.core.numerals import count
from cellula.report.blocks import Absent, Block, Cell, Column, Section, Status, Table, Text
from cellula.report.record import StudyRecord
from cellula.report.words import plain_words, plural

__all__ = ["boundary_aspects", "cautions", "n_cautions"]

#: State of an aspect of the boundary -> how it is said.
STATES: Mapping[str, str] = {
    "compared": "inside",
    "not_told": "not told by the data",
    "not_limited": "not limited",
}


def _found(record: StudyRecord) -> list[Mapping[str, Any]]:
    return [one for item in record.about("cautions") for one in item.payload.get("cautions") or ()]


def n_cautions(record: StudyRecord) -> str:
    """How many cautions there are, for the banner."""
    if not record.about("cautions"):
        return "not looked for yet"
    n = len(_found(record))
    return f"{plural(n, 'caution')}, listed below" if n else "none"


def cautions(record: StudyRecord) -> Section:
    """Every caution: what, where, how many, and what to do."""
    found = _found(record)
    blocks: tuple[Block, ...]
    if not record.about("cautions"):
        blocks = (Absent("The study has not read its data yet; cautions appear here."),)
    elif not found:
        blocks = (Text("None was raised."),)
    else:
        rows = tuple(
            (
                Cell(plain_words(str(one["kind"])), status="wait"),
                Cell(str(one["where"])),
                Cell(str(one["what"])),
                Cell(count(int(one["n"]))),
                Cell(str(one["action"])),
            )
            for one in found
        )
        columns = (
            Column("caution"),
            Column("where"),
            Column("what"),
            Column("n", is_number=True),
            Column("what to do"),
        )
        note = (
            "Raised automatically from the study and its data; a caution by itself fails no gate."
        )
        blocks = (Table(columns, rows, is_stacked=True), Text(note, is_soft=True))
    return Section("cautions", "Cautions", "Cautions", blocks)


def boundary_aspects(record: StudyRecord) -> list[Block]:
    """What is declared beside what is asked and learnt; empty before the data were read."""
    rows = tuple(
        (
            Cell(plain_words(str(row["aspect"])), is_strong=True),
            Cell(", ".join(row["declared"]) or "–"),
            _state(row),
            Cell(_labels(row["asked_outside"]), _learnt(row)),
        )
        for item in record.about("boundary")
        for row in item.payload.get("aspects") or ()
    )
    columns = (
        Column("aspect"),
        Column("declared"),
        Column("the data"),
        Column("outside", hint="held out; only trained on"),
    )
    return [Table(columns, rows, is_stacked=True)] if rows else []


def _state(row: Mapping[str, Any]) -> Cell:
    if row["asked_outside"]:
        return Cell("outside", status="fail")
    state = str(row["state"])
    statuses: Mapping[str, Status] = {"compared": "pass", "not_told": "wait"}
    return Cell(STATES.get(state, state), str(row["note"]), status=statuses.get(state, "none"))


def _labels(pairs: list[list[Any]]) -> str:
    return ", ".join(f"{label} ({count(int(n))})" for label, n in pairs) or "none"


def _learnt(row: Mapping[str, Any]) -> str:
    return f"trained on: {_labels(row['learnt_outside'])}" if row["learnt_outside"] else ""
