"""The page of a perturbation done in silico: offline, no script, equal input gives equal bytes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from cellula.core.numerals import count, estimate, number
from cellula.core.report import Report
from cellula.report.blocks import (
    Absent,
    Block,
    Cell,
    Code,
    Column,
    Facts,
    Section,
    Table,
    Text,
)
from cellula.report.page import fill

__all__ = ["render_in_silico"]

#: So many genes and sets are shown; the files hold all.
SHOWN = 40


def render_in_silico(report: Report, about: Mapping[str, str], command: str) -> str:
    """The page; about: what the predictions say of themselves; command: makes it again."""
    sections = [_headline(report), *_cautions(report)]
    titles = {"genes": "Downstream genes", "gene_sets": "Gene sets"}
    for name, title in titles.items():
        if name in report.tables:
            sections.append(_ranking(name, title, report.tables[name]))
    facts = tuple((key, f"`{value}`") for key, value in about.items())
    blocks: tuple[Block, ...] = (Code((command,)), Facts(facts))
    sections.append(Section("again", "How to make it again", "Make it again", blocks))
    return fill("in_silico.html.j2", {"title": report.title, "sections": tuple(sections)})


def _headline(report: Report) -> Section:
    told: Mapping[str, Any] = report.numbers
    facts = (
        ("Perturbation", f"`{told['perturbation']}`"),
        ("Population", f"`{told['context']}`: {count(told['n_controls'])} control profiles"),
        ("Predicted cells", count(told["n_predicted_cells"])),
        ("In the model's domain", "yes" if told["is_in_domain"] else "no"),
    )
    blocks: tuple[Block, ...] = (Text(report.answer), Facts(facts))
    return Section("headline", "In one sentence", "In one sentence", blocks)


def _cautions(report: Report) -> tuple[Section, ...]:
    if not report.cautions:
        return ()
    rows = tuple(
        (Cell(f"caution {place}", status="wait"), Cell(text))
        for place, text in enumerate(report.cautions, 1)
    )
    table = Table((Column(""), Column("what to read beside the numbers")), rows, is_stacked=True)
    return (Section("cautions", "Cautions", "Cautions", (table,)),)


def _ranking(name: str, title: str, table: pd.DataFrame) -> Section:
    if table.empty:
        return Section(name, title, title, (Absent("There is nothing to rank."),))
    label = "gene" if name == "genes" else "set"
    has_interval = bool(np.isfinite(table["lower"]).any())
    columns = (
        Column("rank", is_number=True),
        Column(label, is_name=True),
        Column("change", is_number=True, hint="90 % interval" if has_interval else ""),
        *((Column("clear"),) if has_interval else ()),
        *((Column("genes", is_number=True),) if name == "gene_sets" else ()),
    )
    rows = tuple(_row(row, label, has_interval) for row in table.head(SHOWN).to_dict("records"))
    left = len(table) - len(rows)
    caption = "Predicted less control mean, in units of the values; the strongest first."
    if left > 0:
        caption += f" {count(left)} more are in `{name}.csv`."
    return Section(name, title, title, (Table(columns, rows, caption),))


def _row(row: Mapping[Any, Any], label: str, has_interval: bool) -> tuple[Cell, ...]:
    told = estimate(row["change"], row["lower"], row["upper"]) if has_interval else ""
    value = told.partition(" ")[0] if has_interval else number(row["change"], 2)
    cells = [
        Cell(count(int(row["rank"]))),
        Cell(str(row[label]), is_code=True),
        Cell(value, told.partition("(")[2].rstrip(")")),
    ]
    if has_interval:
        cells.append(Cell("yes" if row["is_clear"] else "–"))
    if "n_genes" in row:
        cells.append(Cell(count(int(row["n_genes"]))))
    return tuple(cells)
