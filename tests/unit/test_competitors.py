"""Who competes: the models of a study, the baselines it did not name, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import pytest
from study_example import cells, study, table, tree

from cellula.core.errors import StudyError
from cellula.validation.competitors import competitors, model_mistakes, study_models
from cellula.validation.study import Study


def with_models(*models: dict[str, object], **claim: object) -> Study:
    return Study.model_validate(tree(**claim) | {"model": list(models)})


def test_the_mean_response_competes_whether_it_is_named_or_not() -> None:
    models = study_models(study(), table())
    assert [one.id for one in models] == ["mean_response", "offset", "linear"]
    assert [one.is_baseline for one in models] == [True, False, False]


def test_the_control_competes_where_there_are_controls() -> None:
    assert [one.id for one in study_models(study(), cells())][:2] == ["mean_response", "control"]


def test_a_named_baseline_keeps_its_name_and_stands_first() -> None:
    chosen = with_models(
        {"id": "offset", "kind": "row_column_offset"}, {"id": "mean", "kind": "mean_response"}
    )
    models = study_models(chosen, table())
    assert [(one.id, one.is_baseline) for one in models] == [("mean", True), ("offset", False)]


def test_a_claim_chooses_among_the_models_but_never_loses_its_baselines() -> None:
    chosen = study(models=["linear"])
    able = competitors(chosen.claim[0], study_models(chosen, table()), table())
    assert [one.id for one in able] == ["mean_response", "linear"]


def test_a_model_without_an_answer_is_left_out_or_refused() -> None:
    silent = study(kind="unseen_context", hold_out="each")
    able = competitors(silent.claim[0], study_models(silent, table()), table())
    assert "linear" in [one.id for one in able]
    assert "pairs" not in [one.id for one in able]
    named = with_models(
        {"id": "completion", "kind": "pair_completion"},
        kind="unseen_perturbation",
        hold_out="each",
        models=["completion"],
    )
    with pytest.raises(StudyError, match="names 'completion', but it has no answer to it"):
        competitors(named.claim[0], study_models(named, table()), table())


def test_a_model_without_what_it_needs_is_left_out_or_refused() -> None:
    bilinear = {"id": "cells", "kind": "bilinear_ridge"}
    chosen = with_models(bilinear)
    able = competitors(chosen.claim[0], study_models(chosen, table()), table())
    assert [one.id for one in able] == ["mean_response"]
    named = with_models(bilinear, models=["cells"])
    with pytest.raises(StudyError, match="names 'cells', but the data lack what it needs"):
        competitors(named.claim[0], study_models(named, table()), table())


def test_a_claim_that_nobody_answers_is_refused() -> None:
    chosen = study()
    with pytest.raises(StudyError, match="no model of the study can answer claim 'pairs'"):
        competitors(chosen.claim[0], (), table())


def test_features_that_are_missing_make_no_baseline_impossible() -> None:
    bare = replace(table(), context_features=None, perturbation_features=None)
    assert study_models(study(), bare)[0].id == "mean_response"


def test_all_mistakes_in_models_are_listed_with_their_paths() -> None:
    wrong = with_models(
        {"id": "a", "kind": "rigde"},
        {"id": "b", "kind": "ridge", "options": {"penalty": -1.0, "depth": 2}},
        {"id": "c", "kind": "mean_response"},
    )
    found = model_mistakes(wrong)
    paths = sorted(line.split(": ")[0] for line in found)
    assert paths == ["model.0.kind", "model.1.options", "model.1.options"]
    assert any("did you mean ridge" in line for line in found)
    assert not model_mistakes(study())


@pytest.mark.parametrize(
    "whole",
    [
        {"kind": "stack", "options": {"members": ["mean_response", "bilinear_ridge"]}},
        {"kind": "deep_ensemble", "options": {"model": "bilinear_ridge", "share": 0.7}},
        {"kind": "tuned", "options": {"model": "bilinear_ridge"}},
    ],
)
def test_what_is_made_of_models_needs_what_they_need(whole: dict[str, object]) -> None:
    chosen = with_models({"id": "whole", **whole})
    able = competitors(chosen.claim[0], study_models(chosen, table()), table())
    assert "whole" not in [one.id for one in able]


@pytest.mark.parametrize("kind", ["knn", "ridge"])
def test_a_table_of_features_of_either_kind_will_do(kind: str) -> None:
    chosen = with_models({"id": "one", "kind": kind})
    models = study_models(chosen, table())
    assert "one" in [one.id for one in competitors(chosen.claim[0], models, table())]
    bare = replace(table(), context_features=None, perturbation_features=None)
    assert "one" not in [one.id for one in competitors(chosen.claim[0], models, bare)]
