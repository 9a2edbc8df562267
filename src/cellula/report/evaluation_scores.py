"""Section of an evaluation: where the prediction stands by every metric."""

from __future__ import annotations

import math
from collections.abc import Sequence

from cellula.core.metric import MetricDefinition
from cellula.core.numerals import estimate, number, plural
from cellula.report.blocks import Absent, Block, Cell, Column, Fold, Section, Table, Text
from cellula.report.evaluation_lines import OVERALL, Line
from cellula.report.evaluation_ranks import way_words
from cellula.report.figures import ScoreMark, score_figure
from cellula.report.words import model_words
from cellula.validation.evaluating import Evaluated

__all__ = ["standing"]

#: So many metrics stand in one table, those without a place among them.
FEW = 14
#: A figure holds so many metrics; more are in the table only.
MOST_MARKS = 30


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
    blocks += _gains(lines)
    blocks.append(_definitions(list(found.definitions.values())))
    return Section("standing", "Where the prediction stands", "Where it stands", tuple(blocks))


def _scale_told(found: Evaluated) -> str:
    ceiling = (
        "a replicate, one half of the real cells against the other"
        if found.setting.has_replicate
        else "the ideal value, as these data hold no replicate"
    )
    return (
        "Anchored: 0 is the baseline, the best of the trivial answers (controls, "
        "the mean response to other perturbations, other perturbations' cells); 1 is "
        f"the ceiling, {ceiling}. "
        f"Intervals resample the {found.setting.unit}, never cells."
    )


def _role(line: Line) -> str:
    return "ours" if line.side > 0 else "other"


def _table(lines: Sequence[Line], found: Evaluated) -> Table:
    has_notes = any(one.note or one.is_gained for one in lines)
    columns = (
        Column("metric", hint="what is better", is_name=True),
        Column("prediction", is_number=True, hint="95 % interval"),
        Column("baseline", is_number=True, hint="best trivial answer"),
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
    way = "" if line.definition is None else way_words(line.definition)
    return (
        Cell(line.words, way, is_strong=line.metric == OVERALL),
        Cell(number(value), _between(lower, upper)),
        Cell(number(line.b), model_words(line.baseline) if line.baseline else ""),
        Cell(number(line.r)),
        Cell(_first(line), _between(line.anchored[1], line.anchored[2]), is_strong=line.side > 0),
        _beside(line),
    )


def _beside(line: Line) -> Cell:
    """What to read beside a number; that knowing nothing may gain it is told first."""
    if line.is_gained:
        return Cell("gain possible", line.note, status="wait", is_prose=True)
    return Cell(line.note or "–")


def _gains(lines: Sequence[Line]) -> tuple[Fold, ...]:
    """What answers that know nothing gain, metric by metric; nothing where they gain nothing."""
    rows = tuple((Cell(one.words), Cell(one.gain)) for one in lines if one.gain)
    if not rows:
        return ()
    caption = (
        "Answers that say the same of every perturbation, or only whose answer they are, stand "
        "beside the prediction; where the upper bound of one is above .05, a score of that height "
        "says little in this row. “Gain possible” above: the lower bound is above 0."
    )
    columns = (Column("metric", is_name=True), Column("anchored score of what knows nothing"))
    told = f"What an answer that knows nothing may gain: {plural(len(rows), 'row')}"
    return (Fold(told, (Table(columns, rows, caption, is_stacked=True),), "wait"),)


def _first(line: Line) -> str:
    return estimate(*line.anchored).partition(" ")[0]


def _between(lower: float, upper: float) -> str:
    if not (math.isfinite(lower) and math.isfinite(upper)):
        return ""
    return estimate((lower + upper) / 2, lower, upper).partition("(")[2].rstrip(")")


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
