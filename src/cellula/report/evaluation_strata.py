"""Section of an evaluation: by size of the real response, by what can be told, by context."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import pandas as pd

from cellula.core.metric import MetricDefinition
from cellula.core.numerals import count, estimate, number, plural
from cellula.report.blocks import Absent, Block, Cell, Column, Fold, Section, Table, Text
from cellula.report.evaluation_lines import why_no_place
from cellula.report.evaluation_ranks import Ranked, goodness, ranked_of, way_words
from cellula.report.words import capital, metric_words, model_words
from cellula.validation.evaluating import Evaluated

__all__ = ["strata"]

#: What the perturbations are divided by, in words.
DIVISIONS: Mapping[str, str] = {
    "response": "real response",
    "resolvability": "resolvability",
    "context": "context",
}
#: The order of labels that have one.
ORDER: Mapping[str, tuple[str, ...]] = {
    "response": ("small", "medium", "large"),
    "resolvability": ("open", "solved", "resistant", "unjudged"),
}
RESOLVED = (
    "Open: here a model can show what it knows. Solved: what a trivial answer leaves of the real "
    "response is indistinguishable from noise. Resistant: the real response is indistinguishable "
    "from control. Unjudged: too few cells. The prediction is not asked."
)


def strata(found: Evaluated) -> Section:
    """The parts of the perturbations one by one: the easy ones must not hide the hard."""
    title, short = "Small and large responses, contexts", "Strata"
    ranked = ranked_of(found)
    blocks: list[Block] = []
    if found.strata is not None:
        blocks = _scored(found.strata, ranked)
    elif ranked is not None:
        parts = [_averaged(ranked, column) for column in ("response", "context")]
        blocks = [part for part in parts if part is not None]
    if not blocks:
        told = "The perturbations are too few, or of one context, to be told apart by strata."
        return Section("strata", title, short, (Absent(told),))
    note = "A prediction that is right on large responses only is right where it is easy."
    return Section("strata", title, short, (Text(note, is_soft=True), *blocks))


# -- strata with intervals of their own -------------------------------------------------------
def _scored(table: pd.DataFrame, ranked: Ranked | None) -> list[Block]:
    """One table a division by the metric of the ranking; those of all metrics folded."""
    blocks: list[Block] = []
    for by in (name for name in DIVISIONS if (table["by"] == name).any()):
        part = table[table["by"] == by]
        if ranked is not None:
            own = part[part["metric"] == ranked.definition.id]
            blocks.append(_by_stratum(by, own, ranked.definition))
            blocks += [Text(RESOLVED, is_soft=True)] if by == "resolvability" else []
        told = f"All metrics by {DIVISIONS[by]}, anchored"
        blocks.append(Fold(told, (_all_metrics(by, part),)))
    return blocks


def _by_stratum(by: str, part: pd.DataFrame, definition: MetricDefinition) -> Table:
    columns = (
        Column(DIVISIONS[by], is_name=True),
        Column("n", is_number=True, hint="groups"),
        Column("prediction", is_number=True, hint="95 % interval"),
        Column("baseline", is_number=True),
        Column("ceiling", is_number=True),
        Column("anchored", is_number=True, hint="95 % interval"),
    )
    rows = tuple(
        (
            Cell(str(row["stratum"]), str(row["reason"] or why_no_place(row)), is_prose=True),
            Cell(count(int(row["n_groups"]))),
            Cell(*_pair(row, "value", "lower", "upper")),
            Cell(number(row["b"], 2), model_words(row["baseline"]) if row["baseline"] else ""),
            Cell(number(row["r"], 2)),
            Cell(*_pair(row, "anchored", "anchored_lower", "anchored_upper")),
        )
        for row in _ordered(by, part).to_dict("records")
    )
    caption = f"{capital(metric_words(definition.id))} ({way_words(definition)})."
    return Table(columns, rows, caption)


def _pair(row: Mapping[str, float], *names: str) -> tuple[str, str]:
    """A number, and its interval."""
    value, lower, upper = (float(row[name]) for name in names)
    told = estimate(value, lower, upper)
    return told.partition(" ")[0], told.partition("(")[2].rstrip(")")


def _all_metrics(by: str, part: pd.DataFrame) -> Table:
    names = list(dict.fromkeys(_ordered(by, part)["stratum"].astype(str)))
    values = {(str(row["metric"]), str(row["stratum"])): row for row in part.to_dict("records")}
    metrics = [
        metric
        for metric in dict.fromkeys(part["metric"].astype(str))
        if any(math.isfinite(values[metric, name]["anchored"]) for name in names)
    ]
    rows = tuple(
        (
            Cell(metric_words(metric)),
            *(
                Cell(*_pair(values[metric, name], "anchored", "anchored_lower", "anchored_upper"))
                for name in names
            ),
        )
        for metric in metrics
    )
    columns = (Column("metric", is_name=True), *(Column(name, is_number=True) for name in names))
    left = part["metric"].nunique() - len(metrics)
    caption = (
        "0 is the best trivial answer, 1 the ceiling; a dash: within this stratum the ceiling is "
        "not better than the trivial answer beyond noise, so there is no scale."
    )
    more = f" {plural(left, 'metric')} without a number in any stratum left out." if left else ""
    return Table(columns, rows, caption + more)


def _ordered(by: str, part: pd.DataFrame) -> pd.DataFrame:
    """The strata in their order, those without a group left out."""
    there = part[part["n_groups"] > 0]
    place = {name: k for k, name in enumerate(ORDER.get(by, ()))}
    keys = [(place.get(str(name), len(place)), str(name)) for name in there["stratum"]]
    return there.iloc[sorted(range(len(there)), key=lambda k: keys[k])]


# -- averages of rows -------------------------------------------------------------------------
def _averaged(ranked: Ranked, by: str) -> Table | None:
    """Means over the perturbations of every label of a column; None where there is one label."""
    table, baseline = ranked.table, ranked.baseline
    if by not in table or table[by].nunique() < 2:
        return None
    sides = [name for name in ("value", baseline, "replicate") if name and name in table]
    names = ORDER.get(by) or tuple(sorted(map(str, table[by].unique())))
    rows = []
    for name in names:
        part = table[table[by] == name]
        if len(part):
            means = [Cell(number(float(part[side].astype(float).mean()), 2)) for side in sides]
            wins = Cell(_wins(ranked.definition, part, baseline))
            rows.append((Cell(str(name)), Cell(count(len(part))), *means, wins))
    heads = {"value": "prediction", baseline: "baseline", "replicate": "replicate"}
    hints = {baseline: model_words(baseline) if baseline else ""}
    columns = (
        Column(DIVISIONS[by], is_name=True),
        Column("n", is_number=True),
        *(Column(heads[side], is_number=True, hint=hints.get(side, "")) for side in sides),
        Column("better than baseline", is_number=True),
    )
    metric = ranked.definition
    caption = (
        f"{capital(metric_words(metric.id))} ({way_words(metric)}), mean of the perturbations."
    )
    return Table(columns, tuple(rows), caption)


def _wins(definition: MetricDefinition, part: pd.DataFrame, baseline: str) -> str:
    if not baseline:
        return "–"
    ours, theirs = (goodness(part[side].astype(float), definition) for side in ("value", baseline))
    known = np.isfinite(ours) & np.isfinite(theirs)
    return f"{count(int((ours > theirs)[known].sum()))} of {count(int(known.sum()))}"
