"""Scores of a claim: every model, every metric, between the trivial answer and a replicate."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from study_example import GATE, answered, cells, prepared, scored, study, table

from cellula.core import registry
from cellula.core.run import run_context
from cellula.evaluation.contest import REPLICATE, ScoredMetric
from cellula.validation.answers import ClaimTask, FoldAnswers
from cellula.validation.scoring import SELECTED, USUAL, ClaimScores, scored_metrics


def pairs() -> ClaimTask:
    return prepared(study(hold_out={"folds": 2, "seed": 1}), table()).tasks[0]


def population() -> ClaimTask:
    """A claim about cells, with a gate in a space of principal components."""
    gate = GATE | {"metric": "energy_distance@1", "space": "pca2"}
    chosen = study(kind="unseen_perturbation", hold_out=["G3", "G4"], unit="donor", gate=[gate])
    return prepared(chosen, cells()).tasks[0]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("scratch")


@pytest.fixture(scope="module")
def answers(folder: Path) -> tuple[FoldAnswers, ...]:
    return answered(pairs(), run_context(0, folder))


@pytest.fixture(scope="module")
def scores(folder: Path, answers: tuple[FoldAnswers, ...]) -> ClaimScores:
    return scored(pairs(), run_context(0, folder), answers)


@pytest.fixture(scope="module")
def of_cells(folder: Path) -> ClaimScores:
    return scored(population(), run_context(0, folder))


def of(scores: ClaimScores, model: str, metric: str) -> ScoredMetric:
    (found,) = [s for s in scores.table if (s.model, s.score.metric) == (model, metric)]
    return found


def test_every_model_has_a_row_for_every_metric(scores: ClaimScores) -> None:
    models = ("mean_response", "offset", "linear", SELECTED)
    for id in USUAL:
        for model in models:
            row = of(scores, model, id)
            assert np.isfinite(row.score.value) != bool(row.score.reason)


@pytest.mark.requirement("E8")
def test_numbers_are_those_of_a_plain_computation(scores: ClaimScores) -> None:
    chosen = scores.view.full["linear"]
    left = np.sum((chosen.observed - chosen.predicted) ** 2)
    trivial = scores.view.full["mean_response"].predicted
    expected = 1.0 - left / np.sum((chosen.observed - trivial) ** 2)
    found = of(scores, "linear", "variance_explained@1").score.value
    assert found == pytest.approx(expected, abs=1e-12)


def test_the_mean_response_is_where_the_scale_begins(scores: ClaimScores) -> None:
    row = of(scores, "mean_response", "variance_explained@1")
    assert row.score.value == 0.0
    assert row.anchored is not None
    assert (row.anchored.value, row.anchored.baseline) == (0.0, "mean_response")


def test_the_selected_rows_are_those_of_what_each_fold_selected(
    folder: Path, scores: ClaimScores, answers: tuple[FoldAnswers, ...]
) -> None:
    """Also where the folds disagree, which the second selection forces."""
    forced = tuple(
        replace(fold, selected=name)
        for fold, name in zip(answers, ("offset", "linear"), strict=True)
    )
    mixed = scored(pairs(), run_context(0, folder), forced)
    view, fold = mixed.view.full, mixed.fold
    for name, model in (("fold-1", "offset"), ("fold-2", "linear")):
        rows = fold == name
        assert rows.any()
        assert np.array_equal(view[SELECTED].predicted[rows], view[model].predicted[rows])
        assert np.array_equal(mixed.in_domain[SELECTED][rows], mixed.in_domain[model][rows])
    assert len(scores.gates) == 1
    assert scores.gates[0].value == of(scores, SELECTED, "variance_explained@1").anchored.value


def test_a_table_of_single_values_has_no_replicate(scores: ClaimScores) -> None:
    assert scores.view.replicate is None
    assert not scores.view.halved
    assert scores.gates[0].ceiling == "ideal"
    assert REPLICATE not in {row.model for row in scores.table}


@pytest.mark.requirement("L2", "E3")
def test_cells_have_a_replicate_that_nobody_beats_by_design(of_cells: ClaimScores) -> None:
    assert of_cells.gates[0].ceiling == "replicate"
    best = of(of_cells, REPLICATE, "pearson_delta@1").score.value
    trivial = of(of_cells, "mean_response", "pearson_delta@1").score.value
    assert best > trivial


def test_a_gate_chooses_its_space_and_others_keep_theirs(
    folder: Path, of_cells: ClaimScores
) -> None:
    readouts = population()
    claim = readouts.claim
    gate = claim.gate[0].model_copy(update={"space": "readouts"})
    plain = replace(readouts, claim=claim.model_copy(update={"gate": (gate,)}))
    other = scored(plain, run_context(0, folder))
    assert other.gates[0].u != of_cells.gates[0].u
    same = "rmse@1"
    assert of(other, "offset", same).score == of(of_cells, "offset", same).score


def test_rows_by_stratum_always_have_a_value_or_a_reason(scores: ClaimScores) -> None:
    rows = scores.rows
    assert set(rows["model"]) == {"mean_response", "offset", "linear", SELECTED}
    assert (rows["value"].notna() != (rows["reason"] != "")).all()
    one = rows[(rows["model"] == "linear") & (rows["metric"] == "rmse@1")]
    assert set(one.loc[one["context"] == "", "perturbation"]) == {f"drug{i:03d}" for i in range(10)}


@pytest.mark.requirement("L12")
def test_threads_do_not_change_a_number(
    folder: Path, scores: ClaimScores, answers: tuple[FoldAnswers, ...]
) -> None:
    again = scored(pairs(), run_context(0, folder, threads=2), answers)
    assert repr(again.table) == repr(scores.table)
    assert repr(again.gates) == repr(scores.gates)
    assert again.rows.equals(scores.rows)


def test_a_claim_is_scored_by_what_it_names_and_not_by_what_is_installed() -> None:
    claim = study(gate=[GATE | {"metric": "rmse@1"}], metrics=["knn_recall@1"]).claim[0]
    assert set(scored_metrics(claim)) == {*USUAL, "knn_recall@1"}
    assert "two_sample_auroc" in registry.names("metric")
