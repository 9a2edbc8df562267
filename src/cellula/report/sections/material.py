"""What the data are made of: cells within limits, doublets, sources, batches before and after."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from cellula.core.numerals import bound, count, number, percent, plural
from cellula.report.before_after import Change, change_figure
from cellula.report.blocks import Absent, Block, Cell, Column, Facts, Fold, Table, Text
from cellula.report.record import StudyRecord
from cellula.report.references import bibliography, cited
from cellula.report.words import listing, plain_words

__all__ = ["batches_corrected", "cells", "sources"]

#: Levels of a column that are named; the others are counted.
NAMED = 3
#: Where the largest level has a smaller share, none is named: their order is chance.
EVEN = 0.02
#: Measure of a cell -> its name in the table.
MEASURES: Mapping[str, str] = {"n_counts": "counts a cell", "n_genes": "genes a cell"}


# -- batches ------------------------------------------------------------------------------------
def batches_corrected(payload: Mapping[str, Any]) -> list[Block]:
    """What a correction of batches did: its options, shift before and after, mixing, biology."""
    card = payload.get("harmonise")
    if not isinstance(card, Mapping):
        return []
    options = card.get("options") or {}
    told = tuple(str(key) for key in card.get("references") or () if key in bibliography())
    facts = (
        ("Correction", f"{card.get('name')}: {listing(options) if options else 'defaults'}"),
        (
            "Fitted on",
            f"{card.get('fitted_on')}; what is held out is corrected after the seal is opened, so "
            "prediction and truth are compared as corrected values",
        ),
        ("Reference", "; ".join(cited(key) for key in told)),
    )
    blocks: list[Block] = [Facts(tuple(pair for pair in facts if pair[1]))]
    claims = list(payload.get("claims") or ())
    if not claims:
        return [*blocks, Absent("Nothing was fitted: batches cannot be told from perturbations.")]
    return [*blocks, _shifts(claims), *_changes(claims)]


def _shifts(claims: list[Mapping[str, Any]]) -> Table:
    columns = (
        Column("claim", hint="its first fold"),
        Column("profiles", is_number=True),
        Column("explained by batch", is_number=True, hint="before → after"),
        Column("p", is_number=True, hint="before → after"),
        Column("batches mixed"),
        Column("biology kept"),
    )
    rows = tuple(
        (
            Cell(str(one["claim"]), f"{one['fold']}, of {plural(int(one['n_folds']), 'fold')}"),
            Cell(count(int(one["n_profiles"]))),
            Cell(_pair(one, "variance_explained", percent)),
            Cell(_pair(one, "p_value", bound)),
            _judged(one["kept"].get("is_mixed")),
            _judged(one["kept"].get("is_biology_kept"), str(one["kept"].get("reason") or "")),
        )
        for one in claims
    )
    return Table(columns, rows, is_stacked=True)


def _pair(one: Mapping[str, Any], name: str, form: Any) -> str:
    told = [one[state].get(name) for state in ("before", "after")]
    return " → ".join("–" if value is None else str(form(float(value))) for value in told)


def _judged(flag: object, note: str = "") -> Cell:
    if flag is None:
        return Cell("not judged", note, status="none")
    return Cell("yes", status="pass") if flag else Cell("no", note, status="fail")


def _changes(claims: list[Mapping[str, Any]]) -> Iterator[Block]:
    """One drawing a claim whose mixing or biology could be measured."""
    for one in claims:
        kept = one["kept"]
        changes = tuple(_measured(kept))
        if changes:
            caption = (
                f"{one['claim']}: mixing of batches (1: as by chance; {number(kept['min_mixing'])} "
                "or more is asked) and how well contexts and perturbations are told apart "
                f"(a fall of more than {number(kept['max_loss'])} fails). Of a profile's "
                f"neighbours within its batch, {percent(kept.get('neighbours_kept'))} stayed."
            )
            yield change_figure(changes, caption)


def _measured(kept: Mapping[str, Any]) -> Iterator[Change]:
    old, new = kept["before"], kept["after"]
    if old.get("mixing") is not None and new.get("mixing") is not None:
        yield Change("mixing of batches", float(old["mixing"]), float(new["mixing"]))
    for role, values in (new.get("biology") or {}).items():
        for name, value in values.items():
            before = old["biology"][role][name]
            words = {"silhouette": "silhouette", "ari": "Rand index"}.get(name, name)
            yield Change(f"{plain_words(role)}, {words}", float(before), float(value))


# -- cells --------------------------------------------------------------------------------------
def cells(record: StudyRecord) -> list[Block]:
    """Limits of depth, genes and mitochondrial share, who is beyond them, and doublets."""
    found = record.about("cell_quality")
    if not found:
        return [Absent("Not measured: the values are no counts of cells.")]
    payload = found[0].payload
    if not payload.get("is_applicable"):
        return [Text(f"Not measured: {payload.get('reason')}.")]
    told = Text(
        "Limits are the median of a batch and so many scaled median absolute deviations. "
        "Cells beyond them are counted, not dropped.",
        is_soft=True,
    )
    inner = (_limits(payload), *_levels(payload), told)
    return [Facts(tuple(_cell_facts(payload))), Fold("Limits, and who is beyond them", inner)]


def _cell_facts(payload: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    total, good = int(payload["n_cells"]), int(payload["n_good"])
    yield "Cells", f"{count(total)}, {count(total - good)} of them beyond a limit"
    yield "Counts from", str(payload.get("counts_from") or "")
    lost = [plain_words(name) for name in payload.get("not_measured") or ()]
    if lost:
        yield "Not measured", ", ".join(lost)
    doublets = payload.get("doublets") or {}
    limits = list((doublets.get("limits") or {}).values())
    if doublets.get("n_scored") and all(limit is None for limit in limits):
        yield (
            "Doublets",
            f"none called among {count(int(doublets['n_scored']))} scored cells: simulated "
            "doublets look like single cells here, as in cells of one kind",
        )
    elif doublets.get("n_scored"):
        yield (
            "Doublets",
            f"{count(int(doublets['n_called']))} of {count(int(doublets['n_scored']))} scored "
            f"cells ({percent(doublets.get('share'), 1)}) look like simulated doublets",
        )
    else:
        yield "Doublets", f"not scored: {doublets.get('reason') or 'not looked for'}"


def _limits(payload: Mapping[str, Any]) -> Table:
    columns = (
        Column("measure"),
        Column("batch"),
        Column("median", is_number=True),
        Column("from", is_number=True),
        Column("to", is_number=True),
        Column("deviations", is_number=True, hint="scaled MADs"),
    )
    mads = payload.get("mads") or {}
    rows = tuple(
        (
            Cell(MEASURES.get(str(one["measure"]), plain_words(str(one["measure"])))),
            Cell(str(one["stratum"])),
            Cell(_limit(one["median"])),
            Cell(_limit(one["lower"])),
            Cell(_limit(one["upper"])),
            Cell(_limit(mads.get(one["measure"]))),
        )
        for one in payload.get("limits") or ()
    )
    return Table(columns, rows)


def _limit(value: object) -> str:
    return number(float(value)) if isinstance(value, int | float) else "–"


def _levels(payload: Mapping[str, Any]) -> list[Block]:
    rows = tuple(
        (
            Cell(plain_words(str(one["role"]))),
            Cell(str(one["level"])),
            Cell(count(int(one["n_cells"]))),
            Cell(percent(one["share"], 1)),
        )
        for one in payload.get("beyond") or ()
    )
    columns = (
        Column("by"),
        Column("level"),
        Column("cells", is_number=True),
        Column("beyond a limit", is_number=True),
    )
    return [Table(columns, rows)] if rows else []


# -- sources ------------------------------------------------------------------------------------
def sources(record: StudyRecord) -> list[Block]:
    """Who, which tissue, which platform; and what of it is one-sided."""
    found = record.about("sources_bias")
    if not found:
        return [Absent("No report of sources yet: who, which tissue, which platform.")]
    payload = found[0].payload
    columns = (Column("about"), Column("column"), Column("levels", is_number=True), Column("most"))
    rows = tuple(_source_row(record, one) for one in payload.get("columns") or ())
    found_so = list(payload.get("findings") or ())
    untold = [plain_words(str(one["subject"])) for one in found_so if one["kind"] == "not_told"]
    findings = tuple(
        (Cell(plain_words(str(one["kind"]))), Cell(plain_words(str(one["subject"])), one["note"]))
        for one in found_so
        if one["kind"] != "not_told"
    )
    return [
        *([Table(columns, rows)] if rows else []),
        *([Table((Column("finding"), Column("of what")), findings)] if findings else []),
        *([Text(f"Not told by the data: {', '.join(untold)}.")] if untold else []),
        Text(
            "A claim speaks for whom its data speak for; what is one-sided is shown, not hidden.",
            is_soft=True,
        ),
    ]


def _source_row(record: StudyRecord, one: Mapping[str, Any]) -> tuple[Cell, ...]:
    if one.get("is_number"):
        most = f"{number(one['low'])} to {number(one['high'])}, median {number(one['median'])}"
    else:
        levels = list(one.get("levels") or ())
        named = record.label_words(str(one["column"]))
        most = ", ".join(
            f"{named(str(row['level']))} ({percent(row['share'])})" for row in levels[:NAMED]
        )
        if levels and float(levels[0]["share"]) < EVEN:
            most = f"none above {percent(levels[0]['share'])}"
    return (
        Cell(str(one["aspect"])),
        Cell(plain_words(str(one["column"]))),
        Cell(count(int(one["n_levels"]))),
        Cell(most or "–"),
    )
