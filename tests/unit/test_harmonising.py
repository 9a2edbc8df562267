"""Batches inside a study: fitted on what is seen, applied to all, refused by name, judged twice."""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from study_example import prepared, tree

from cellula.core.dataset import Dataset, Provenance
from cellula.core.errors import StudyError
from cellula.core.gate import Outcome, Verdict
from cellula.core.model import State
from cellula.core.run import RunContext, SilentProgress
from cellula.core.value_type import ValueType
from cellula.evidence.bundle import read_bundle
from cellula.report.citing import citations
from cellula.validation.answers import answer_fold
from cellula.validation.deciding import decide_entry
from cellula.validation.harmonising import (
    harmonise_card,
    harmonise_mistakes,
    harmonised,
    seen_rows,
    state_hash,
)
from cellula.validation.inner import entry_evidence, run_study
from cellula.validation.material import batch_evidence
from cellula.validation.preparation import PreparedStudy
from cellula.validation.registration import register
from cellula.validation.scoring import fitted_on
from cellula.validation.sealing import held_out_values, opened_profiles
from cellula.validation.study import Study
from cellula.validation.workspace import open_workspace

COMBAT = {"name": "combat"}


def cells(
    n: int = 480, *, shift: float = 1.5, kinds: float = 3.0, batch: Any = None, seed: int = 2
) -> Dataset:
    """Two cell types under six perturbations on two plates; a plate shifts all its cells."""
    rng = np.random.default_rng(seed)
    label = np.array([f"p{i}" for i in range(5)] + ["control"], object)[np.arange(n) % 6]
    kind, plate = np.arange(n) // 6 % 2, np.arange(n) // 12 % 2
    if batch is not None:
        plate = batch(label)
    values = 8 + rng.normal(size=(n, 30)) * 0.5
    values += (kinds * rng.normal(size=(2, 30)))[kind]
    values += (shift * rng.normal(size=(3, 30)))[plate]
    values[label == "p1"] += 0.5
    obs = pd.DataFrame(
        {
            "perturbation": pd.Categorical(label),
            "is_control": label == "control",
            "context": pd.Categorical([f"type{i}" for i in kind]),
            "batch": pd.Categorical([f"plate{i}" for i in plate]),
        },
        index=[f"c{i}" for i in range(n)],
    )
    var = pd.DataFrame(index=[f"g{i}" for i in range(30)])
    return Dataset(AnnData(values, obs, var), ValueType.LOG2)


def study(harmonise: dict[str, Any] | None = None, **claim: Any) -> Study:
    rules = {"kind": "unseen_perturbation", "unit": "perturbation"} | claim
    found = tree(**({"hold_out": {"folds": 2, "seed": 1}} | rules))
    found["data"][0] = {
        "path": "cells.h5ad",
        "role": "profiles",
        "value_type": "log2",
        "license": "CC-BY-4.0",
        "columns": {"perturbation": "p", "control": "control", "context": "c", "batch": "b"},
    } | ({"harmonise": harmonise} if harmonise else {})
    found["model"] = [{"id": "mean", "kind": "mean_response"}]
    return Study.model_validate(found)


def ready(data: Dataset, harmonise: dict[str, Any] | None = None, **claim: Any) -> PreparedStudy:
    chosen = study(harmonise, **claim)
    found = prepared(chosen, data)
    return replace(found, tasks=harmonised(chosen, found.tasks))


def verdict(found: PreparedStudy) -> Verdict:
    decided = decide_entry(entry_evidence(found))
    return next(one for one in decided if one.gate == "batch_calibration")


@pytest.mark.requirement("D3", "L1")
@pytest.mark.parametrize("name", ["combat", "harmony"])
def test_a_planted_shift_fails_and_passes_once_corrected(name: str) -> None:
    bare = verdict(ready(cells()))
    assert bare.outcome is Outcome.FAILED
    assert 'write harmonise = { name = "combat" }' in bare.reason
    found = ready(cells(), {"name": name})
    assert verdict(found).outcome is Outcome.PASSED, verdict(found).reason
    payload = batch_evidence(found).payload
    (one,) = payload["claims"]
    assert one["before"]["is_shifted"]
    assert not one["after"]["is_shifted"]
    assert one["after"]["variance_explained"] < 0.02 < one["before"]["variance_explained"]
    assert one["kept"]["before"]["mixing"] < 0.5 < 0.8 < one["kept"]["after"]["mixing"]
    assert payload["is_mixed"]
    assert payload["is_biology_kept"]


@pytest.mark.requirement("D3")
def test_a_confounded_batch_is_refused_with_and_without() -> None:
    data = cells(batch=lambda label: (label > "p1").astype(np.int64))
    for choice in (None, COMBAT):
        found = ready(data, choice)
        assert verdict(found).outcome is Outcome.FAILED
        assert "confounded with the perturbation" in verdict(found).reason
        assert not found.tasks[0].corrections


class Flat:
    """A fitted transform that goes too far: every profile becomes the mean and noise."""

    def apply(self, data: Dataset) -> Dataset:
        rng = np.random.default_rng(0)
        values = 8 + rng.normal(size=data.values.shape)
        part = data.data
        return data.unchecked(AnnData(values, obs=part.obs.copy(), var=part.var.copy()))

    def state(self) -> State:
        return State({}, {})


@pytest.mark.requirement("D3")
def test_a_correction_that_removes_biology_is_found() -> None:
    found = ready(cells(), COMBAT)
    (task,) = found.tasks
    flat = replace(task, corrections={fold.name: Flat() for fold in task.folds})
    said = verdict(replace(found, tasks=(flat,)))
    assert said.outcome is Outcome.FAILED
    assert "combat removes biology" in said.reason
    assert "silhouette of context fell" in said.reason


@pytest.mark.requirement("D3", "L1")
def test_held_out_values_move_no_correction() -> None:
    found = ready(cells(), COMBAT)
    (task,) = found.tasks
    moved = cells()
    moved.data.X[task.folds[0].test] += 100.0
    again = ready(moved, COMBAT).tasks[0]
    first, second = (fold.name for fold in task.folds)
    hashes = [
        {name: state_hash(one.state()) for name, one in of.corrections.items()}
        for of in (task, again)
    ]
    assert hashes[0][first] == hashes[1][first]
    assert hashes[0][second] != hashes[1][second]
    assert len(set(hashes[0].values())) == 2
    rows = fitted_on(task)[f"harmonise/{first}"]
    assert not np.isin(task.folds[0].test, rows).any()
    assert rows.tolist() == seen_rows(task.folds[0]).tolist()


class Spy:
    """A model that remembers what it is fitted on."""

    def __init__(self, model: Any) -> None:
        self.model, self.seen = model, []

    def fit(self, train: Dataset, valid: Dataset | None, run: RunContext) -> Any:
        self.seen.append(train)
        return self.model.fit(train, valid, run)


def gap(data: Dataset) -> float:
    """How far the means of the two plates are apart."""
    plates = np.asarray(data.labels("batch"), object)
    means = [data.dense()[plates == name].mean(axis=0) for name in ("plate0", "plate1")]
    return float(np.abs(means[0] - means[1]).mean())


@pytest.mark.requirement("D3")
def test_training_controls_and_truth_live_in_one_space(run: RunContext) -> None:
    (task,) = ready(cells(), COMBAT).tasks
    fold = task.folds[0]
    opened = opened_profiles(task.data, fold, held_out_values(task.data, task.folds))
    assert np.array_equal(opened.dense(), task.data.dense(fold.test))  # sealed as measured
    limit = 0.2 * gap(opened)
    assert gap(task.corrected(fold, opened)) < limit
    assert gap(task.profiles(fold, fold.control)) < limit
    spy = Spy(task.models[0].model)
    answer_fold(
        replace(task, models=(replace(task.models[0], model=spy),)), fold, run, lambda answer: None
    )
    assert spy.seen
    assert all(gap(seen) < limit for seen in spy.seen)


@pytest.mark.requirement("D3")
def test_a_run_scores_against_corrected_values(tmp_path: Path) -> None:
    """What the bundle says was observed is what the transform of the fold makes of it."""
    provenance = Provenance({"cells.h5ad": "a" * 64}, "CC-BY-4.0")
    found = ready(replace(cells(), provenance=provenance), COMBAT)
    place = open_workspace(tmp_path / "w", tmp_path / "key")
    register(found, place)
    result = run_study(found, place, lambda files, study: b"{}", SilentProgress())
    said = pd.read_parquet(BytesIO(read_bundle(result.bundle)["truth/pairs.parquet"]))
    (task,) = found.tasks
    fold = task.folds[0]
    measured = opened_profiles(task.data, fold, held_out_values(task.data, task.folds))
    name = str(measured.labels("perturbation")[0])
    one = (said["perturbation"] == name) & (said["context"] == "type0")
    observed = said[one].set_index("readout")["observed"]
    for is_corrected, profiles in ((True, task.corrected(fold, measured)), (False, measured)):
        rows = (profiles.obs["perturbation"] == name) & (profiles.obs["context"] == "type0")
        mean = profiles.dense()[rows.to_numpy()].mean(axis=0)
        assert np.allclose(observed.loc[list(profiles.readouts)], mean) is is_corrected


@pytest.mark.requirement("D3")
def test_a_held_out_batch_that_was_never_seen_is_refused_by_name() -> None:
    def three(label: Any) -> Any:
        plate = np.arange(len(label)) // 12 % 3
        return np.where((plate == 2) & (label == "control"), 0, plate)

    claim = {"kind": "unseen_batch", "unit": "batch", "hold_out": ["plate2"]}
    with pytest.raises(StudyError, match=r"claim 'pairs'.*held-out profiles of batch plate2") as e:
        ready(cells(batch=three), COMBAT, **claim)
    assert "leave harmonise out" in str(e.value)
    # Where its controls are visible, the batch is known.
    seen = ready(cells(batch=lambda label: np.arange(len(label)) // 12 % 3), COMBAT, **claim)
    assert set(seen.tasks[0].corrections) == {"held-out"}


def test_what_cannot_be_fitted_names_claim_and_fold() -> None:
    data = cells(batch=lambda label: np.zeros(len(label), np.int64))
    with pytest.raises(StudyError, match="fold 'fold-1': combat cannot be fitted"):
        ready(data, COMBAT)


def test_mistakes_have_their_path() -> None:
    (unknown,) = harmonise_mistakes(study({"name": "combta"}))
    assert unknown.startswith("data.0.harmonise.name: ")
    assert "combat" in unknown
    (wrong,) = harmonise_mistakes(study({"name": "combat", "options": {"covariate": ["dose"]}}))
    assert wrong.startswith("data.0.harmonise.options: covariate")
    assert harmonise_mistakes(study(COMBAT)) == harmonise_mistakes(study()) == []


@pytest.mark.requirement("D3")
def test_the_card_and_the_citations_tell_of_it() -> None:
    found = ready(cells(), COMBAT)
    card = harmonise_card(found.study, found.tasks)
    assert card is not None
    assert card["options"] == {"covariates": [], "max_confounding": 0.5}
    assert set(card["states"]["pairs"]) == {"fold-1", "fold-2"}
    assert harmonise_card(study(), found.tasks) is None
    keys = {one.key: one.users for one in citations(found.study)}
    assert "correction of batches combat" in keys["johnson2007"]
