"""Cautions beside the verdict, and the declared boundary beside what the data are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from cellula.core.numerals import count, plural
from cellula.report.blocks import Absent, Block, Cell, Column, Section, Status, Table, Text
from cellula.report.record import StudyRecord
from cellula.report.words import plain_words

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
    kinds = Counter(plain_words(str(one["kind"])) for one in _found(record))
    told = ", ".join(f"{kind} ({count(n)})" if n > 1 else kind for kind, n in kinds.items())
    return f"{plural(sum(kinds.values()), 'caution')}, listed below: {told}" if kinds else "none"


def cautions(record: StudyRecord) -> Section:
    """Every caution: what, where and what to do; those of one kind and remedy share a row."""
    found = _found(record)
    blocks: tuple[Block, ...]
    if not record.about("cautions"):
        blocks = (Absent("The study has not read its data yet; cautions appear here."),)
    elif not found:
        blocks = (Text("None was raised."),)
    else:
        shared: dict[tuple[str, str, str], list[str]] = {}
        for one in found:
            key = (str(one["kind"]), str(one["what"]), str(one["action"]))
            shared.setdefault(key, []).append(str(one["where"]))
        rows = tuple(
            (
                Cell(plain_words(kind), status="wait"),
                Cell(what, ", ".join(dict.fromkeys(places)), is_prose=True),
                Cell(action),
            )
            for (kind, what, action), places in shared.items()
        )
        columns = (
            Column("caution"),
            Column("what", hint="and where"),
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
            Cell(_declared(row)),
            _state(row),
            Cell(_labels(row["asked_outside"]), _learnt(row)),
        )
        for item in record.about("boundary")
        for row in item.payload.get("aspects") or ()
        if row["declared"] or row["state"] != "not_limited"
    )
    columns = (
        Column("aspect"),
        Column("declared"),
        Column("the data"),
        Column("outside", hint="held out; only trained on"),
    )
    free = [
        plain_words(str(row["aspect"]))
        for item in record.about("boundary")
        for row in item.payload.get("aspects") or ()
        if not row["declared"] and row["state"] == "not_limited"
    ]
    table = [Table(columns, rows, is_stacked=True)] if rows else []
    return [*table, Text(f"Not limited: {', '.join(free)}.")] if free else [*table]


def _declared(row: Mapping[str, Any]) -> str:
    """What the boundary names; kinds of perturbation are words of ours, all else the study's."""
    is_ours = row["aspect"] == "perturbations"
    return ", ".join(plain_words(one) if is_ours else one for one in row["declared"]) or "–"


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
