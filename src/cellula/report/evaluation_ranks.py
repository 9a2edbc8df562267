"""Section of an evaluation: all perturbations from the worst to the best."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cellula.core.metric import MetricDefinition
from cellula.core.numerals import count, number
from cellula.report.blocks import Absent, Cell, Column, Section, Table
from cellula.report.figures import RankPoint, rank_figure
from cellula.report.words import capital, metric_words, model_words
from cellula.validation.evaluating import Evaluated

__all__ = ["Ranked", "goodness", "perturbations", "ranked_of", "way_words"]

#: Metrics by which perturbations are ranked, the first that has values.
RANKED_BY = ("pearson_delta", "pds_cosine", "pds_l1", "pearson", "energy_distance", "rmse")
#: So many of the worst and of the best perturbations are named.
NAMED = 6
WAYS: Mapping[str, str] = {
    "higher": "higher is better",
    "lower": "lower is better",
    "target": "nearer to {} is better",
}
TRIVIAL = ("mean_response", "control", "mean")


@dataclass(frozen=True, slots=True)
class Ranked:
    """The rows of a metric that have a value, from the worst to the best.

    baseline: the column of the trivial answer that the metric is anchored to, "" for none.
    """

    definition: MetricDefinition
    table: pd.DataFrame
    baseline: str


def perturbations(found: Evaluated) -> Section:
    """All perturbations from the worst to the best, the worst and the best by name."""
    title, short = "Perturbation by perturbation", "Perturbations"
    ranked = ranked_of(found)
    if ranked is None:
        told = "No metric has a value of its own for two perturbations."
        return Section("perturbations", title, short, (Absent(told),))
    definition, table, baseline = ranked.definition, ranked.table, ranked.baseline
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
        metric=f"{words} ({way_words(definition)})",
        ours="prediction",
        baseline=model_words(baseline),
        caption=_ranks_told(definition, table, simple, what),
    )
    return Section(
        "perturbations", title, short, (figure, _extremes(table, names, baseline, words))
    )


def ranked_of(found: Evaluated) -> Ranked | None:
    """The ranking by the first metric that has two values; None where none has."""
    order = {name: place for place, name in enumerate(RANKED_BY)}
    known = sorted(found.definitions.values(), key=lambda one: order.get(one.name, len(order)))
    for definition in known:
        table = found.scores[found.scores["metric"] == definition.id]
        table = table[np.isfinite(table["value"].astype(float))]
        if len(table) > 1:
            rows = table.iloc[np.argsort(goodness(table["value"], definition), kind="stable")]
            return Ranked(definition, rows.reset_index(drop=True), _simple(found, definition))
    return None


def goodness(values: pd.Series[float], definition: MetricDefinition) -> NDArray[np.float64]:
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
    ours, theirs = (goodness(part, definition) for part in (table["value"], simple))
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
    told = f"The {NAMED} worst and the {NAMED} best; all of them, by every metric, are in the table"
    caption = "" if len(shown) == n else f"{told} of scores beside this page."
    return Table(tuple(columns), tuple(rows), caption.replace("`", ""), is_stacked=True)


def _rank(place: int, n: int) -> str:
    words = {0: "worst", n - 1: "best"}
    return words.get(place, count(place + 1))


def way_words(definition: MetricDefinition) -> str:
    """Which way is better, in words."""
    return WAYS[definition.direction].format(number(definition.ideal))
