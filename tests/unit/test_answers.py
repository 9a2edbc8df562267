"""Fitting and asking: labels unseen, everything tuned and calibrated inside training."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from anndata import AnnData
from study_example import answered, cells, prepared, study, table

from cellula.core.dataset import Dataset
from cellula.core.errors import DataError
from cellula.core.run import RunContext
from cellula.evaluation.question import distinct
from cellula.validation.answers import Answer, ClaimTask, answer_fold, load_metric


def pairs(data: Dataset | None = None) -> ClaimTask:
    return prepared(study(), data or table()).tasks[0]


def with_values_changed(task: ClaimTask) -> ClaimTask:
    """The same task whose held-out values are all nonsense."""
    profiles = task.data.data
    assert isinstance(profiles, AnnData)
    spoiled = profiles.copy()
    spoiled.X[task.folds[0].test] = 1e6
    return replace(task, data=replace(task.data, data=spoiled))


@pytest.mark.requirement("L1", "R6")
def test_no_answer_depends_on_a_held_out_value(run: RunContext) -> None:
    (honest,) = answered(pairs(), run)
    (blind,) = answered(with_values_changed(pairs()), run)
    assert blind.selected == honest.selected
    for one, other in zip(honest.answers, blind.answers, strict=True):
        assert one.calibration_score == other.calibration_score
        for a, b in zip(one.predictions, other.predictions, strict=True):
            assert np.array_equal(a.mean, b.mean)
            assert a.lower is not None
            assert b.lower is not None
            assert np.array_equal(a.lower, b.lower)


def test_every_model_answers_every_question_once(run: RunContext) -> None:
    task = pairs()
    (fold,) = answered(task, run)
    asked = len(distinct(task.data.take(task.folds[0].test)))
    assert [answer.model for answer in fold.answers] == ["mean_response", "offset", "linear"]
    for answer in fold.answers:
        assert sum(len(batch.queries) for batch in answer.predictions) == asked
        assert answer.n_parameters > 0
        assert np.isfinite(answer.calibration_score)


@pytest.mark.requirement("E12")
def test_every_answer_carries_an_interval(run: RunContext) -> None:
    (fold,) = answered(pairs(), run)
    for answer in fold.answers:
        for batch in answer.predictions:
            assert batch.lower is not None
            assert batch.upper is not None
            assert np.all(batch.lower < batch.mean)
            assert np.all(batch.mean < batch.upper)


@pytest.mark.requirement("E16")
def test_the_best_inside_training_is_selected(run: RunContext) -> None:
    (fold,) = answered(pairs(), run)
    scores = {answer.model: answer.calibration_score for answer in fold.answers}
    assert scores["mean_response"] == 0.0  # it is what the variance is counted from
    assert fold.selected == max(scores, key=lambda name: scores[name])
    low = replace(pairs(), metric=load_metric("rmse@1"))
    (fold,) = answered(low, run)
    errors = {answer.model: answer.calibration_score for answer in fold.answers}
    assert fold.selected == min(errors, key=lambda name: errors[name])
    near = replace(pairs(), metric=load_metric("coverage@1"))  # a fit has no interval yet
    (fold,) = answered(near, run)
    assert all(np.isnan(answer.calibration_score) for answer in fold.answers)
    assert fold.selected == "linear"


def test_each_fit_is_told_as_it_is_ready(run: RunContext) -> None:
    told: list[str] = []

    def done(answer: Answer) -> None:
        told.append(answer.model)

    task = pairs()
    answer_fold(task, task.folds[0], run, done)
    assert told == ["mean_response", "offset", "linear"]


@pytest.mark.requirement("E7")
def test_every_seed_is_an_answer_of_its_own(run: RunContext) -> None:
    task = pairs()
    models = tuple(replace(one, seeds=(3, 4)) if one.id == "linear" else one for one in task.models)
    (fold,) = answered(replace(task, models=models), run)
    assert [a.seed for a in fold.answers if a.model == "linear"] == [3, 4]
    assert fold.of("linear", 4).seed == 4


def test_too_few_labels_to_calibrate_give_no_interval_and_no_error(run: RunContext) -> None:
    data = table()
    few = data.take(np.isin(data.obs["context"].astype(str), ["line000", "line001"]))
    chosen = study(kind="unseen_context", hold_out=["line001"])
    task = prepared(chosen, few).tasks[0]
    (fold,) = answered(task, run)
    assert all(np.isnan(answer.calibration_score) for answer in fold.answers)
    assert all(batch.lower is None for a in fold.answers for batch in a.predictions)
    assert fold.selected == task.models[-1].id


def test_distinct_questions_are_asked_once_in_a_fixed_order() -> None:
    data = cells()
    first = distinct(data)
    assert len(first) < data.n_profiles
    assert len(first.frame().drop_duplicates()) == len(first)
    backwards = distinct(data.take(np.arange(data.n_profiles)[::-1]))
    assert set(map(tuple, backwards.frame().astype(str).to_numpy())) == set(
        map(tuple, first.frame().astype(str).to_numpy())
    )


def test_a_metric_of_another_version_is_refused() -> None:
    assert load_metric("rmse@1").definition.id == "rmse@1"
    with pytest.raises(DataError, match="asks for rmse@2, but rmse@1 is registered"):
        load_metric("rmse@2")
