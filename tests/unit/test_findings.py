"""What a scored claim becomes as evidence: score table, selection, domain, reasons why."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from study_example import answered, prepared, scored, study, table

from cellula.core.canonical import canonical_json
from cellula.core.errors import DataError
from cellula.core.evidence import Evidence
from cellula.core.run import run_context
from cellula.validation.answers import ClaimTask, FoldAnswers
from cellula.validation.findings import attribution, claim_evidence, gate_evidence
from cellula.validation.scoring import ClaimScores
from cellula.validation.study import Explain

INPUTS = {"data": "0" * 64}
Scored = tuple[ClaimTask, tuple[FoldAnswers, ...], ClaimScores]


@pytest.fixture(scope="module")
def claim(tmp_path_factory: pytest.TempPathFactory) -> Scored:
    """Unseen lines, predicted from their features; the linear model has two seeds."""
    run = run_context(0, tmp_path_factory.mktemp("scratch"))
    chosen = study(kind="unseen_context", hold_out={"folds": 2, "seed": 3})
    task = prepared(chosen, table()).tasks[0]
    models = tuple(replace(one, seeds=(1, 2)) if one.id == "linear" else one for one in task.models)
    task = replace(task, models=models)
    folds = answered(task, run)
    return task, folds, scored(task, run, folds)


@pytest.fixture(scope="module")
def found(claim: Scored) -> dict[str, Evidence]:
    task, folds, scores = claim
    return {item.kind: item for item in claim_evidence(task, scores, folds, INPUTS)}


def explained(
    *ids: str, model: str = "linear", expected: tuple[str, ...] = (), top: int = 3
) -> Explain:
    wanted = [{"id": id, "expected": expected} for id in ids]
    return Explain.model_validate({"model": model, "top": top, "perturbation": wanted})


def test_evidence_is_about_the_claim_and_names_its_inputs(found: dict[str, Evidence]) -> None:
    assert found.keys() >= {"scores", "selection", "domain", "stability"}
    for item in found.values():
        assert item.subject == "pairs"
        assert item.inputs == INPUTS
        assert json.loads(canonical_json(item))["payload"] == item.payload


@pytest.mark.requirement("R5")
def test_the_table_holds_every_row_with_a_value_or_a_reason(
    claim: Scored, found: dict[str, Evidence]
) -> None:
    payload = found["scores"].payload
    assert len(payload["rows"]) == len(claim[2].table)
    assert payload["n_groups"] == claim[0].data.n_profiles
    assert payload["n_units"] == 24
    for row in payload["rows"]:
        assert (row["value"] is None) == bool(row["reason"])


def test_the_selection_is_told_fold_by_fold(claim: Scored, found: dict[str, Evidence]) -> None:
    rows = found["selection"].payload["folds"]
    assert [row["fold"] for row in rows] == ["fold-1", "fold-2"]
    for row, fold in zip(rows, claim[1], strict=True):
        assert row["selected"] == fold.selected
        assert row["scores"].keys() == {"mean_response", "offset", "linear"}
        assert row["scores"]["linear"] == fold.of("linear", 1).calibration_score


@pytest.mark.requirement("B1")
def test_the_domain_divides_all_groups(claim: Scored, found: dict[str, Evidence]) -> None:
    payload = found["domain"].payload
    flags = claim[2].in_domain["selected"]
    assert payload["n"] == len(flags)
    assert payload["n_in_domain"] == int(np.sum(flags))


@pytest.mark.requirement("L3")
def test_every_gate_has_its_score_in_order(claim: Scored) -> None:
    task, _, scores = claim
    (only,) = gate_evidence(task, scores, INPUTS)
    assert only.kind == "anchored_score"
    assert only.payload["metric"] == "variance_explained@1"
    assert only.payload["model"] == "selected"
    assert only.payload["space"] == "readouts"


# -- why --------------------------------------------------------------------------------------
@pytest.mark.requirement("F4")
def test_the_feature_that_made_the_data_is_found(claim: Scored) -> None:
    """Only the first mutation acts on some drugs and not on others; lines differ at random."""
    task, folds, _ = claim
    drugs = task.data.perturbation_features
    assert drugs is not None
    chosen = explained(*map(str, drugs.index), top=8)
    why = attribution(task, folds, chosen, INPUTS)
    assert why is not None
    effects = pd.DataFrame(
        {
            row["perturbation"]: {item["feature"]: item["value"] for item in row["top"]}
            for row in why.payload["rows"]
        }
    )
    is_hit = (drugs.iloc[:, 0] > 0).to_numpy()
    contrast = effects.loc[:, is_hit].mean(axis=1) - effects.loc[:, ~is_hit].mean(axis=1)
    assert contrast.idxmin() == "mutated0"


def test_expected_features_have_their_rank_or_none(claim: Scored) -> None:
    task, folds, _ = claim
    why = attribution(task, folds, explained("drug000", expected=("mutated0", "x")), INPUTS)
    assert why is not None
    (row,) = why.payload["rows"]
    assert len(row["top"]) == 3
    sizes = [abs(item["value"]) for item in row["top"]]
    assert sizes == sorted(sizes, reverse=True)
    known, unknown = row["expected"]
    assert 1 <= known["rank"] <= 8
    assert (known["rank"] <= 3) == ("mutated0" in [item["feature"] for item in row["top"]])
    assert unknown == {"feature": "x", "rank": None}


def test_what_does_not_compete_is_not_explained(claim: Scored) -> None:
    task, folds, _ = claim
    models = tuple(one for one in task.models if one.id != "linear")
    chosen = explained("drug000")
    assert attribution(replace(task, models=models), folds, chosen, INPUTS) is None


def test_what_cannot_explain_is_told(claim: Scored) -> None:
    task, folds, _ = claim
    with pytest.raises(DataError, match="'offset' cannot explain itself; choose a linear one"):
        attribution(task, folds, explained("drug000", model="offset"), INPUTS)


def test_a_perturbation_that_was_not_fitted_is_told(claim: Scored) -> None:
    task, folds, _ = claim
    with pytest.raises(DataError, match="'drug999', which 'linear' was not fitted on"):
        attribution(task, folds, explained("drug000", "drug999"), INPUTS)
