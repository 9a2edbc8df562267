"""Sections of an evaluation: where the prediction stands, the perturbations, the strata."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cellula.core.metric import MetricDefinition
from cellula.core.numerals import count, estimate, number, plural
from cellula.report.blocks import Absent, Block, Cell, Column, Fold, Section, Table, Text
from cellula.report.evaluation_lines import OVERALL, Line
from cellula.report.figures import RankPoint, ScoreMark, rank_figure, score_figure
from cellula.report.words import capital, metric_words, model_words
from cellula.validation.evaluating import Evaluated

__all__ = ["perturbations", "standing", "strata"]

#: Metrics by which perturbations are ranked, the first that has values.
RANKED_BY = ("pearson_delta", "pds_cosine", "pds_l1", "pearson", "energy_distance", "rmse")
#: So many metrics stand in one table, those without a place among them.
FEW = 14
#: So many of the worst and of the best perturbations are named.
NAMED = 6
#: A figure holds so many metrics; more are in the table only.
MOST_MARKS = 30
WAYS = {
    "higher": "higher is better",
    "lower": "lower is better",
    "target": "nearer to {} is better",
}
TRIVIAL = ("mean_response", "control", "mean")


# -- where it stands --------------------------------------------------------------------------
def standing(found: Evaluated, lines: Sequence[Line]) -> Section:
    """Every metric between the best trivial answer and a replicate; the rest is folded."""
    placed = [one for one in lines if math.isfinite(one.anchored[0])]
    others = [one for one in lines if not math.isfinite(one.anchored[0])]
    blocks: list[Block] = [Text(_scale_told(found), is_soft=True)]
    if placed:
        marks = [ScoreMark(one.words, _role(one), *one.anchored) for one in placed[:MOST_MARKS]]
        caption = (
            "Every metric on one scale, with its 95 % interval. Blue: the interval lies above the "
            "best trivial answer; grey: it does not."
        )
        blocks.append(score_figure(marks, None, "by metric", caption))
    else:
        blocks.append(Absent("No metric has a place between a trivial answer and the ceiling."))
    if len(lines) <= FEW:
        blocks.append(_table(lines, found))
    else:
        told = f"{plural(len(others), 'metric')} without a place on this scale, and why"
        blocks += [_table(placed, found)] if placed else []
        blocks += [Fold(told, (_table(others, found),))] if others else []
    blocks.append(_definitions(list(found.definitions.values())))
    return Section("standing", "Where the prediction stands", "Where it stands", tuple(blocks))


def _scale_told(found: Evaluated) -> str:
    ceiling = (
        "a replicate, one half of the real cells against the other"
        if found.setting.has_replicate
        else "the ideal value, as these data hold no replicate"
    )
    return (
        "Anchored: 0 is the baseline, the better of two trivial answers (unchanged controls, the "
        f"mean response to other perturbations); 1 is the ceiling, {ceiling}. "
        f"Intervals resample the {found.setting.unit}, never cells."
    )


def _role(line: Line) -> str:
    return "ours" if line.side > 0 else "other"


def _table(lines: Sequence[Line], found: Evaluated) -> Table:
    has_notes = any(one.note for one in lines)
    columns = (
        Column("metric", hint="what is better", is_name=True),
        Column("prediction", is_number=True, hint="95 % interval"),
        Column("baseline", is_number=True, hint="the better trivial answer"),
        Column(
            "ceiling",
            is_number=True,
            hint="replicate" if found.setting.has_replicate else "ideal value",
        ),
        Column("anchored", is_number=True, hint="95 % interval"),
        *((Column("read beside it"),) if has_notes else ()),
    )
    width = len(columns)
    return Table(columns, tuple(_row(one)[:width] for one in lines), is_stacked=has_notes)


def _row(line: Line) -> tuple[Cell, ...]:
    value, lower, upper = line.value
    way = "" if line.definition is None else _way(line.definition)
    return (
        Cell(line.words, way, is_strong=line.metric == OVERALL),
        Cell(number(value), _between(lower, upper)),
        Cell(number(line.b), model_words(line.baseline) if line.baseline else ""),
        Cell(number(line.r)),
        Cell(_first(line), _between(line.anchored[1], line.anchored[2]), is_strong=line.side > 0),
        Cell(line.note or "–"),
    )


def _first(line: Line) -> str:
    return estimate(*line.anchored).partition(" ")[0]


def _between(lower: float, upper: float) -> str:
    if not (math.isfinite(lower) and math.isfinite(upper)):
        return ""
    return estimate((lower + upper) / 2, lower, upper).partition("(")[2].rstrip(")")


def _way(definition: MetricDefinition) -> str:
    return WAYS[definition.direction].format(number(definition.ideal))


def _definitions(known: Sequence[MetricDefinition]) -> Fold:
    columns = (Column("metric", is_name=True), Column("layer"), Column("what it is"))
    rows = tuple(
        (
            Cell(one.id, is_code=True),
            Cell(one.layer),
            Cell(one.equation, one.aggregation, is_prose=True),
        )
        for one in known
    )
    summary = f"What each of the {plural(len(known), 'metric')} is"
    return Fold(summary, (Table(columns, rows, is_stacked=True),))


# -- perturbations ----------------------------------------------------------------------------
def perturbations(found: Evaluated) -> Section:
    """All perturbations from the worst to the best, the worst and the best by name."""
    title, short = "Perturbation by perturbation", "Perturbations"
    ranked = _ranked(found)
    if ranked is None:
        told = "No metric has a value of its own for two perturbations."
        return Section("perturbations", title, short, (Absent(told),))
    definition, table, baseline = ranked
    words = metric_words(definition.id)
    names = _names(table)
    is_single = table["context"].nunique() < 2
    what = "perturbations" if is_single else "pairs"
    simple = table[baseline] if baseline else pd.Series(np.nan, index=table.index)
    figure = rank_figure(
        [
            RankPoint(name, float(value), float(other))
            for name, value, other in zip(names, table["value"], simple, strict=True)
        ],
        what=what,
        metric=f"{words} ({_way(definition)})",
        ours="prediction",
        baseline=model_words(baseline),
        caption=_ranks_told(definition, table, simple, what),
    )
    return Section(
        "perturbations", title, short, (figure, _extremes(table, names, baseline, words))
    )


def _ranked(found: Evaluated) -> tuple[MetricDefinition, pd.DataFrame, str] | None:
    """A metric, its rows with a value from the worst to the best, and the trivial answer's name."""
    order = {name: place for place, name in enumerate(RANKED_BY)}
    known = sorted(found.definitions.values(), key=lambda one: order.get(one.name, len(order)))
    for definition in known:
        table = found.scores[found.scores["metric"] == definition.id]
        table = table[np.isfinite(table["value"].astype(float))]
        if len(table) > 1:
            rows = table.iloc[np.argsort(_goodness(table["value"], definition), kind="stable")]
            return definition, rows.reset_index(drop=True), _simple(found, definition)
    return None


def _goodness(values: pd.Series[float], definition: MetricDefinition) -> NDArray[np.float64]:
    """The larger the better."""
    numbers: NDArray[np.float64] = values.to_numpy(np.float64)
    if definition.direction == "target":
        return -np.abs(numbers - definition.ideal)
    return numbers if definition.direction == "higher" else -numbers


def _simple(found: Evaluated, definition: MetricDefinition) -> str:
    """The trivial answer that the metric is anchored to, or any that has a column."""
    rows = found.of_the_model
    told = rows.loc[rows["metric"] == definition.id, "baseline"]
    named = [str(name) for name in told if isinstance(name, str) and name]
    return next((name for name in (*named, *TRIVIAL) if name in found.scores), "")


def _names(table: pd.DataFrame) -> list[str]:
    many = table["context"].nunique() > 1
    return [
        f"{row.perturbation} · {row.context}" if many else str(row.perturbation)
        for row in table[["perturbation", "context"]].itertuples()
    ]


def _ranks_told(
    definition: MetricDefinition, table: pd.DataFrame, simple: pd.Series[float], what: str
) -> str:
    ours, theirs = (_goodness(part, definition) for part in (table["value"], simple))
    compared = np.isfinite(theirs)
    behind = int((ours[compared] < theirs[compared]).sum())
    pairs = "" if what == "perturbations" else " of perturbation and context"
    told = f"{capital(metric_words(definition.id))} of all {count(len(table))} {what}{pairs}. "
    if compared.any():
        told += (
            f"The baseline (orange squares) is better for {count(behind)} of "
            f"{count(int(compared.sum()))}. "
        )
    return (
        told + "Single ones are few cells and carry no interval: read them as where to look first."
    )


def _extremes(table: pd.DataFrame, names: Sequence[str], baseline: str, words: str) -> Table:
    """The worst and the best by name, all of them where they are few."""
    n = len(table)
    shown = list(range(n)) if n <= 2 * NAMED else [*range(NAMED), *range(n - NAMED, n)]
    has_replicate = "replicate" in table
    columns = [
        Column("perturbation", is_name=True),
        Column("rank", is_number=True),
        Column("real response", hint="third by size"),
        Column(words, is_number=True, hint="prediction"),
    ]
    columns += [Column("baseline", is_number=True, hint=model_words(baseline))] if baseline else []
    columns += [Column("replicate", is_number=True)] if has_replicate else []
    rows = []
    for place in shown:
        row = table.iloc[place]
        response = str(row["response"]) if "response" in table else "–"
        cells = [
            Cell(names[place]),
            Cell(_rank(place, n)),
            Cell(response),
            Cell(number(row["value"], 2)),
        ]
        cells += [Cell(number(float(row[baseline]), 2))] if baseline else []
        cells += [Cell(number(float(row["replicate"]), 2))] if has_replicate else []
        rows.append(tuple(cells))
    caption = (
        "" if len(shown) == n else f"The {NAMED} worst and the {NAMED} best; all are in `scores`."
    )
    return Table(tuple(columns), tuple(rows), caption.replace("`", ""), is_stacked=True)


def _rank(place: int, n: int) -> str:
    words = {0: "worst", n - 1: "best"}
    return words.get(place, count(place + 1))


# -- strata -----------------------------------------------------------------------------------
def strata(found: Evaluated) -> Section:
    """By the size of the real response and by context: the easy ones must not hide the hard."""
    ranked = _ranked(found)
    title, short = "Small and large responses, contexts", "Strata"
    blocks: list[Block] = []
    if ranked is not None:
        definition, table, baseline = ranked
        for column, order in (("response", ("small", "medium", "large")), ("context", None)):
            block = _stratified(definition, table, baseline, column, order)
            blocks += [block] if block is not None else []
    if not blocks:
        told = "The perturbations are too few, or of one context, to be told apart by strata."
        return Section("strata", title, short, (Absent(told),))
    note = "A prediction that is right on large responses only is right where it is easy."
    return Section("strata", title, short, (Text(note, is_soft=True), *blocks))


def _stratified(
    definition: MetricDefinition,
    table: pd.DataFrame,
    baseline: str,
    column: str,
    order: tuple[str, ...] | None,
) -> Table | None:
    """Means over the perturbations of every label of a column; None where there is one label."""
    if column not in table or table[column].nunique() < 2:
        return None
    names = order or tuple(sorted(map(str, table[column].unique())))
    sides = [name for name in ("value", baseline, "replicate") if name and name in table]
    rows = []
    for name in names:
        part = table[table[column] == name]
        if not len(part):
            continue
        means = [Cell(number(float(part[side].astype(float).mean()), 2)) for side in sides]
        rows.append(
            (
                Cell(str(name)),
                Cell(count(len(part))),
                *means,
                Cell(_wins(definition, part, baseline)),
            )
        )
    heads = {"value": "prediction", baseline: "baseline", "replicate": "replicate"}
    hints = {baseline: model_words(baseline) if baseline else ""}
    columns = (
        Column("real response" if column == "response" else column, is_name=True),
        Column("n", is_number=True),
        *(Column(heads[side], is_number=True, hint=hints.get(side, "")) for side in sides),
        Column("better than baseline", is_number=True),
    )
    caption = (
        f"{capital(metric_words(definition.id))} ({_way(definition)}), mean over the perturbations."
    )
    return Table(columns, tuple(rows), caption)


def _wins(definition: MetricDefinition, part: pd.DataFrame, baseline: str) -> str:
    if not baseline:
        return "–"
    ours, theirs = (_goodness(part[side].astype(float), definition) for side in ("value", baseline))
    known = np.isfinite(ours) & np.isfinite(theirs)
    return f"{count(int((ours > theirs)[known].sum()))} of {count(int(known.sum()))}"
