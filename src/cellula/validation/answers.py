"""Fitting and asking: every model answers every sealed question of a claim, labels unseen.

Inside each training fold a calibration part is split off as the claim splits its hold-out.
On it the models are compared (selection), their intervals are calibrated, and their options
are tuned; then each is fitted on all of the training fold and asked.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from cellula.core import registry
from cellula.core.comparison import Comparison
from cellula.core.dataset import Dataset
from cellula.core.errors import DataError
from cellula.core.metric import Metric
from cellula.core.model import Fitted
from cellula.core.prediction import Prediction
from cellula.core.query import QueryTable
from cellula.core.run import RunContext
from cellula.core.transform import FittedTransform
from cellula.data.splits import Fold
from cellula.evaluation.question import distinct
from cellula.evaluation.score import score
from cellula.evaluation.uncertainty.abstention import Abstaining
from cellula.evaluation.uncertainty.inside_training import InsideTraining
from cellula.validation.competitors import BASELINES, Competitor
from cellula.validation.cost import n_parameters
from cellula.validation.intervals import (
    Inside,
    IntervalPlan,
    calibration_folds,
    fit_within,
    inside_training,
)
from cellula.validation.study import Claim

__all__ = ["Answer", "ClaimTask", "FoldAnswers", "answer_fold", "load_metric"]


@dataclass(frozen=True, slots=True)
class ClaimTask:
    """A claim on its data: what is held out, who competes, by which metric they are selected.

    unit: the unit of replication. metric: that of the first gate. corrections: fold -> the
    transform of batches that was fitted on what the fold shows; empty where none is corrected.
    intervals: what makes the intervals, calibrated inside training.
    """

    data: Dataset
    claim: Claim
    unit: str
    metric: Metric
    folds: tuple[Fold, ...]
    models: tuple[Competitor, ...]
    corrections: Mapping[str, FittedTransform] = field(default_factory=dict)
    intervals: IntervalPlan = field(default_factory=IntervalPlan)

    @property
    def inside(self) -> Inside:
        """How training is split inside."""
        return Inside(self.claim.kind, self.unit, self.claim.over)

    @property
    def n_units(self) -> int:
        """How many units of replication are held out; controls are none of them."""
        if not self.data.has_role(self.unit):
            return 0
        rows = np.unique(np.concatenate([fold.test for fold in self.folds]))
        return len(np.unique(self.data.labels(self.unit).codes[rows[~self.data.is_control[rows]]]))

    def profiles(self, fold: Fold, rows: NDArray[np.int64]) -> Dataset:
        """Some profiles as the models of a fold get them: batches corrected where they are."""
        return self.corrected(fold, self.data.take(rows))

    def corrected(self, fold: Fold, data: Dataset) -> Dataset:
        """Profiles of the task's data, brought into the space of a fold."""
        fitted = self.corrections.get(fold.name)
        return data if fitted is None else fitted.apply(data)


@dataclass(frozen=True, slots=True)
class _Training:
    """A training fold: its profiles, the controls that questions come with, its inner folds."""

    data: Dataset
    controls: Dataset | None
    inner: tuple[Fold, ...]


@dataclass(frozen=True, slots=True)
class _Fit:
    """A model fitted on all of a training fold with one seed, and how long that took."""

    of: Competitor
    seed: int
    fitted: Fitted
    seconds: float


@dataclass(frozen=True, slots=True)
class Answer:
    """What one model, fitted with one seed on one training fold, answers.

    calibration_score: its score inside training by the claim's first gate, for selection.
    seconds: of the fit; n_parameters: of the fit. doubts: (queries,) of every batch of the
    predictions where the study declines questions, else (). reason: why there is no interval.
    """

    model: str
    seed: int
    predictions: tuple[Prediction, ...]
    fitted: Fitted
    calibration_score: float
    seconds: float
    n_parameters: int
    doubts: tuple[NDArray[np.float64], ...] = ()
    reason: str = ""


@dataclass(frozen=True, slots=True)
class FoldAnswers:
    """The answers of all models in one fold, and which of them was selected inside training."""

    fold: str
    answers: tuple[Answer, ...]
    selected: str

    def of(self, model: str, seed: int) -> Answer:
        """The answer of one model and seed."""
        return next(one for one in self.answers if (one.model, one.seed) == (model, seed))


def answer_fold(
    task: ClaimTask, fold: Fold, run: RunContext, done: Callable[[Answer], None]
) -> FoldAnswers:
    """Fit and ask every model in one fold; ``done`` is told of each as it is ready.

    Only the questions of the held-out profiles are read here, never their values.
    """
    train = task.profiles(fold, fold.train)
    part = _Training(
        train,
        task.profiles(fold, fold.control) if len(fold.control) else None,
        calibration_folds(train, task.inside),
    )
    questions = distinct(task.data.take(fold.test))
    baseline: Comparison | None = None
    answers: list[Answer] = []
    for one in task.models:
        inside: InsideTraining | None = None
        for seed in one.seeds:
            stream = run.child(task.claim.id, fold.name, one.id, seed)
            began = time.perf_counter()
            fitted = fit_within(one.model, part.data, part.inner, stream)
            fit = _Fit(one, seed, fitted, time.perf_counter() - began)
            if seed == one.seeds[0]:
                inside = _inside(task, part, fit, baseline, stream)
                if one.kind == BASELINES[0] and baseline is None and inside is not None:
                    baseline = inside.held_out
            answer = _answer(task, part, questions, inside, fit, stream)
            answers.append(answer)
            done(answer)
    return FoldAnswers(fold.name, tuple(answers), _select(task, answers))


def _inside(
    task: ClaimTask,
    part: _Training,
    fit: _Fit,
    baseline: Comparison | None,
    run: RunContext,
) -> InsideTraining | None:
    """What fits that had not seen them say of groups of training, beside the mean response.

    Of the first seed: all seeds of a model are calibrated and compared by the same, for a seed is
    a draw of the same procedure.
    """
    model = fit.of.model
    found = inside_training(model, part.data, part.inner, task.inside, run, fit.fitted)
    if found is None:
        return None
    trivial = found.held_out if fit.of.kind == BASELINES[0] else baseline
    if trivial is None:
        return found
    held = replace(found.held_out, baseline=trivial.predicted, baseline_name=BASELINES[0])
    return replace(found, held_out=held)


def _answer(
    task: ClaimTask,
    part: _Training,
    questions: QueryTable,
    inside: InsideTraining | None,
    fit: _Fit,
    run: RunContext,
) -> Answer:
    """A fitted model calibrated and asked."""
    fitted = asked = fit.fitted
    value, reason = float("nan"), "training cannot be split inside as the claim splits"
    if inside is not None:
        value = score(task.metric, inside.held_out).value
        wrapped = task.intervals.wrap(replace(inside, fitted=fitted))
        reason, asked = wrapped.reason, wrapped.asked
    predictions = tuple(asked.predict(questions, part.controls, run.child("ask")))
    doubts = tuple(map(asked.doubt, predictions)) if isinstance(asked, Abstaining) else ()
    return Answer(
        fit.of.id,
        fit.seed,
        predictions,
        fitted,
        value,
        fit.seconds,
        n_parameters(fitted),
        doubts,
        reason,
    )


def _select(task: ClaimTask, answers: list[Answer]) -> str:
    """The model with the best score inside training; the last one where none has a score."""
    first = {one.id: one.seeds[0] for one in task.models}
    scores: Mapping[str, float] = {
        answer.model: answer.calibration_score
        for answer in answers
        if answer.seed == first[answer.model] and np.isfinite(answer.calibration_score)
    }
    if not scores:
        return task.models[-1].id
    definition = task.metric.definition
    if definition.direction == "higher":
        return max(scores, key=lambda name: scores[name])
    if definition.direction == "lower":
        return min(scores, key=lambda name: scores[name])
    return min(scores, key=lambda name: abs(scores[name] - definition.ideal))


def load_metric(id: str) -> Metric:
    """The metric ``name@version``; DataError when the registered version is another."""
    name, _, version = id.partition("@")
    metric: Metric = registry.load("metric", name)()
    if str(metric.definition.version) != version:
        raise DataError(
            f"the study asks for {id}, but {metric.definition.id} is registered; write the "
            "version whose definition you mean"
        )
    return metric
