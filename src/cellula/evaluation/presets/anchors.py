"""What stands beside a preset's numbers: two trivial answers, a replicate, an anchored score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from anndata import AnnData
from numpy.typing import NDArray

from cellula.core.errors import DataError
from cellula.core.run import RunContext
from cellula.evaluation.bootstrap import interval, unit_weights
from cellula.evaluation.presets.definition import Column, Outcome
from cellula.evaluation.presets.evaluate import evaluate_preset, preset_of
from cellula.evaluation.presets.panel import panel

__all__ = ["Anchors", "anchors", "beside", "score", "trivial_answers"]

Floats = NDArray[np.float64]

RESAMPLES = 1000


@dataclass(frozen=True, slots=True)
class Anchors:
    """The outcomes of the trivial answers by name, and of one half of the experiment against the
    other, each half with controls of its own.
    """

    trivial: Mapping[str, Outcome]
    replicate: Outcome


def trivial_answers(
    real: AnnData, *, perturbation: str, control: str, run: RunContext
) -> Mapping[str, AnnData]:
    """Two submissions that know nothing of a perturbation.

    ``control``: as many of the experiment's controls as the perturbation has cells; ``mean``: as
    many of all perturbed cells, so that their mean is the mean response. Without replacement
    where there are enough. Raises DataError where there is no control or no perturbed cell.
    """
    labels = np.asarray(real.obs[perturbation].astype(str))
    pools = {"control": labels == control, "mean": labels != control}
    names, sizes = np.unique(labels[labels != control], return_counts=True)
    answers = {}
    for name, pool in pools.items():
        cells = np.flatnonzero(pool)
        if not len(cells):
            raise DataError(f"no cell to draw the answer {name!r} from: {perturbation}, {control}")
        rng = run.child("trivial", name).rng
        rows = [rng.choice(cells, size, replace=size > len(cells)) for size in sizes]
        obs = pd.DataFrame({perturbation: np.repeat(names, sizes)})
        obs.index = obs.index.astype(str)
        answers[name] = AnnData(real.X[np.concatenate(rows)], obs=obs, var=real.var[[]])
    return answers


def anchors(
    preset: str, real: AnnData, *, perturbation: str, control: str, run: RunContext
) -> Anchors:
    """What a preset says of the trivial answers and of a replicate; once for each experiment.

    The halves are drawn within every perturbation and within the controls; every number of the
    replicate is therefore of half as many cells. Raises DataError where a perturbation, or the
    controls, have fewer than two cells.
    """
    labels = {"perturbation": perturbation, "control": control}
    answers = trivial_answers(real, perturbation=perturbation, control=control, run=run)
    trivial = {
        name: evaluate_preset(preset, real, answer, run=run, **labels)
        for name, answer in answers.items()
    }
    first, second = _halves(real, perturbation, run.child("halves").rng)
    pair = panel(first, second, **labels)
    columns, _ = preset_of(preset).columns(pair, run, own_controls=True)
    return Anchors(trivial, Outcome(preset, pair.perturbations, columns))


def _halves(real: AnnData, perturbation: str, rng: np.random.Generator) -> tuple[AnnData, AnnData]:
    """Two halves of as many cells of every label; an odd cell stays out."""
    labels = np.asarray(real.obs[perturbation].astype(str))
    rows: tuple[list[Any], list[Any]] = ([], [])
    for name in np.unique(labels):
        cells = rng.permutation(np.flatnonzero(labels == name))
        half = len(cells) // 2
        if not half:
            raise DataError(f"{name!r} has one cell: no replicate can be made of it; leave it out")
        rows[0].append(cells[:half])
        rows[1].append(cells[half : 2 * half])
    first, second = (real[np.sort(np.concatenate(part))] for part in rows)
    return first, second


def beside(outcome: Outcome, found: Anchors, run: RunContext, level: float = 0.95) -> pd.DataFrame:
    """Every number between its anchors, one row a metric.

    Columns: metric, value, then one a trivial answer, replicate, baseline (the better trivial
    answer), anchored = (value - baseline) / (replicate - baseline), its lower and upper bound over
    resampled perturbations, and the reason where it has none: the replicate is not better than the
    baseline beyond noise. All on the perturbations that have a value on every side. A last row,
    ``overall``, is the mean of the anchored scores. A replicate of the whole depth may exceed 1
    where a metric is not corrected for noise: the ceiling is of half the cells.
    """
    n = len(outcome.perturbations)
    resampled = unit_weights(n, RESAMPLES, run.child("perturbations").rng)
    rows, shares = [], []
    for column in outcome.columns:
        name = column.definition.name
        sides = {key: trivial.column(name) for key, trivial in found.trivial.items()}
        sides |= {"replicate": found.replicate.column(name), "value": column}
        shared = dict(zip(sides, _shared(list(sides.values())), strict=True))
        row, drawn = _anchored(shared, resampled, level)
        rows.append({"metric": column.definition.id, **row})
        shares.append(drawn)
    return pd.DataFrame([*rows, _overall(rows, np.array(shares), level)])


def _overall(rows: Sequence[dict[str, Any]], shares: Floats, level: float) -> dict[str, Any]:
    """The mean of the anchored scores of the metrics that have one."""
    has = [bool(np.isfinite(row["anchored"])) for row in rows]
    if not any(has):
        return {"metric": "overall", "reason": "no metric has an anchored score"}
    lower, upper = interval(shares[has].mean(axis=0), level)
    mean = float(np.mean([row["anchored"] for row, kept in zip(rows, has, strict=True) if kept]))
    return {"metric": "overall", "anchored": mean, "lower": lower, "upper": upper, "reason": ""}


def _shared(columns: Sequence[Column]) -> list[Column]:
    """The same columns, with no value where one of them has none."""
    has = np.all([np.isfinite(column.numerator) for column in columns], axis=0)
    return [
        replace(column, numerator=np.where(has, column.numerator, np.nan)) for column in columns
    ]


def _anchored(
    sides: Mapping[str, Column], weights: Floats, level: float
) -> tuple[dict[str, Any], Floats]:
    """The row of one metric, and its anchored score in every resample."""
    sign = -1.0 if sides["value"].definition.direction == "lower" else 1.0
    values = {key: column.value for key, column in sides.items()}
    many = {key: column.aggregate(weights) * sign for key, column in sides.items()}
    names = [key for key in sides if key not in ("value", "replicate")]
    nothing = np.full(len(weights), np.nan)
    row: dict[str, Any] = {"value": values["value"], **{n: values[n] for n in names}}
    row |= {"replicate": values["replicate"], "baseline": "", "reason": ""}
    row |= dict.fromkeys(("anchored", "lower", "upper"), float("nan"))
    if not all(map(np.isfinite, values.values())):
        return row | {"reason": "no perturbation has a value on every side"}, nothing
    best = max(names, key=lambda name: sign * values[name])
    gain = many["replicate"] - many[best]
    low, high = interval(gain, level)
    if not low > 0.0:
        why = f"a replicate is not better than {best} beyond noise: gain [{low:.3g}, {high:.3g}]"
        return row | {"baseline": best, "reason": why}, nothing
    drawn = np.divide(many["value"] - many[best], gain, out=nothing, where=gain != 0)
    lower, upper = interval(drawn, level)
    share = (values["value"] - values[best]) / (values["replicate"] - values[best])
    told = {"baseline": best, "anchored": share, "lower": lower, "upper": upper}
    return row | told, drawn


def score(outcome: Outcome, baseline: Outcome) -> dict[str, float]:
    """The 2025 challenge's score by metric, and ``overall`` their mean.

    (u - b) / (1 - b) where higher is better and 1 - u / b where lower is, at least 0; 0 where
    there is none. b: the aggregates of ``baseline``.
    """
    scores = {}
    for column in outcome.columns:
        u, b = column.value, baseline.column(column.definition.name).value
        above, below = (b - u, b) if column.definition.direction == "lower" else (u - b, 1.0 - b)
        part = above / below if below else 0.0
        scores[column.definition.name] = max(0.0, part) if np.isfinite(part) else 0.0
    return scores | {"overall": float(np.mean(list(scores.values())))}
