"""ComBat equals scanpy's, restores from its state and refuses what it cannot do."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scanpy as sc
from anndata import AnnData

from cellula.core.dataset import Dataset
from cellula.core.errors import DataError
from cellula.core.run import RunContext
from cellula.core.value_type import ValueType
from cellula.data.harmonise.batch_calibration import batch_report
from cellula.data.harmonise.combat import Combat, CombatOptions


def profiles(*, nested: bool = False, n: int = 180) -> Dataset:
    rng = np.random.default_rng(1)
    perturbation = np.array(["control", "a", "b"] * (n // 3), object)
    code = np.repeat([0, 1, 2], n // 3)
    if nested:
        perturbation = np.where(perturbation == "control", "control", np.array(list("abc"))[code])
    values = rng.normal(5, 1, (n, 40)) * (1 + 0.5 * code[:, None]) + 1.5 * code[:, None]
    values[perturbation == "a"] += 1
    values[:, 39] = 7.0
    obs = pd.DataFrame(
        {
            "perturbation": pd.Categorical(perturbation),
            "is_control": perturbation == "control",
            "batch": pd.Categorical([f"plate{c}" for c in code]),
        },
        index=[f"p{i}" for i in range(n)],
    )
    data = AnnData(values, obs, pd.DataFrame(index=[f"g{i}" for i in range(40)]))
    return Dataset(data, ValueType.LOG2)


def combat(**options: Any) -> Combat:
    return Combat(CombatOptions(**options))


@pytest.mark.requirement("D3")
def test_equals_scanpy_and_removes_the_shift(run: RunContext) -> None:
    data = profiles()
    before = data.digest()
    result = combat().fit(data, run).apply(data)
    active = data.data[:, :39].copy()
    expected = sc.pp.combat(active, "batch", inplace=False)
    np.testing.assert_allclose(result.dense()[:, :39], expected, rtol=0, atol=1e-6)
    assert (result.dense()[:, 39] == 7.0).all()
    assert data.digest() == before
    assert batch_report(data).payload["is_shifted"]
    assert not batch_report(result).payload["is_shifted"]


def test_covariates_keep_their_effects(run: RunContext) -> None:
    data = profiles(nested=True)
    with pytest.raises(DataError, match=r"give covariates = \['perturbation'\]"):
        combat(max_confounding=0.3).fit(data, run)
    result = combat(covariates=("perturbation",)).fit(data, run).apply(data)
    perturbation = np.asarray(data.obs["perturbation"])
    design = pd.get_dummies(perturbation, dtype=float).drop(columns="control")
    names = list(design.columns)
    expected = AnnData(data.dense()[:, :39], data.obs.assign(**design.set_index(data.obs.index)))
    wanted = sc.pp.combat(expected, "batch", covariates=names, inplace=False)
    np.testing.assert_allclose(result.dense()[:, :39], wanted, rtol=0, atol=1e-6)


def test_restored_from_its_state_and_applied_to_new_profiles(run: RunContext) -> None:
    data = profiles()
    fitted = combat().fit(data, run)
    restored = combat().restore(fitted.state())
    some = data.take(np.arange(170, 180))
    np.testing.assert_array_equal(restored.apply(some).dense(), fitted.apply(data).dense()[170:])


def test_log1p_stays_log1p(run: RunContext) -> None:
    data = profiles()
    values = np.maximum(data.dense() - 5, 0)
    counts = AnnData(values, data.obs, data.data.var, layers={"counts": np.round(values)})
    result = combat().fit(Dataset(counts, ValueType.LOG1P), run)
    corrected = result.apply(Dataset(counts, ValueType.LOG1P))
    assert corrected.dense().min() == 0
    assert "counts" not in corrected.data.layers


def test_refusals(run: RunContext) -> None:
    data = profiles()
    fitted = combat().fit(data, run)
    strange = data.data.copy()
    strange.obs["batch"] = pd.Categorical(["new"] * data.n_profiles)
    with pytest.raises(DataError, match=r"not seen 1 batch.*: new"):
        fitted.apply(replace(data, data=strange))
    with pytest.raises(DataError, match="two batches or more"):
        combat().fit(data.take(np.arange(60)), run)
    with pytest.raises(DataError, match="fitted on 40 readouts"):
        fitted.apply(replace(data, data=data.data[:, :5].copy()))
    apart = data.data.copy()
    apart.obs["batch"] = pd.Categorical(np.where(data.is_control, "p0", "p1"))
    with pytest.raises(DataError, match="confounded with perturbation"):
        combat().fit(replace(data, data=apart), run)
    apart.obs["context"] = apart.obs["batch"].astype(str)
    del apart.obs["perturbation"]
    with pytest.raises(DataError, match="cannot be told apart"):
        combat(covariates=("context",)).fit(replace(data, data=apart), run)
    whole = Dataset(AnnData(np.ones((4, 2)), data.obs[:4], data.data.var[:2]), ValueType.COUNTS)
    with pytest.raises(DataError, match="normalise the counts"):
        combat().fit(whole, run)
