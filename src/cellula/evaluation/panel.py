"""The whole panel in one call: real beside predicted profiles, every number in its context.

Nothing is fitted on what is scored: the baselines answer for each perturbation from the real
response to the others, and the replicate is the other half of the real profiles.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from cellula.core import registry
from cellula.core.comparison import Comparison, GeneSets
from cellula.core.dataset import Dataset
from cellula.core.errors import DataError
from cellula.core.metric import Metric
from cellula.core.prediction import Prediction
from cellula.core.run import RunContext, each
from cellula.evaluation.comparison import as_predictions
from cellula.evaluation.contest import (
    REPLICATE,
    Contest,
    Resamples,
    ScoredMetric,
    score_contest,
)
from cellula.evaluation.paired import PairedTest, adjusted, paired_test
from cellula.evaluation.probes import Probe, probe
from cellula.evaluation.resolvability import responses
from cellula.evaluation.score import score_rows
from cellula.evaluation.scorer import scorers
from cellula.evaluation.spread import draw_summary, spread_table
from cellula.evaluation.strata import StratumMasks, strata_of, stratum_scores
from cellula.evaluation.summary import OVERALL, summary_table
from cellula.evaluation.trivial import BASELINES, Material, draw_contest
from cellula.kernels.blas_threads import one_blas_thread

__all__ = ["BASELINES", "MODEL", "OVERALL", "Panel", "Predicted", "evaluate", "predictions_by"]

#: The name of what is evaluated, where it is one prediction.
MODEL = "model"
#: Units of replication in the order of preference; the perturbation where there is none.
UNITS = ("donor", "replicate", "batch", "perturbation", "context")

#: Answers to every question, or profiles whose distinct questions are the answers.
Predicted: TypeAlias = Sequence[Prediction] | Dataset


@dataclass(frozen=True, slots=True)
class Panel:
    """What a panel found: tables, one row a thing.

    scores: one row a prediction, perturbation, context and metric: the value, why there is none,
    those of the trivial answers and of the replicate beside it, ``response`` (the third, small,
    medium or large, of the real response) and ``resolvability``.
    summary: one row a contestant and metric, with interval, baseline, ceiling and anchored
    score; the metric ``overall`` is the mean of the anchored scores.
    paired: one row a prediction and metric: the difference to the best trivial answer, positive
    is better, with interval, p and p adjusted for the number of metrics.
    strata: one row a prediction, metric and stratum, by response, resolvability and context.
    responses: one row a perturbation and context: what its resolvability rests on.
    spread: one row a prediction, metric and quantity over the repeats and over the predictions
    (seeds of one model): mean, sd, min, max.
    unit: the unit of replication that the intervals resample; n_units: how many there are.
    """

    scores: pd.DataFrame
    summary: pd.DataFrame
    paired: pd.DataFrame
    strata: pd.DataFrame
    responses: pd.DataFrame
    spread: pd.DataFrame
    unit: str
    n_units: int
    n_groups: int
    has_replicate: bool


def evaluate(
    real: Dataset,
    predicted: Predicted | Mapping[str, Predicted],
    run: RunContext,
    *,
    unit: str | None = None,
    metrics: Sequence[str] = (),
    repeats: int = 1,
    gene_sets: GeneSets | None = None,
) -> Panel:
    """Score predictions of the treated profiles of ``real`` by every metric.

    real: treated profiles and their controls. predicted: answers to every question of ``real``,
    or profiles (cells or means) whose distinct questions are the answers; controls among them
    are not used; or several by name, such as the seeds of one model. unit: role of the unit of
    replication, by default the donor, else the replicate, the batch, the perturbation. metrics:
    names of registered metrics, all by default. repeats: how often the folds of the trivial
    answers and the halves are drawn; the tables are those of the first draw, ``spread`` tells
    how much the others differ. gene_sets: over the readouts of ``real``, for metrics of sets.

    Raises DataError, naming it, when a question of ``real`` has no answer, the readouts or value
    types differ, or there is nothing to score.
    """
    if repeats < 1:
        raise DataError(f"{repeats} repeats; draw the folds and halves once at least")
    observed = real.treated
    if not observed.n_profiles:
        raise DataError("all real profiles are controls: there is no response to score")
    chosen = unit or next(name for name in UNITS if real.has_role(name))
    real.role(chosen)
    answers = _answers(predicted)
    material = Material(real, observed, answers, chosen, gene_sets)
    names = tuple(metrics or registry.names("metric"))
    with one_blas_thread():
        contest = draw_contest(material, run)
        rows = responses(
            {name: contest.full[name] for name in contest.baselines}, run.child("responses").rng
        )
        found = _scored(_Asked(contest, tuple(answers), rows, chosen, run), names)
        draws = [found.summary] + [
            draw_summary(draw_contest(material, run, number, is_probed=False), names, chosen, run)
            for number in range(1, repeats)
        ]
        first = next(iter(answers))
    return Panel(
        scores=found.scores,
        summary=found.summary,
        paired=found.paired,
        strata=found.strata,
        responses=rows,
        spread=spread_table(draws, tuple(answers)),
        unit=chosen,
        n_units=len(contest.full[first].units),
        n_groups=len(contest.full[first].groups),
        has_replicate=contest.replicate is not None,
    )


def predictions_by(predicted: Dataset, column: str) -> dict[str, Dataset]:
    """The profiles of every label of a column, such as the seed of a model, by label.

    Raises DataError when there is no such column.
    """
    labels = predicted.labels(column)
    return {
        str(name): predicted.take(np.asarray(labels.codes) == code)
        for code, name in enumerate(labels.categories)
    }


def _answers(predicted: Predicted | Mapping[str, Predicted]) -> dict[str, list[Prediction]]:
    """The answers of every prediction by its name."""
    given = predicted if isinstance(predicted, Mapping) else {MODEL: predicted}
    taken = sorted({*BASELINES, REPLICATE, OVERALL} & set(given))
    if taken or not given:
        raise DataError(
            f"a prediction is called {taken[0]!r}, which is the name of another row; rename it"
            if taken
            else "there is no prediction to score; give one at least"
        )
    return {
        name: list(as_predictions(one.treated) if isinstance(one, Dataset) else one)
        for name, one in given.items()
    }


# -- metric by metric -------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class _Asked:
    """What every metric is asked of: a contest, the names of the predictions, the responses."""

    contest: Contest
    models: tuple[str, ...]
    responses: pd.DataFrame
    unit: str
    run: RunContext


@dataclass(frozen=True, slots=True)
class _Tables:
    """The tables of all metrics."""

    scores: pd.DataFrame
    summary: pd.DataFrame
    paired: pd.DataFrame
    strata: pd.DataFrame


@dataclass(frozen=True, slots=True)
class _OfMetric:
    """What one metric says."""

    scored: list[ScoredMetric]
    probed: list[Probe]
    scores: pd.DataFrame
    tests: dict[str, PairedTest]
    strata: list[dict[str, Any]]


def _scored(asked: _Asked, names: Sequence[str]) -> _Tables:
    contest, unit = asked.contest, asked.unit
    weights = Resamples(asked.run.child("bootstrap"))
    weights.draw(contest)
    masks = StratumMasks(strata_of(asked.responses), contest)
    trivial = {name: contest.full[name] for name in contest.baselines}
    metrics: dict[str, Metric] = {name: registry.load("metric", name)() for name in names}
    known = scorers(metrics, contest.comparisons, asked.run)

    def by_metric(name: str) -> _OfMetric:
        scorer = known[name]
        found = score_contest(scorer, contest, weights, unit)
        tests = {
            model: paired_test(
                scorer.metric,
                contest.full[model],
                trivial,
                weights.of(contest.full[model]),
                weights.key(),
                aggregates=scorer.sums,
            )
            for model in asked.models
        }
        strata = stratum_scores(scorer, contest, asked.models, masks, weights, unit)
        probed = probe(scorer, contest, weights, unit)
        rows = _rows(scorer.metric, contest, asked.models)
        return _OfMetric(found, probed, rows, tests, strata)

    parts = list(each(by_metric, tuple(names), asked.run, "metrics"))
    scores = pd.concat([part.scores for part in parts], ignore_index=True)
    kinds = asked.responses[["perturbation", "context", "response", "resolvability"]]
    tests = [
        {"model": model, **asdict(test)}
        for model in asked.models
        for test in adjusted([part.tests[model] for part in parts])
    ]
    return _Tables(
        scores.merge(kinds, on=["perturbation", "context"], how="left", validate="many_to_one"),
        summary_table(
            [one for part in parts for one in part.scored],
            [one for part in parts for one in part.probed],
        ),
        pd.DataFrame(tests),
        pd.DataFrame([row for part in parts for row in part.strata]),
    )


def _rows(metric: Metric, contest: Contest, models: Sequence[str]) -> pd.DataFrame:
    """One row a prediction, perturbation and context, the other contestants beside it."""
    beside = {name: contest.full[name] for name in contest.baselines}
    if contest.replicate is not None:
        beside[REPLICATE] = contest.replicate
    known = {name: _values(metric, comparison) for name, comparison in beside.items()}
    return pd.DataFrame(
        [
            {
                "perturbation": row.perturbation,
                "context": row.context,
                "metric": row.metric,
                "value": row.value,
                "reason": row.reason,
                "n_groups": row.n_groups,
                "model": model,
                **{
                    name: found.get((row.perturbation, row.context), np.nan)
                    for name, found in known.items()
                },
            }
            for model in models
            for row in score_rows(metric, contest.full[model])
        ]
    )


def _values(metric: Metric, comparison: Comparison) -> dict[tuple[str, str], float]:
    return {(row.perturbation, row.context): row.value for row in score_rows(metric, comparison)}
