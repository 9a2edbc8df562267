"""The leak report: every planted leak is found, and a clean split is clean."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

from cellula.core.claim import ClaimKind
from cellula.core.dataset import Dataset
from cellula.core.value_type import ValueType
from cellula.data.leakage import leak_report
from cellula.data.splits import Fold, Folds, split

KIND = ClaimKind.UNSEEN_PERTURBATION
RULE = Folds(folds=3, seed=0)


@pytest.fixture
def cells() -> Dataset:
    rng = np.random.default_rng(1)
    singles = [f"G{i}" for i in range(24)]
    labels = ["control", *singles, "G0+G1", "G2+G3"]
    obs = pd.DataFrame({"perturbation": np.repeat(labels, 4), "context": "k562"})
    obs.index = obs.index.astype(str)
    obs["is_control"] = obs["perturbation"] == "control"
    values = rng.gamma(2.0, size=(len(obs), 8))
    return Dataset(AnnData(values, obs=obs), ValueType.LOG1P)


def leaks(data: Dataset, folds: tuple[Fold, ...], **given: Any) -> dict[str, int]:
    report = leak_report(data, "claim", KIND, folds, **given)
    return {check["name"]: check["count"] for check in report.payload["checks"] if check["is_leak"]}


@pytest.mark.requirement("L1")
def test_a_clean_split_is_clean(cells: Dataset) -> None:
    assert leaks(cells, split(cells, KIND, RULE)) == {}


def test_a_shared_profile_is_found(cells: Dataset) -> None:
    first, *others = split(cells, KIND, RULE)
    leaked = replace(first, train=np.append(first.train, first.test[0]))
    found = leaks(cells, (leaked, *others))
    assert found["shared_profiles"] == 1
    assert found["shared_units"] == 1


def test_a_duplicate_profile_is_found(cells: Dataset) -> None:
    folds = split(cells, KIND, RULE)
    values = np.array(cells.values)
    values[folds[0].test[0]] = values[folds[0].train[0]]
    data = Dataset(AnnData(values, obs=cells.obs.copy()), ValueType.LOG1P)
    assert leaks(data, folds)["duplicate_profiles"] >= 1


def test_a_perturbation_seen_through_a_combination_is_found(cells: Dataset) -> None:
    labels = cells.obs["perturbation"].to_numpy()
    test = np.flatnonzero(labels == "G0")
    naive = Fold("naive", np.flatnonzero(labels != "G0"), test, np.flatnonzero(cells.is_control))
    report = leak_report(cells, "claim", KIND, (naive,))
    (check,) = [c for c in report.payload["checks"] if c["name"] == "seen_in_combination"]
    assert check["examples"] == ["G0 in G0+G1"]


def test_a_space_computed_on_held_out_rows_is_found(cells: Dataset) -> None:
    folds = split(cells, KIND, RULE)
    everything = np.arange(cells.n_profiles)
    assert "computed_on_held_out" in leaks(cells, folds, computed_on={"pca50": everything})
    clean = {f"pca50/{fold.name}": fold.train for fold in folds}
    assert leaks(cells, folds, computed_on=clean) == {}


def test_a_feature_made_from_the_response_is_found(cells: Dataset) -> None:
    folds = split(cells, KIND, RULE)
    means = pd.DataFrame(cells.dense()).groupby(cells.obs["perturbation"].to_numpy()).mean()
    honest = pd.DataFrame(
        {"x": np.random.default_rng(2).normal(size=len(means))}, index=means.index
    )
    data = replace(cells, perturbation_features=honest)
    assert leaks(data, folds) == {}
    data = replace(cells, perturbation_features=honest.assign(y=means[3] * 2 + 1))
    assert leaks(data, folds) == {"telltale_features": 1}


def test_equal_values_of_a_narrow_table_are_no_leak() -> None:
    n = 40
    obs = pd.DataFrame(
        {
            "perturbation": [f"d{i % 5}" for i in range(n)],
            "context": [f"c{i // 5}" for i in range(n)],
        },
        index=[str(i) for i in range(n)],
    )
    data = Dataset(AnnData(np.ones((n, 1)), obs=obs), ValueType.LN_IC50)
    folds = split(data, ClaimKind.UNSEEN_PAIR, Folds(folds=4, seed=0))
    report = leak_report(data, "claim", ClaimKind.UNSEEN_PAIR, folds)
    assert not any(check["is_leak"] for check in report.payload["checks"])
