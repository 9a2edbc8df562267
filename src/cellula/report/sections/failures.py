"""Where it fails and why it says what it says: strata, domain, attributions."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, cast

import pandas as pd

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
from cellula.report.cards import GateScore
from cellula.report.figures import Bar, Panel, RankPoint, bar_figure, rank_figure
from cellula.report.numerals import count, number, percent
from cellula.report.record import StudyRecord
from cellula.report.words import SELECTED, metric_words, model_words, plain_words

__all__ = ["failures", "why"]

#: So many of the worst strata are named.
WORST = 6
#: So many perturbations are explained, by so many features each.
EXPLAINED, FEATURES = 4, 8
LOWER_IS_BETTER = ("rmse", "energy_distance", "wasserstein_per_gene", "interval_width")


def failures(record: StudyRecord) -> Section:
    """The worst perturbations and contexts, in and out of domain, and what has no answer."""
    blocks: list[Block] = []
    for claim in record.claims:
        name = str(claim["id"])
        found = [*_strata(record, name), *_domain(record, name)]
        if found:
            blocks += [Heading(name), *found]
    if not blocks:
        blocks.append(
            Absent(
                "Nothing is scored yet: the worst perturbations and contexts, predictions out of "
                "domain and questions without an answer appear here."
            )
        )
    return Section("failures", "Where it fails", "Where it fails", tuple(blocks))


def _strata(record: StudyRecord, claim: str) -> list[Block]:
    table = record.strata.get(claim)
    if table is None or table.empty:
        return []
    score = record.gate_score(claim)
    blocks: list[Block] = []
    for column, other in (("perturbation", "context"), ("context", "perturbation")):
        rows = table[(_text(table, column) != "") & (_text(table, other) == "")]
        if len(rows):
            blocks += _ranked(rows, column, score)
    return [*blocks, *_unanswered(table)]


def _text(table: pd.DataFrame, column: str) -> pd.Series[str]:
    return cast("pd.Series[str]", table[column].astype("string").fillna("").astype(str))


def _metric(rows: pd.DataFrame, model: str, score: GateScore | None) -> str:
    """The gate's metric where strata have it, else the first one that has numbers."""
    mine = rows[(rows["model"].astype(str) == model) & rows["value"].notna()]
    present = list(dict.fromkeys(mine["metric"].astype(str)))
    if score is not None and score.metric in present:
        return score.metric
    return present[0] if present else ""


def _ranked(rows: pd.DataFrame, column: str, score: GateScore | None) -> list[Block]:
    present = set(rows["model"].astype(str))
    model = SELECTED if SELECTED in present or score is None else score.model
    metric = _metric(rows, model, score)
    if not metric:
        return []
    simple = score.anchored.baseline if score is not None else ""
    rows = rows[rows["metric"].astype(str) == metric]
    labels = _text(rows, column)
    ours = rows[rows["model"].astype(str) == model].assign(label=labels)
    base = rows[rows["model"].astype(str) == simple].assign(label=labels)
    against = dict(zip(base["label"], base["value"].astype(float), strict=True))
    ours = ours[ours["value"].notna()]
    ours = ours.sort_values(["value", "label"], ascending=[_is_higher_better(metric, score), True])
    points = [
        RankPoint(str(label), float(value), float(against.get(label, math.nan)))
        for label, value in zip(ours["label"], ours["value"], strict=True)
    ]
    if not points:
        return []
    groups = dict(zip(ours["label"], ours["n_groups"], strict=True))
    return _ranking(points, groups, column, metric, simple)


def _ranking(
    points: list[RankPoint], groups: Mapping[str, Any], column: str, metric: str, simple: str
) -> list[Block]:
    words, what = metric_words(metric), f"{column}s"
    behind = sum(p.value < p.baseline for p in points if math.isfinite(p.baseline))
    paired = sum(math.isfinite(p.baseline) for p in points)
    told = f" {count(behind)} of {count(paired)} lie below their baseline." if paired else ""
    figure = rank_figure(
        points,
        what=what,
        metric=words,
        ours="selected",
        baseline=model_words(simple),
        caption=f"{words.capitalize()} within each of {count(len(points))} {what}.{told}"
        + (" Orange squares: the baseline." if paired else ""),
    )
    columns = (
        Column(f"worst {what}"),
        Column(words, is_number=True),
        Column("baseline", is_number=True, hint=model_words(simple)),
        Column("n", is_number=True, hint="questions"),
    )
    rows = tuple(
        (
            Cell(point.name),
            Cell(number(point.value, 2)),
            Cell(number(point.baseline, 2)),
            Cell(count(int(groups[point.name]))),
        )
        for point in points[:WORST]
    )
    note = "Single strata are small; they carry no interval, so read them as where to look first."
    blocks: list[Block] = [figure] if len(points) > 1 else []
    return [*blocks, Table(columns, rows, caption=note)]


def _is_higher_better(metric: str, score: GateScore | None) -> bool:
    if score is not None and score.metric == metric:
        return score.is_higher_better
    return metric.partition("@")[0] not in LOWER_IS_BETTER


def _unanswered(table: pd.DataFrame) -> list[Block]:
    missing = table[table["value"].isna()]
    if missing.empty:
        return [Text("Every stratum has a number by every metric.", is_soft=True)]
    counted = missing["reason"].astype(str).value_counts()
    pairs = tuple(
        (reason, f"{count(int(n))} rows of model, metric and stratum")
        for reason, n in sorted(counted.items(), key=lambda item: (-int(item[1]), str(item[0])))
    )
    return [Text("Without a number, and why:"), Facts(pairs)]


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
        told = f"{number(found.get('score_in'), 2)} inside, {out}"
        blocks.append(
            Facts(
                (
                    ("In domain", f"{share}, {count(inside)} of {count(n)} held-out questions"),
                    (words.capitalize(), told),
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
        name = str(row.get("name") or row.get("perturbation"))
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
        "prediction per standard deviation of the feature. Orange, to the left: it lowers it. "
        "Each panel has its own scale."
    )
    return [bar_figure(panels, f"Strongest features. {told}.", caption)]
