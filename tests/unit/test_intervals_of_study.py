"""What the table ``uncertainty`` of a study does: its method, its options, what it declines."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from study_example import answered, prepared, scored, study, table, tree

from cellula.core.errors import PluginError, StudyError
from cellula.core.run import RunContext
from cellula.evaluation.uncertainty.adaptive_conformal import AdaptiveConformal
from cellula.report.citing import citations
from cellula.validation.answers import ClaimTask, FoldAnswers
from cellula.validation.coverage import grouping_columns, interval_evidence
from cellula.validation.intervals import IntervalPlan, interval_mistakes, interval_plan
from cellula.validation.study import Study, Uncertainty

PAIRS = {"kind": "unseen_context", "hold_out": {"folds": 2, "seed": 3}}


def task_of(**told: Any) -> ClaimTask:
    task = prepared(study(**PAIRS), table()).tasks[0]
    return replace(task, intervals=IntervalPlan.of(Uncertainty.model_validate(told)))


def of(folds: tuple[FoldAnswers, ...], model: str) -> list[np.ndarray]:
    return [
        np.concatenate([b.upper - b.lower for b in fold.of(model, 0).predictions]) for fold in folds
    ]


def with_table(**told: Any) -> Study:
    return Study.model_validate(tree() | {"uncertainty": told})


def test_a_study_without_the_table_is_the_study_it_was() -> None:
    assert b"uncertainty" not in study().canonical
    assert study().hash != with_table().hash
    assert interval_plan(study()).method.name == "split_conformal"
    assert interval_plan(study()).abstention is None


@pytest.mark.requirement("E10")
@pytest.mark.parametrize("method", ["split_conformal", "adaptive_conformal", "cv_plus"])
def test_every_method_gives_intervals_and_leaves_the_means(method: str, run: RunContext) -> None:
    folds = answered(task_of(method=method), run)
    plain = answered(task_of(), run)
    for fold, other in zip(folds, plain, strict=True):
        assert fold.selected == other.selected
        for one, same in zip(fold.answers, other.answers, strict=True):
            assert one.reason == ""
            for batch, twin in zip(one.predictions, same.predictions, strict=True):
                assert np.array_equal(batch.mean, twin.mean)
                assert batch.lower is not None
    if method == "split_conformal":
        assert all(map(np.array_equal, of(folds, "linear"), of(plain, "linear")))


def test_the_level_is_that_of_the_options(run: RunContext) -> None:
    narrow = of(answered(task_of(options={"level": 0.5}), run), "linear")
    wide = of(answered(task_of(), run), "linear")
    assert all((a < b).all() for a, b in zip(narrow, wide, strict=True))
    high = answered(task_of(options={"level": 0.99}), run)
    assert "needs 99" in high[0].of("linear", 0).reason
    assert high[0].of("linear", 0).predictions[0].lower is None


@pytest.mark.requirement("E11")
def test_what_is_declined_is_out_of_domain_and_its_gain_is_told(run: RunContext) -> None:
    task = task_of(method="adaptive_conformal", abstain={"share": 0.25, "by": "estimated"})
    folds = answered(task, run)
    asked = [b.in_domain for fold in folds for b in fold.of("linear", 0).predictions]
    assert 0.05 < 1 - np.concatenate(asked).mean() < 0.6
    found = interval_evidence(task, scored(task, run, folds), folds, {}, run)
    assert found.kind == "intervals"
    assert found.payload["method"] == "adaptive_conformal"
    assert found.payload["level"] == 0.9
    assert found.payload["risk"]["gain"]["n_units"] == 24
    assert found.payload["risk"]["n_declined"] > 0
    plain = answered(task_of(), run)
    kept = interval_evidence(task_of(), scored(task, run, plain), plain, {}, run)
    assert "risk" not in kept.payload


def test_the_evidence_has_every_stratum_with_its_units(run: RunContext) -> None:
    data = table()
    tissue = np.where(data.obs["context"].astype(str) < "line012", "blood", "bone")
    data.obs["tissue"] = tissue
    assert grouping_columns(data)["tissue"][0] == "context"
    task = prepared(study(**PAIRS), data).tasks[0]
    folds = answered(task, run)
    found = interval_evidence(task, scored(task, run, folds), folds, {}, run)
    rows = {(row["by"], row["stratum"]): row for row in found.payload["rows"]}
    assert rows["all", ""]["n_units"] == 24
    assert rows["tissue", "blood"]["n_units"] + rows["tissue", "bone"]["n_units"] == 24
    assert {"predicted response", "observed response"} <= {by for by, _ in rows}


def test_wrong_methods_and_options_are_told_with_their_path() -> None:
    assert interval_mistakes(study()) == []
    (unknown,) = interval_mistakes(with_table(method="adaptive_konformal"))
    assert unknown.startswith("uncertainty.method: no uncertainty is called")
    assert "did you mean adaptive_conformal" in unknown
    (declining,) = interval_mistakes(with_table(method="abstention"))
    assert "makes no intervals; expected one of adaptive_conformal, cv_plus" in declining
    wrong = interval_mistakes(with_table(options={"level": 2, "colour": 1}))
    assert [line.split(": ")[1] for line in wrong] == ["level", "colour"]
    spread = {"method": "adaptive_conformal", "options": {"difficulty": "spread"}}
    for told in (spread, {"abstain": {"by": "spread"}}):
        (line,) = interval_mistakes(with_table(**told))
        assert "'spread' needs the interval of the very fit" in line
    with pytest.raises(PluginError):
        interval_plan(with_table(method="abstention"))
    with pytest.raises(StudyError):
        interval_plan(with_table(options={"level": 2}))
    with pytest.raises(ValueError, match="by"):
        with_table(abstain={"share": 0.2, "by": "moon"})


def test_what_a_study_cites_is_the_method_that_it_names() -> None:
    told = with_table(method="adaptive_conformal", abstain={})
    users = {user: one.key for one in citations(told) for user in one.users}
    assert users["declined questions"] == "geifman2017"
    keys = {one.key for one in citations(told) if "intervals" in one.users}
    assert keys == set(AdaptiveConformal.references)
