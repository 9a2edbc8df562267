"""A planted batch shift is found, none is found without, and confounding is told apart."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

from cellula.core.dataset import Dataset
from cellula.core.value_type import ValueType
from cellula.data.harmonise.batch_calibration import BatchOptions, batch_report, confounding


def profiles(
    shift: float, *, batch: Any = None, seed: int = 0, donors: bool = False, n: int = 240
) -> Dataset:
    rng = np.random.default_rng(seed)
    perturbation = np.array((["control"] * 2 + ["a", "b"]) * (n // 4), object)
    code = np.repeat([0, 1], n // 2) if batch is None else batch(perturbation, n)
    values = rng.normal(5, 1, (n, 50))
    values[:, :10] += shift * code[:, None]
    values[perturbation == "a", 20:30] += 2
    obs = pd.DataFrame(
        {
            "perturbation": pd.Categorical(perturbation),
            "is_control": perturbation == "control",
            "batch": pd.Categorical([f"plate{c}" for c in code]),
        },
        index=[f"p{i}" for i in range(n)],
    )
    if donors:
        obs["donor"] = pd.Categorical([f"d{i % 7}{c}" for i, c in enumerate(code)])
    data = AnnData(values, obs, pd.DataFrame(index=[f"g{i}" for i in range(50)]))
    return Dataset(data, ValueType.LOG2)


@pytest.mark.requirement("D3")
@pytest.mark.parametrize("donors", [False, True])
def test_a_planted_shift_is_found(donors: bool) -> None:
    payload = batch_report(profiles(1.0, donors=donors)).payload
    assert payload["is_applicable"]
    assert payload["is_shifted"]
    assert not payload["is_confounded"]
    assert payload["n_batches"] == 2
    assert payload["p_value"] <= 0.01
    assert payload["confounding"] == pytest.approx(0, abs=1e-9)
    assert f"unit: {'donor (14)' if donors else 'profile (120)'}" in payload["reason"]


def test_without_a_shift_p_values_are_uniform() -> None:
    options = BatchOptions(permutations=99)
    p = [batch_report(profiles(0.0, seed=s, n=80), options).payload["p_value"] for s in range(40)]
    assert 0.3 < np.mean(p) < 0.7
    assert np.mean(np.array(p) <= 0.1) <= 0.25
    assert not batch_report(profiles(0.0)).payload["is_shifted"]


def test_treatment_effects_are_no_batch_shift() -> None:
    def unbalanced(perturbation: Any, n: int) -> Any:
        half = np.tile([0, 1], n // 2)
        return np.where(perturbation == "a", 0, np.where(perturbation == "b", 1, half))

    payload = batch_report(profiles(0.0, batch=unbalanced)).payload
    assert not payload["is_shifted"]
    assert 0.3 < payload["confounding"] < 0.9
    assert not payload["is_confounded"]  # the controls connect the batches


@pytest.mark.requirement("D3")
@pytest.mark.parametrize("leak", [0, 2])
def test_batch_confounded_with_treatment(leak: int) -> None:
    def treated_apart(perturbation: Any, n: int) -> Any:
        code = (perturbation != "control").astype(int)
        code[np.flatnonzero(code)[:leak]] = 0
        return code

    payload = batch_report(profiles(1.0, batch=treated_apart)).payload
    assert payload["is_confounded"]
    assert payload["confounding"] > 0.95


def test_confounding_is_zero_for_balance_and_one_for_separate_blocks() -> None:
    batch = pd.Categorical(list("xxxxyyyy"))
    assert confounding(batch, pd.Categorical(list("abababab"))).squared_correlation < 1e-9
    apart = confounding(batch, pd.Categorical(list("ababcdcd")))
    assert apart.squared_correlation == pytest.approx(1)
    assert apart.n_informative == pytest.approx(0, abs=1e-9)
    assert apart.is_confounded


def test_not_applicable_without_batches() -> None:
    data = profiles(0.0)
    data.data.obs["batch"] = pd.Categorical(["one"] * data.n_profiles)
    payload = batch_report(data).payload
    assert not payload["is_applicable"]
    assert "one batch" in payload["reason"]
    del data.data.obs["batch"]
    payload = batch_report(data).payload
    assert not payload["is_applicable"]
    assert payload["p_value"] is None
    assert "no batch role" in payload["reason"]


def test_the_same_data_give_the_same_evidence() -> None:
    assert batch_report(profiles(0.1)).hash == batch_report(profiles(0.1)).hash
