"""Where it fails and why it says what it says: strata, domain, attributions."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from cellula.core.numerals import count, number, percent, plural_of
from cellula.report.blocks import (
    Absent,
    Block,
    Cell,
    Column,
    Facts,
    Heading,
    Section,
    Table,
    Text,
)
from cellula.report.figures import Bar, Panel, RankPoint, bar_figure, rank_figure
from cellula.report.record import StudyRecord
from cellula.report.strata import Strata
from cellula.report.words import capital, metric_words, model_words, plain_words, with_name

__all__ = ["failures", "why"]

#: So many of the worst strata are named.
WORST = 6
#: So many perturbations are explained, by so many features each.
EXPLAINED, FEATURES = 6, 8


def failures(record: StudyRecord) -> Section:
    """The worst perturbations and contexts, in and out of domain, and what has no answer."""
    blocks: list[Block] = []
    for claim in record.claims:
        name = str(claim["id"])
        ranked = [
            block
            for strata in record.strata.get(name, ())
            for block in _ranking(strata, record.label_words(strata.label))
        ]
        found = [*ranked, *_domain(record, name)]
        if found:
            blocks += [Heading(name), *found]
    if blocks:
        note = "Single strata are small and carry no interval: read them as where to look first."
        blocks.insert(0, Text(note, is_soft=True))
    else:
        blocks.append(
            Absent(
                "Nothing is scored yet: the worst perturbations and contexts, predictions out of "
                "domain and questions without an answer appear here."
            )
        )
    return Section("failures", "Where it fails", "Where it fails", tuple(blocks))


def _ranking(strata: Strata, named: Callable[[str], str]) -> list[Block]:
    """The distribution over many labels, then the worst by name; nothing to rank in one."""
    if len(strata.rows) < 2:
        return []
    what, simple = plural_of(strata.label), model_words(strata.baseline_name)
    told, is_drawn = "", len(strata.rows) > WORST
    is_baseline = all(row.value == row.baseline for row in strata.rows)
    if is_baseline:
        told = " The model selected in training is the baseline itself."
    elif strata.n_compared:
        told = (
            f" {count(strata.n_behind)} of {count(strata.n_compared)} do worse than their "
            f"baseline{' (orange squares)' if is_drawn else ''}."
        )
    columns = (
        Column(f"worst {what}" if is_drawn else f"{what}, the worst first"),
        Column(strata.measure, is_number=True),
        Column("baseline", is_number=True, hint=simple if strata.n_compared else ""),
        Column("n", is_number=True, hint="values"),
    )
    rows = tuple(
        (
            Cell(named(row.name)),
            Cell(number(row.value, 2)),
            Cell(number(row.baseline, 2)),
            Cell(count(row.n)),
        )
        for row in strata.rows[:WORST]
    )
    caption = f"{capital(strata.measure)} of each {strata.label} {strata.what}.{told}"
    if not is_drawn:
        return [Table(columns, rows, caption)]
    figure = rank_figure(
        [
            RankPoint(named(row.name), row.value, math.nan if is_baseline else row.baseline)
            for row in strata.rows
        ],
        what=what,
        metric=strata.measure,
        ours="selected",
        baseline=simple,
        caption=caption,
    )
    return [figure, Table(columns, rows)]


def _domain(record: StudyRecord, claim: str) -> list[Block]:
    blocks: list[Block] = []
    for item in record.about("domain", claim):
        found = item.payload
        n, inside = int(found.get("n") or 0), int(found.get("n_in_domain") or 0)
        words = metric_words(str(found.get("metric") or "score"))
        share = percent(inside / n) if n else "–"
        out = f"{number(found.get('score_out'), 2)} outside"
        if inside == n:
            out = "no question lay outside"
        within = (
            f"{number(found.get('score_in'), 2)} inside" if inside else "no question lay inside"
        )
        told = f"{within}, {out}"
        blocks.append(
            Facts(
                (
                    ("In domain", f"{share}, {count(inside)} of {count(n)} held-out questions"),
                    (capital(words), told),
                )
            )
        )
    return blocks


def why(record: StudyRecord) -> Section:
    """The strongest features of a few perturbations, and which sanity checks were made."""
    blocks: list[Block] = []
    for item in record.about("attribution"):
        blocks += _attribution(item.subject, item.payload)
    if not blocks:
        blocks.append(
            Absent(
                "No attribution yet: the features that move the predictions of chosen "
                "perturbations appear here."
            )
        )
        return Section("why", "Why", "Why", tuple(blocks))
    blocks.append(
        Absent(
            "Sanity checks of the attributions are not done yet: with shuffled labels and with "
            "a shuffled model they should fall apart. Until then read them as what the model "
            "uses, not as mechanism."
        )
    )
    return Section("why", "Why", "Why", tuple(blocks))


def _attribution(subject: str, payload: Mapping[str, Any]) -> list[Block]:
    panels = []
    for row in (payload.get("rows") or ())[:EXPLAINED]:
        name = _name(row)
        top = (row.get("top") or ())[:FEATURES]
        bars = tuple(
            Bar(str(entry["feature"]), float(entry["value"]), number(entry["value"], 2))
            for entry in top
        )
        panels.append(Panel(name, bars))
    if not panels:
        return []
    told = ". ".join(
        f"{panel.title}: " + ", ".join(f"{bar.name} {bar.text}" for bar in panel.bars)
        for panel in panels
    )
    caption = (
        f"{subject}: strongest features of {model_words(str(payload.get('model') or ''))}, "
        f"by {plain_words(str(payload.get('method') or 'attribution'))}; change of the "
        "prediction when the feature turns from absent to present, or rises by one standard "
        "deviation. Orange, to the left: it lowers it. "
        "Each panel has its own scale."
    )
    return [bar_figure(panels, f"Strongest features. {told}.", caption), *_expected(payload)]


def _name(row: Mapping[str, Any]) -> str:
    """A perturbation by its common name, and the label it has in the data where they differ."""
    label, name = str(row.get("perturbation") or ""), str(row.get("name") or "")
    return with_name({label: name} if name else {}, label)


def _expected(payload: Mapping[str, Any]) -> list[Block]:
    """Where the features that the literature names in advance came out."""
    rows = tuple(
        (
            Cell(_name(row)),
            Cell(str(entry["feature"])),
            Cell("not a feature" if entry.get("rank") is None else str(entry["rank"])),
            Cell(str(row.get("source") or "no source given")),
        )
        for row in payload.get("rows") or ()
        for entry in row.get("expected") or ()
    )
    columns = (
        Column("perturbation"),
        Column("expected feature"),
        Column("rank found", is_number=True),
        Column("expected by"),
    )
    return [Table(columns, rows, is_stacked=True)] if rows else []
