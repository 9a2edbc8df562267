"""The whole panel in one call: real beside predicted profiles, every number in its context.

Nothing is fitted on what is scored: the baselines answer for each perturbation from the real
response to the others, and the replicate is the other half of the real profiles.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from cellula.core import registry
from cellula.core.claim import ClaimKind
from cellula.core.comparison import Comparison
from cellula.core.dataset import Dataset
from cellula.core.errors import DataError
from cellula.core.metric import Metric
from cellula.core.prediction import Prediction
from cellula.core.run import RunContext, each
from cellula.data.splits import Folds, split
from cellula.evaluation.answers import joined
from cellula.evaluation.comparison import as_predictions, real_side
from cellula.evaluation.contest import (
    REPLICATE,
    Contest,
    Resamples,
    ScoredMetric,
    score_contest,
)
from cellula.evaluation.question import distinct
from cellula.evaluation.replicate import split_halves
from cellula.evaluation.score import score_rows
from cellula.evaluation.scorer import Scorer
from cellula.evaluation.shards import Shards
from cellula.evaluation.spill import spilled
from cellula.kernels.blas_threads import one_blas_thread

__all__ = ["BASELINES", "MODEL", "Panel", "evaluate"]

#: What every score is anchored to.
BASELINES = ("mean_response", "control")
#: The name of what is evaluated.
MODEL = "model"
#: The perturbations are dealt into so many parts; a baseline answers for one from the others.
PARTS = 5
#: The thirds of the perturbations by the size of their real response.
THIRDS = ("small", "medium", "large")
#: Units of replication in the order of preference; the perturbation where there is none.
UNITS = ("donor", "replicate", "batch", "perturbation", "context")


@dataclass(frozen=True, slots=True)
class Panel:
    """What a panel found.

    scores: one row a perturbation, context and metric: the value, why there is none, those of the
    trivial answers and of the replicate beside it, and ``response``: the third (small, medium,
    large) to which the real response belongs by its root mean square. summary: one row a
    contestant and metric, with interval, baseline, ceiling and anchored score. unit: the unit
    of replication that the intervals resample; n_units: how many there are.
    """

    scores: pd.DataFrame
    summary: pd.DataFrame
    unit: str
    n_units: int
    n_groups: int
    has_replicate: bool


def evaluate(
    real: Dataset,
    predicted: Sequence[Prediction] | Dataset,
    run: RunContext,
    *,
    unit: str | None = None,
    metrics: Sequence[str] = (),
) -> Panel:
    """Score predictions of the treated profiles of ``real`` by every metric.

    real: treated profiles and their controls. predicted: answers to every question of ``real``,
    or profiles (cells or means) whose distinct questions are the answers; controls among them
    are not used. unit: role of the unit of replication, by default the donor, else the
    replicate, the batch, the perturbation. metrics: names of registered metrics, all by default.

    Raises DataError, naming it, when a question of ``real`` has no answer, the readouts or value
    types differ, or there is nothing to score.
    """
    observed = real.treated
    if not observed.n_profiles:
        raise DataError("all real profiles are controls: there is no response to score")
    chosen = unit or next(name for name in UNITS if real.has_role(name))
    real.role(chosen)
    answers = as_predictions(predicted.treated) if isinstance(predicted, Dataset) else predicted
    with one_blas_thread():
        contestants = {**_baselines(real, run), MODEL: list(answers)}
        contest = _contest(real, observed, contestants, chosen, run)
        return _scored(contest, chosen, metrics or registry.names("metric"), run)


def _baselines(real: Dataset, run: RunContext) -> dict[str, list[Prediction]]:
    """The answers of the trivial models, for each part of the perturbations from the others."""
    n = len(np.unique(real.treated.labels("perturbation").codes))
    found: dict[str, list[Prediction]] = {}
    for name in BASELINES:
        model = registry.create("model", name)
        if model.capabilities.needs_control and real.controls is None:
            continue
        if n < 2:
            continue
        parts = split(real, ClaimKind.UNSEEN_PERTURBATION, Folds(folds=min(PARTS, n), seed=0))
        answers = (
            answer
            for fold in parts
            for answer in model.fit(
                real.take(fold.train), None, run.child(name, fold.name)
            ).predict(
                distinct(real.take(fold.test)),
                real.take(fold.control) if len(fold.control) else None,
                run.child(name, fold.name, "ask"),
            )
        )
        kept = answers if real.stored is None else spilled(answers, run.scratch / name)
        found[name] = joined(kept)
    if not found:
        raise DataError(
            f"{n} perturbation(s) and {'no' if real.controls is None else 'some'} controls: no "
            "trivial answer can stand beside the prediction; give real profiles of two "
            "perturbations at least, with controls"
        )
    return found


def _contest(
    real: Dataset,
    observed: Dataset,
    contestants: dict[str, list[Prediction]],
    unit: str,
    run: RunContext,
) -> Contest:
    controls = real.controls
    halves = split_halves(observed, unit, run.child("halves").rng)

    whole = real_side(observed, controls=controls, unit=unit)
    full = {name: whole.beside(answers) for name, answers in contestants.items()}
    half = None if halves is None else real_side(halves[0], controls=controls, unit=unit)
    halved = (
        {}
        if half is None
        else {name: half.beside(answers) for name, answers in contestants.items()}
    )
    replicate = None
    if halves is not None and half is not None:
        replicate = half.beside(as_predictions(halves[1]))
    return Contest(
        full=_beside_baseline(full),
        halved=_beside_baseline(halved),
        replicate=None
        if replicate is None
        else _beside_baseline({**halved, REPLICATE: replicate})[REPLICATE],
        baselines={name: name for name in BASELINES if name in full},
    )


def _beside_baseline(parts: dict[str, Comparison]) -> dict[str, Comparison]:
    """Every comparison beside the mean response, where there is one."""
    if BASELINES[0] not in parts:
        return parts
    mean = parts[BASELINES[0]].predicted
    return {
        name: replace(part, baseline=mean, baseline_name=BASELINES[0])
        for name, part in parts.items()
    }


def _scored(contest: Contest, unit: str, metrics: Sequence[str], run: RunContext) -> Panel:
    weights = Resamples(run.child("bootstrap"))
    weights.draw(contest)
    shards = Shards(replace(run, threads=max(1, run.threads // len(metrics))))

    def by_metric(name: str) -> tuple[list[ScoredMetric], pd.DataFrame]:
        scorer = Scorer.of(registry.load("metric", name)(), shards)
        return score_contest(scorer, contest, weights, unit), _rows(scorer.metric, contest)

    parts = list(each(by_metric, tuple(metrics), run, "metrics"))
    model = contest.full[MODEL]
    return Panel(
        scores=pd.concat([table for _, table in parts], ignore_index=True).merge(
            _responses(model), on=["perturbation", "context"], how="left", validate="many_to_one"
        ),
        summary=pd.DataFrame([_row(one) for found, _ in parts for one in found]),
        unit=unit,
        n_units=len(model.units),
        n_groups=len(model.groups),
        has_replicate=contest.replicate is not None,
    )


def _rows(metric: Metric, contest: Contest) -> pd.DataFrame:
    """One row a perturbation and context, the contestants beside one another."""
    table = pd.DataFrame(
        [
            {
                "perturbation": row.perturbation,
                "context": row.context,
                "metric": row.metric,
                "value": row.value,
                "reason": row.reason,
                "n_groups": row.n_groups,
            }
            for row in score_rows(metric, contest.full[MODEL])
        ]
    )
    others = {name: one for name, one in contest.full.items() if name != MODEL}
    if contest.replicate is not None:
        others[REPLICATE] = contest.replicate
    for name, comparison in others.items():
        found = {
            (row.perturbation, row.context): row.value for row in score_rows(metric, comparison)
        }
        keys = zip(table["perturbation"], table["context"], strict=True)
        table[name] = [found.get(key, np.nan) for key in keys]
    return table


def _responses(model: Comparison) -> pd.DataFrame:
    """perturbation, context and the third to which its real response belongs by size."""
    frame = model.groups[["perturbation", "context"]].astype(str)
    reference = 0.0 if model.reference is None else model.reference
    frame = frame.assign(size=np.sqrt(np.mean((model.observed - reference) ** 2, axis=1)))
    sizes = frame.groupby(["perturbation", "context"], sort=True)["size"].mean()
    place = sizes.rank(method="first").to_numpy() - 1
    thirds = np.minimum((3 * place / len(sizes)).astype(int), 2)
    return sizes.reset_index().assign(response=np.asarray(THIRDS)[thirds]).drop(columns="size")


def _row(one: ScoredMetric) -> dict[str, object]:
    score, anchored = one.score, one.anchored
    return {
        "model": one.model,
        "metric": score.metric,
        "value": score.value,
        "lower": score.lower,
        "upper": score.upper,
        "n_groups": score.n_groups,
        "n_units": score.n_units,
        "reason": score.reason,
        "baseline": "" if anchored is None else anchored.baseline,
        "b": np.nan if anchored is None else anchored.b,
        "r": np.nan if anchored is None else anchored.r,
        "ceiling": "" if anchored is None else anchored.ceiling,
        "anchored": np.nan if anchored is None else anchored.value,
        "anchored_lower": np.nan if anchored is None else anchored.lower,
        "anchored_upper": np.nan if anchored is None else anchored.upper,
        "anchored_reason": "" if anchored is None else anchored.reason,
    }
