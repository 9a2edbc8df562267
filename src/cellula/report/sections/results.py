"""Predicted against observed: every model by every metric, with baseline and ceiling."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from cellula.core.numerals import apart, count, estimate, number, percent, plural, span
from cellula.report.agreement import Agreement
from cellula.report.blocks import (
    Absent,
    Block,
    Cell,
    Column,
    Facts,
    Figure,
    Fold,
    Heading,
    Section,
    Table,
    Text,
)
from cellula.report.cards import Anchored, GateScore, ScoreRow, ScoreTable
from cellula.report.density import Cloud, density_figure
from cellula.report.figures import ScoreMark, score_figure
from cellula.report.record import StudyRecord
from cellula.report.words import (
    SELECTED,
    capital,
    claim_scope,
    metric_words,
    model_words,
    value_words,
)

__all__ = ["agreement"]

REPLICATE = "replicate"
#: Why a number of a model differs from that beside its anchors.
HALVES = ", measured against one half of the profiles, as the replicate is the other half"
#: A table holds at most so many metrics; more make a second table.
MOST_METRICS = 7


def agreement(record: StudyRecord) -> Section:
    """Per claim: the gate's score in full, all models on its scale, the cloud, the table."""
    blocks: list[Block] = [
        Text(
            "Anchored: 0 is the better of the trivial answers, 1 the ceiling, each measured on "
            "the same held-out values. Intervals resample the unit of replication, never cells.",
            is_soft=True,
        )
    ]
    for claim in record.claims:
        blocks += _claim(record, str(claim["id"]), str(claim.get("kind", "")))
    if not record.has_scores:
        blocks.append(
            Absent("Nothing is scored yet: figure and table of all models appear after the run.")
        )
    return Section("agreement", "Predicted against observed", "Predicted, observed", tuple(blocks))


def _claim(record: StudyRecord, claim: str, kind: str) -> list[Block]:
    table = record.scores(claim)
    if table is None:
        return []
    blocks: list[Block] = [Heading(f"{claim}: {claim_scope(kind)}")]
    scores = record.gate_scores(claim)
    for place, score in enumerate(scores):
        chosen = () if place else _chosen(record, claim)
        facts = (*_gate_facts(score), *chosen, *_stability(record, claim, score))
        blocks += [Facts(facts), _marks(record, claim, table, score)]
    pair = record.agreements.get(claim)
    if pair is not None and len(pair.observed):
        blocks.append(_cloud(record, claim, pair))
    return [*blocks, *_score_tables(record, table, [score.metric for score in scores])]


def _chosen(record: StudyRecord, claim: str) -> tuple[tuple[str, str], ...]:
    """Which models were selected in how many folds; a trivial answer is called one."""
    folds = [
        str(fold.get("selected"))
        for item in record.about("selection", claim)
        for fold in item.payload.get("folds") or ()
    ]
    parts = []
    for model, n in Counter(folds).most_common():
        text = f"{model_words(model)} in {count(n)} of {plural(len(folds), 'fold')}"
        if _role(record, model) == "baseline":
            text += ", a trivial answer: inside training nothing did better"
        parts.append(text)
    return (("Selected", "; ".join(parts)),) if parts else ()


def _stability(record: StudyRecord, claim: str, score: GateScore) -> tuple[tuple[str, str], ...]:
    """How far the score moves over resamples, and over the seeds of models that have several."""
    parts = [
        f"sd {number(row.get('sd'))} over {count(int(row['n']))} {row['over']}"
        + ("" if row["model"] == SELECTED else f" of {model_words(str(row['model']))}")
        for item in record.about("stability", claim)
        for row in item.payload.get("rows") or ()
        if (row["metric"], row["space"]) == (score.metric, score.space)
    ]
    return (("Stability", "; ".join(parts)),) if parts else ()


def _gate_facts(score: GateScore) -> tuple[tuple[str, str], ...]:
    anchored = score.anchored
    halves = HALVES if anchored.ceiling == REPLICATE else ""
    resolved = f"{count(score.n_groups)} held-out questions"
    if score.n_unresolvable:
        resolved += (
            f"; {count(score.n_unresolvable)} unresolvable (ceiling within noise of the baseline)"
        )
    return (
        (
            "Anchored score",
            f"{estimate(anchored.value, anchored.lower, anchored.upper)}, "
            f"{percent(score.level)} interval over {plural(score.n_units, score.unit)}"
            + (f" – {anchored.reason}" if anchored.reason else ""),
        ),
        (
            capital(metric_words(score.metric)),
            f"model {number(score.u, 2)} · baseline {number(anchored.b, 2)} "
            f"({model_words(anchored.baseline)}) · ceiling {number(anchored.r, 2)} "
            f"({model_words(anchored.ceiling)}){halves}",
        ),
        ("Judged on", f"{resolved}; space: {score.space}; metric `{score.metric}`"),
    )


def _marks(record: StudyRecord, claim: str, table: ScoreTable, score: GateScore) -> Figure:
    marks = []
    for model in _ordered(record, table, score.metric):
        row = table.row(model, score.metric)
        if row is None or row.anchored is None:
            continue
        found = row.anchored
        reason = found.reason or row.reason
        marks.append(
            ScoreMark(
                model_words(model),
                _role(record, model),
                found.value,
                found.lower,
                found.upper,
                reason,
            )
        )
    caption = (
        f"{claim}: {metric_words(score.metric)} by model on the anchored scale; "
        f"{percent(score.level)} intervals resample the {score.unit}. "
        "● model selected in training, ■ baseline, ◆ replicate, grey: other models."
    )
    return score_figure(
        marks, _threshold(record, claim, score.metric), metric_words(score.metric), caption
    )


def _threshold(record: StudyRecord, claim: str, metric: str) -> float | None:
    wanted = [
        gate.get("at_least")
        for entry in record.claims
        if entry.get("id") == claim
        for gate in entry.get("gate") or ()
        if gate.get("metric") == metric
    ]
    return wanted[0] if wanted else None


def _role(record: StudyRecord, model: str) -> str:
    if model == SELECTED:
        return "ours"
    if model == REPLICATE:
        return "ceiling"
    card = record.model(model.partition("#")[0])
    return "baseline" if card is not None and card.is_baseline else "other"


def _ordered(record: StudyRecord, table: ScoreTable, metric: str = "") -> list[str]:
    """Selected first, then other models, baselines, and the replicate last.

    Within a role in the order of the evidence, or the best first by a metric's anchored score.
    """
    order = {"ours": 0, "other": 1, "baseline": 2, "ceiling": 3}

    def rank(model: str) -> tuple[int, float]:
        row = table.row(model, metric)
        value = row.anchored.value if row is not None and row.anchored is not None else math.nan
        return order[_role(record, model)], -value if math.isfinite(value) else math.inf

    return sorted(table.models, key=rank)


def _cloud(record: StudyRecord, claim: str, pair: Agreement) -> Figure:
    profiles = [card for card in record.data if card.role == "profiles"]
    values = value_words(profiles[0].value_type) if profiles else "values"
    if pair.is_change:
        values = f"change of {values}"
    clouds = [Cloud(model_words(SELECTED), "c1", pair.observed, pair.predicted)]
    beside = ""
    if len(pair.baseline):
        name = f"baseline: {model_words(pair.baseline_name)}"
        clouds.append(Cloud(name, "c2", pair.observed, pair.baseline))
        beside = " Right (below on a phone), the baseline on the same values."
    caption = (
        f"{claim}: {count(len(pair.observed))} held-out values; fuller colour holds more, on a "
        f"logarithmic scale; the dashed line is equality.{beside}"
        f"{_covered(pair, record.interval_level)}"
    )
    return density_figure(clouds, values=values, caption=caption)


def _covered(pair: Agreement, level: float) -> str:
    known = np.isfinite(pair.lower) & np.isfinite(pair.upper) & np.isfinite(pair.observed)
    if not known.any():
        return ""
    inside = (pair.lower <= pair.observed) & (pair.observed <= pair.upper)
    share = percent(float(inside[known].mean()))
    return f" The {percent(level)} intervals of the selected model hold {share} of the values."


# -- the table ------------------------------------------------------------------------------------
def _score_tables(record: StudyRecord, table: ScoreTable, decisive: Sequence[str]) -> list[Block]:
    """All models: by what the gates read and as many metrics as fit, the others to be opened."""
    computed = [name for name in table.metrics if _is_computed(table, name)]
    answered = [name for name in computed if _is_computed(table, name, but=REPLICATE)]
    metrics = sorted(computed, key=lambda name: (name not in decisive, name not in answered))
    told = (
        f"{percent(table.level)} intervals over {plural(table.n_units, table.unit)}, "
        f"{count(table.n_groups)} held-out questions. The last two rows are what a metric is "
        f"anchored on{HALVES if REPLICATE in table.models else ''}."
    )
    parts = [
        metrics[start : start + MOST_METRICS] for start in range(0, len(metrics), MOST_METRICS)
    ]
    made: list[Block] = [_score_table(record, table, tuple(part), told) for part in parts[:1]]
    for part in parts[1:]:
        names = ", ".join(map(metric_words, part))
        inner = _score_table(record, table, tuple(part), told)
        made.append(Fold(f"All models by {names}", (inner,)))
    return [*made, *_not_computed(table)]


def _is_computed(table: ScoreTable, metric: str, but: str = "") -> bool:
    rows = (row for row in table.rows if row.metric == metric and row.model != but)
    return any(math.isfinite(row.value) for row in rows)


def _not_computed(table: ScoreTable) -> list[Block]:
    """Metrics that no model has a value of, each with its reason."""
    missing = [name for name in table.metrics if not _is_computed(table, name)]
    if not missing:
        return []
    pairs = []
    for name in missing:
        reasons = (_why_none(row.reason) for row in table.rows if row.metric == name)
        pairs.append((metric_words(name), "; ".join(dict.fromkeys(filter(None, reasons)))))
    return [Text("Registered metrics that these data cannot answer, and why:"), Facts(tuple(pairs))]


def _score_table(
    record: StudyRecord, table: ScoreTable, metrics: tuple[str, ...], caption: str
) -> Table:
    places = {metric: _places(table, metric) for metric in metrics}
    columns = (
        Column("model", is_name=True),
        *(Column(metric_words(m), is_number=True, hint=_version(m)) for m in metrics),
    )
    rows = [
        (
            Cell(model_words(model), _kind(record, model), is_strong=model == SELECTED),
            *(_score_cell(table.row(model, metric), places[metric]) for metric in metrics),
        )
        for model in _ordered(record, table)
    ]
    rows += [_anchor_row(table, places, which) for which in ("baseline", "ceiling")]
    return Table(columns, tuple(rows), caption)


def _places(table: ScoreTable, metric: str) -> int:
    """Decimals for a whole column: as many as its narrowest interval needs, at least two."""
    rows = [row for row in table.rows if row.metric == metric]
    needed = [apart(row.lower, row.upper) for row in rows if math.isfinite(row.lower + row.upper)]
    return max([2, *needed])


def _version(metric: str) -> str:
    return "@" + metric.partition("@")[2] if "@" in metric else ""


def _kind(record: StudyRecord, model: str) -> str:
    words = {"ours": "", "baseline": "baseline", "ceiling": "ceiling", "other": ""}
    return words[_role(record, model)]


def _why_none(reason: str) -> str:
    """Why there is no value, without the count of groups that have none where that is all."""
    counted = re.match(r"none of \d+ groups has a value; for \d+: (.+)", reason, re.DOTALL)
    return counted[1] if counted else reason


def _score_cell(row: ScoreRow | None, places: int) -> Cell:
    if row is None:
        return Cell("–", "not scored")
    if not math.isfinite(row.value):
        return Cell("–", _why_none(row.reason), is_prose=True)
    return Cell(number(row.value, places), span(row.lower, row.upper, places))


def _anchor_row(table: ScoreTable, places: Mapping[str, int], which: str) -> tuple[Cell, ...]:
    """What is 0 (``baseline``) or 1 (``ceiling``) on the anchored scale of every metric."""
    anchors = [_anchor(table, metric) for metric in places]
    names = [getattr(anchor, which) if anchor else "" for anchor in anchors]
    shared = set(filter(None, names))
    is_shared = len(shared) == 1
    place = "0" if which == "baseline" else "1"
    cells = [Cell(f"{which} ({place})", model_words(shared.pop()) if is_shared else "")]
    for anchor, name, n in zip(anchors, names, places.values(), strict=True):
        value = math.nan if anchor is None else anchor.b if which == "baseline" else anchor.r
        if not math.isfinite(value):
            cells.append(Cell("–"))
            continue
        small = "" if is_shared else model_words(name)
        cells.append(Cell(number(value, n), small, is_prose=True))
    return tuple(cells)


def _anchor(table: ScoreTable, metric: str) -> Anchored | None:
    found = (row.anchored for row in table.rows if row.metric == metric and row.anchored)
    return next(found, None)
