"""Explanations of a learned model: planted drivers, completeness, sanity, contrast, bad input."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from sklearn.metrics import average_precision_score

from cellula.core.dataset import Dataset
from cellula.core.errors import DataError
from cellula.core.query import QueryTable
from cellula.core.run import run_context
from cellula.core.value_type import ValueType
from cellula.governance.explain.attributions import explained
from cellula.governance.explain.question import Question, question_of
from cellula.governance.explain.sanity import randomised_rank_correlation

N_FEATURES, N_PERTURBATIONS, N_READOUTS = 20, 60, 12
DRIVERS = (3, 7, 11)


def planted() -> Dataset:
    """Only three features of a perturbation drive the response."""
    rng = np.random.default_rng(0)
    names = [f"p{i}" for i in range(N_PERTURBATIONS)]
    features = rng.normal(size=(N_PERTURBATIONS, N_FEATURES))
    loadings = rng.normal(size=(len(DRIVERS), N_READOUTS))
    labels = np.repeat(["control", *names], [200, *[12] * N_PERTURBATIONS])
    shift = np.vstack([np.zeros(N_READOUTS), features[:, DRIVERS] @ loadings])
    code = np.repeat(np.arange(N_PERTURBATIONS + 1), [200, *[12] * N_PERTURBATIONS])
    values = shift[code] + 0.3 * rng.normal(size=(len(code), N_READOUTS))
    obs = pd.DataFrame({"perturbation": labels, "context": "line", "is_control": code == 0})
    obs.index = [f"c{i}" for i in range(len(obs))]
    var = pd.DataFrame(index=[f"gene{i}" for i in range(N_READOUTS)])
    table = pd.DataFrame(features, index=names, columns=[f"feature{i}" for i in range(N_FEATURES)])
    return Dataset(AnnData(values, obs=obs, var=var), ValueType.LOG2, perturbation_features=table)


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Dataset]:
    from cellula.models.learned.flow_matching import FlowMatching, FlowMatchingOptions

    options = FlowMatchingOptions.model_validate(
        {
            "base": "none",
            "width": 64,
            "steps": 4,
            "train": {"epochs": 150, "learning_rate": 3e-3},
        }
    )
    data = planted()
    return FlowMatching(options).fit(data, None, run_context(0, tmp_path_factory.mktemp("f"))), data


def ask(fitted: tuple[Any, Dataset], label: str) -> Question:
    model, data = fitted
    control = data.controls
    assert control is not None
    return question_of(model, QueryTable.of([label], ["line"]), control, np.random.default_rng(0))


READOUTS = tuple(f"gene{i}" for i in range(0, N_READOUTS, 3))


@pytest.mark.requirement("K12")
@pytest.mark.parametrize("method", ["integrated_gradients", "shap"])
def test_planted_drivers_are_found(
    fitted: tuple[Any, Dataset], method: Any, tmp_path: Path
) -> None:
    size = np.zeros(N_FEATURES)
    for label in ("p1", "p2", "p3"):
        told = explained(ask(fitted, label), READOUTS[:2], run_context(0, tmp_path), method=method)
        names = told.attribution.features
        places = [names.index(f"{label}: feature{i}") for i in range(N_FEATURES)]
        size += np.abs(told.attribution.values[:, places]).mean(axis=0)
        if method == "integrated_gradients":
            assert told.missing <= 0.01
    truth = np.isin(np.arange(N_FEATURES), DRIVERS)
    assert average_precision_score(truth, size) >= 0.9


def test_after_randomisation_the_ranking_is_another(
    fitted: tuple[Any, Dataset], tmp_path: Path
) -> None:
    questions = [ask(fitted, f"p{i}") for i in range(3)]
    found = [
        randomised_rank_correlation(questions, READOUTS[:1], run_context(seed, tmp_path))
        for seed in range(4)
    ]
    assert abs(float(np.mean(found))) < 0.2


def test_a_contrast_of_a_question_with_itself_is_nothing(
    fitted: tuple[Any, Dataset], tmp_path: Path
) -> None:
    one, two = ask(fitted, "p1"), ask(fitted, "p2")
    run = run_context(0, tmp_path)
    assert not explained(one, READOUTS, run, against=one).attribution.values.any()
    forth = explained(one, READOUTS, run, against=two)
    back = explained(two, READOUTS, run, against=one)
    np.testing.assert_allclose(forth.change, -back.change, atol=1e-5)
    assert forth.missing <= 0.01


def test_bad_questions_are_refused(fitted: tuple[Any, Dataset], tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no readout NOPE"):
        explained(ask(fitted, "p1"), ("NOPE",), run_context(0, tmp_path))
    model, data = fitted
    control = data.controls
    assert control is not None
    rng = np.random.default_rng(0)
    with pytest.raises(DataError, match="no control profile of the context 'moon'"):
        question_of(model, QueryTable.of(["p1"], ["moon"]), control, rng)
    with pytest.raises(DataError, match="2 questions"):
        question_of(model, QueryTable.of(["p1", "p2"], ["line", "line"]), control, rng)
