"""How a claim does within each perturbation and each context, the worst first."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from cellula.report.agreement import Agreement, read_table
from cellula.report.cards import GateScore
from cellula.report.words import SELECTED, metric_words

__all__ = ["Strata", "Stratum", "strata_from_scores", "strata_from_values"]

LABELS = ("perturbation", "context")


@dataclass(frozen=True, slots=True)
class Stratum:
    """One label: the score of the selected model, its baseline's (NaN for none), n values."""

    name: str
    value: float
    baseline: float
    n: int


@dataclass(frozen=True, slots=True)
class Strata:
    """All labels of one kind, the worst first; ``what`` says what a value is."""

    label: str
    measure: str
    what: str
    is_higher_better: bool
    baseline_name: str
    rows: tuple[Stratum, ...]

    @property
    def n_behind(self) -> int:
        """How many labels do worse than their baseline."""
        sign = 1 if self.is_higher_better else -1
        return sum(sign * row.value < sign * row.baseline for row in self.rows)

    @property
    def n_compared(self) -> int:
        """How many labels have a baseline beside them."""
        return sum(math.isfinite(row.baseline) for row in self.rows)


def strata_from_values(pair: Agreement) -> tuple[Strata, ...]:
    """Root mean squared error over the held-out values of each label: sqrt(mean (y - f)^2)."""
    found = []
    for label in LABELS:
        if label not in pair.labels:
            continue
        table = pd.DataFrame({"label": pair.labels[label]})
        table["ours"] = (pair.observed - pair.predicted) ** 2
        table["simple"] = (pair.observed - pair.baseline) ** 2 if len(pair.baseline) else math.nan
        table = table[table["ours"].notna()]
        grouped = table.groupby("label", observed=True, sort=True)
        rows = [
            Stratum(str(name), math.sqrt(ours), math.sqrt(simple), int(n))
            for name, ours, simple, n in zip(
                grouped.groups,
                grouped["ours"].mean(),
                grouped["simple"].mean(),
                grouped.size(),
                strict=True,
            )
        ]
        what = "over its held-out values, in their unit"
        found.append(_strata(label, "RMSE", what, False, pair.baseline_name, rows))
    return tuple(found)


def strata_from_scores(
    files: Mapping[str, bytes], claim: str, score: GateScore
) -> tuple[Strata, ...]:
    """The gate's metric, averaged over the rows of each label.

    For a bundle without truth: its rows of model, metric, perturbation and context are all it
    has. Labels without any number are left out.
    """
    path = f"scores/{claim}.parquet"
    if path not in files:
        return ()
    table = read_table(files, path)
    table = table[(table["metric"].astype(str) == score.metric) & table["value"].notna()]
    simple = score.anchored.baseline
    found = []
    for label in LABELS:
        named = table.assign(label=table[label].astype(str), model=table["model"].astype(str))
        named = named[named["label"] != ""]
        means = named.groupby(["model", "label"])["value"].mean()
        sizes = named[named["model"] == SELECTED].groupby("label")["n_groups"].sum()
        rows = [
            Stratum(
                str(name),
                float(means[SELECTED, name]),
                float(means.get((simple, name), math.nan)),
                int(n),
            )
            for name, n in sizes.items()
        ]
        what = "averaged over its rows, as the bundle holds no measured values"
        measure = metric_words(score.metric)
        found.append(_strata(label, measure, what, score.is_higher_better, simple, rows))
    return tuple(found)


def _strata(
    label: str, measure: str, what: str, is_higher: bool, baseline: str, rows: list[Stratum]
) -> Strata:
    sign = 1 if is_higher else -1
    rows.sort(key=lambda row: (sign * row.value, row.name))
    return Strata(label, measure, what, is_higher, baseline, tuple(rows))
