"""Mixing and biology: known answers, planted batches, and corrections that go too far."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from test_harmony import cells

from cellula.core.dataset import Dataset
from cellula.core.errors import DataError
from cellula.core.run import RunContext
from cellula.data.harmonise.combat import Combat, CombatOptions
from cellula.data.harmonise.harmony import Harmony, HarmonyOptions
from cellula.data.harmonise.mixing import (
    MixingOptions,
    batch_before_after,
    biology,
    mixing,
    neighbours,
    neighbours_kept,
)


def points(n: int = 400, seed: int = 0) -> Any:
    return np.random.default_rng(seed).normal(size=(n, 5))


ONE = np.zeros(400, np.int64)


def test_neighbours_are_the_nearest_others() -> None:
    line = np.array([0.0, 1.0, 3.0, 7.0])[:, None]
    assert neighbours(line, 1).ravel().tolist() == [1, 0, 1, 2]
    same = neighbours(np.zeros((6, 2)), 3)
    assert all(row not in found for row, found in enumerate(same))


def test_mixing_is_one_by_chance_and_zero_apart() -> None:
    batch = np.random.default_rng(1).choice(3, 400, p=[0.6, 0.3, 0.1])
    mixed = mixing(points(), batch, ONE, 20)
    assert mixed.share == pytest.approx(1, abs=0.03)
    assert mixed.rejected < 0.1
    assert mixed.n_profiles == 400
    apart = mixing(points() + 100 * batch[:, None], batch, ONE, 20)
    assert apart.share == pytest.approx(0, abs=0.02)
    assert apart.rejected > 0.9
    half = mixing(points() + 1.0 * batch[:, None], batch, ONE, 20)
    assert apart.share < half.share < mixed.share


def test_mixing_is_judged_within_strata() -> None:
    kind = np.random.default_rng(2).integers(0, 2, 400)
    mostly = np.random.default_rng(3).random(400) < np.where(kind == 0, 0.9, 0.1)
    batch = mostly.astype(np.int64)
    space = points() + 50 * kind[:, None]
    assert mixing(space, batch, ONE, 20).share < 0.5  # cell types differ in their batches
    assert mixing(space, batch, kind, 20).share == pytest.approx(1, abs=0.1)
    assert mixing(space, kind, kind, 20).n_profiles == 0


def test_biology_of_clusters_and_of_noise() -> None:
    labels = np.repeat([0, 1, 2, 3], 100)
    clear = biology(points() + 20 * np.eye(5)[labels], labels)
    assert clear["ari"] == 1
    assert clear["silhouette"] > 0.7
    noise = biology(points(), labels)
    assert abs(noise["ari"]) < 0.05
    assert noise["silhouette"] < 0.05


def test_moving_a_batch_as_a_whole_keeps_its_neighbourhoods() -> None:
    batch = np.repeat([0, 1], 200)
    assert neighbours_kept(points(), points() + 9 * batch[:, None], batch, 15) == 1
    assert neighbours_kept(points(), points(seed=5), batch, 15) == pytest.approx(15 / 199, abs=0.03)


@pytest.mark.requirement("D3")
@pytest.mark.parametrize("transform", ["harmony", "combat"])
def test_a_planted_batch_is_mixed_and_cell_types_are_kept(transform: str, run: RunContext) -> None:
    data = cells(600)
    step: Any = Harmony(HarmonyOptions()) if transform == "harmony" else Combat(CombatOptions())
    evidence = batch_before_after(data, step.fit(data, run).apply(data))
    told = evidence.payload
    assert told["before"]["mixing"] < 0.05
    assert told["before"]["rejected"] > 0.9
    assert told["after"]["mixing"] > (0.9 if transform == "harmony" else 0.8)
    assert told["is_mixed"]
    kept = told["after"]["biology"]["context"]
    assert kept["ari"] > 0.95
    assert kept["silhouette"] > told["before"]["biology"]["context"]["silhouette"]
    assert told["is_biology_kept"]
    assert told["neighbours_kept"] > 0.6
    assert evidence.kind == "batch_before_after"
    assert set(evidence.inputs) == {"before", "after"}
    assert evidence.hash == batch_before_after(data, step.fit(data, run).apply(data)).hash


def _changed(data: Dataset, values: Any) -> Dataset:
    return replace(data, data=AnnData(values, data.obs, data.data.var))


@pytest.mark.requirement("D3")
def test_a_correction_that_erases_biology_is_told() -> None:
    data = cells(600)
    noise = 3 + np.random.default_rng(0).normal(size=(600, 40))
    told = batch_before_after(data, _changed(data, noise)).payload
    assert told["is_mixed"]
    assert not told["is_biology_kept"]
    assert "ari of context fell by" in told["reason"]


@pytest.mark.requirement("D3")
def test_no_correction_is_told() -> None:
    data = cells(600)
    told = batch_before_after(data, data).payload
    assert told["before"] == told["after"]
    assert told["neighbours_kept"] == 1
    assert not told["is_mixed"]
    assert told["reason"].startswith("mixing is 0.0")


def test_what_cannot_be_judged_is_not_judged() -> None:
    data = cells(120)
    table = data.data.copy()
    table.obs["context"] = pd.Categorical(data.labels("batch"))
    del table.obs["perturbation"]
    nested = replace(data, data=table)
    told = batch_before_after(nested, nested).payload
    assert told["is_mixed"] is None
    assert told["before"]["mixing"] is None
    assert "no two batches have 5" in told["reason"]
    del table.obs["context"]
    assert batch_before_after(nested, nested).payload["is_biology_kept"] is None


def test_an_even_sample_and_a_refusal() -> None:
    data = cells(600)
    told = batch_before_after(data, data, MixingOptions(max_profiles=200)).payload
    assert told["n_profiles"] == 200
    whole = batch_before_after(data, data).payload
    assert told["after"]["mixing"] == pytest.approx(whole["after"]["mixing"], abs=0.15)
    with pytest.raises(DataError, match="same profiles in the same order"):
        batch_before_after(data, data.take(np.arange(599, -1, -1)))
