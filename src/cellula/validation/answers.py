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
from cellula.data.splits import Fold, Folds, Fraction, held_out_labels, split
from cellula.evaluation.comparison import compare, concatenate
from cellula.evaluation.question import distinct
from cellula.evaluation.score import score
from cellula.evaluation.uncertainty.split_conformal import SplitConformal, SplitConformalOptions
from cellula.validation.competitors import BASELINES, Competitor
from cellula.validation.cost import n_parameters
from cellula.validation.study import Claim

__all__ = ["Answer", "ClaimTask", "FoldAnswers", "answer_fold", "load_metric"]

#: A single calibration part must hold this many units; with fewer, all are dealt in turn.
MANY_UNITS = 100
#: Share of the labels that calibrate, by how many there are, or the number of parts.
CALIBRATION_SHARE = 0.1
CALIBRATION_SHARE_FEW = 0.2
FEW_LABELS = 100
CALIBRATION_PARTS = 5
CALIBRATION_SEED = 1
TARGET_COVERAGE = 0.9


@dataclass(frozen=True, slots=True)
class ClaimTask:
    """A claim on its data: what is held out, who competes, by which metric they are selected.

    unit: the unit of replication. metric: that of the first gate. corrections: fold -> the
    transform of batches that was fitted on what the fold shows; empty where none is corrected.
    """

    data: Dataset
    claim: Claim
    unit: str
    metric: Metric
    folds: tuple[Fold, ...]
    models: tuple[Competitor, ...]
    corrections: Mapping[str, FittedTransform] = field(default_factory=dict)

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
class Answer:
    """What one model, fitted with one seed on one training fold, answers.

    calibration_score: its score inside training by the claim's first gate, for selection.
    seconds: of the fit and its answers; n_parameters: of the fit.
    """

    model: str
    seed: int
    predictions: tuple[Prediction, ...]
    fitted: Fitted
    calibration_score: float
    seconds: float
    n_parameters: int


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
        _calibration_folds(train, task),
    )
    questions = distinct(task.data.take(fold.test))
    baseline: Comparison | None = None
    answers: list[Answer] = []
    for one in task.models:
        held = _out_of_fold(
            task, part, one, run.child(task.claim.id, fold.name, one.id, one.seeds[0])
        )
        if one.kind == BASELINES[0] and baseline is None:
            baseline = held
        if held is not None and baseline is not None:
            held = replace(held, baseline=baseline.predicted, baseline_name=BASELINES[0])
        for seed in one.seeds:
            stream = run.child(task.claim.id, fold.name, one.id, seed)
            answer = _answer(task, part, questions, one, seed, held, stream)
            answers.append(answer)
            done(answer)
    return FoldAnswers(fold.name, tuple(answers), _select(task, answers))


def _answer(
    task: ClaimTask,
    part: _Training,
    questions: QueryTable,
    one: Competitor,
    seed: int,
    held: Comparison | None,
    run: RunContext,
) -> Answer:
    """One model with one seed: fitted on all of training, calibrated, asked.

    held: what fits that had not seen them say of profiles of training. All seeds of a model are
    calibrated and compared by the same: a seed is a draw of the same procedure.
    """
    began = time.perf_counter()
    fitted = _fit(one, part.data, part.inner, run)
    asked, value = fitted, float("nan")
    if held is not None:
        value = score(task.metric, held).value
        conformal = SplitConformal(SplitConformalOptions(level=TARGET_COVERAGE))
        asked = conformal.calibrate_on(fitted, held, task.unit)
    predictions = tuple(asked.predict(questions, part.controls, run.child("ask")))
    seconds = time.perf_counter() - began
    size = n_parameters(fitted)
    return Answer(one.id, seed, predictions, fitted, value, seconds, size)


def _calibration_folds(train: Dataset, task: ClaimTask) -> tuple[Fold, ...]:
    """How the training fold is split inside, as the claim splits; () where it cannot be."""
    claim = task.claim
    labels = held_out_labels(train, claim.kind, claim.over)
    n_labels = len(np.unique(labels.codes[~train.is_control]))
    share = CALIBRATION_SHARE_FEW if n_labels < FEW_LABELS else CALIBRATION_SHARE
    try:
        single = split(
            train, claim.kind, Fraction(fraction=share, seed=CALIBRATION_SEED), claim.over
        )
        units = train.labels(task.unit).codes[single[0].test]
        if len(np.unique(units)) >= MANY_UNITS:
            return single
        rule = Folds(folds=min(CALIBRATION_PARTS, n_labels), seed=CALIBRATION_SEED)
        return split(train, claim.kind, rule, claim.over)
    except DataError:
        return ()


def _out_of_fold(
    task: ClaimTask, part: _Training, one: Competitor, run: RunContext
) -> Comparison | None:
    """Predictions for training profiles by fits that have not seen them, beside their values."""
    parts: list[Comparison] = []
    for fold in part.inner:
        observed, known = part.data.take(fold.test), part.data.take(fold.train)
        stream = run.child("inner", fold.name)
        fitted = _fit(one, known, _calibration_folds(known, task), stream)
        controls = part.data.take(fold.control) if len(fold.control) else None
        answers = fitted.predict(distinct(observed), controls, stream.child("ask"))
        parts.append(compare(observed, answers, controls=controls, unit=task.unit))
    return concatenate(parts) if parts else None


def _fit(one: Competitor, train: Dataset, inner: tuple[Fold, ...], run: RunContext) -> Fitted:
    """Fit on everything, tuned on the first inner part where there is one."""
    stream = run.child("fit")
    if not inner:
        return one.model.fit(train, None, stream)
    valid = inner[0].test
    others = np.setdiff1d(np.arange(train.n_profiles), valid)
    return one.model.fit(train.take(others), train.take(valid), stream)


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
