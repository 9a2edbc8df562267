"""Features of several sources: who belongs together, and that the source that knows is used."""

from __future__ import annotations

from dataclasses import replace

import anndata as ad
import numpy as np
import pandas as pd
import pytest

from cellula.core.dataset import Dataset
from cellula.core.registry import create
from cellula.core.run import RunContext
from cellula.core.value_type import ValueType
from cellula.data.knowledge.responses import response_embedding
from cellula.models.baselines.feature_blocks import feature_blocks, unit_scaled


def test_names_that_differ_by_a_number_are_one_block() -> None:
    names = ["response0", "age", "response1", "GO:0006915", "GO:0008283", "weight", "pair7"]
    assert [block.tolist() for block in feature_blocks(names)] == [[0, 2], [1, 5, 6], [3, 4]]
    assert [block.tolist() for block in feature_blocks(["f0", "f1"])] == [[0, 1]]
    assert feature_blocks([]) == ()


def test_a_block_has_rows_of_length_one() -> None:
    block = np.array([[3.0, 4.0], [0.0, 5.0], [100.0, 0.0]])
    scaled = unit_scaled(block, np.array([0, 1]))
    np.testing.assert_allclose(scaled, block / 5.0)
    np.testing.assert_array_equal(
        unit_scaled(np.zeros((2, 2)), np.array([], int)), np.zeros((2, 2))
    )


def lines(seed: int = 0, n: int = 40, rank: int = 3) -> tuple[Dataset, Dataset]:
    """Two cell lines: perturbations alike in one are alike in the other, genes respond anew."""
    rng = np.random.default_rng(seed)
    hidden = rng.normal(size=(n, rank))
    made = []
    for line in range(2):
        delta = hidden @ rng.normal(size=(rank, 80)) + 0.3 * rng.normal(size=80)
        base = 6.0 + rng.normal(size=80)
        cells = [base + 0.5 * rng.normal(size=(20, 80))]
        cells += [base + delta[p] + 0.5 * rng.normal(size=(5, 80)) for p in range(n)]
        names = ["control"] * 20 + [f"P{p:02d}" for p in range(n) for _ in range(5)]
        obs = pd.DataFrame({"perturbation": names, "context": f"line{line}"})
        obs.index = [f"line{line}_{i}" for i in range(len(obs))]
        obs["is_control"] = obs["perturbation"] == "control"
        made.append(Dataset(ad.AnnData(np.concatenate(cells), obs), ValueType.LOG2))
    return made[0], made[1]


def error(kind: str, data: Dataset, run: RunContext) -> float:
    """Squared error of ten unseen perturbations, tuned on ten others."""
    number = np.array([0 if p == "control" else int(str(p)[1:]) for p in data.obs["perturbation"]])
    parts = [number < 20, (number >= 20) & (number < 30), number >= 30]
    is_control = data.is_control
    train, valid, test = (data.take(part & ~is_control | is_control) for part in parts)
    fitted = create("model", kind, {"cells": 0}).fit(train, valid, run)
    asked = test.treated
    (batch,) = fitted.predict(asked.queries(), data.controls, run)
    return float(np.mean((batch.mean - asked.dense()) ** 2))


@pytest.mark.requirement("E5", "K12")
@pytest.mark.parametrize("kind", ["bilinear_ridge", "gp"])
def test_what_perturbations_did_in_another_line_tells_what_they_do_here(
    kind: str, run: RunContext
) -> None:
    other, data = lines()
    noise = np.random.default_rng(1)
    told = response_embedding(other, 4).frame()
    told.columns = pd.Index([f"response{i}" for i in range(4)])
    chance = pd.DataFrame(
        10.0 * noise.normal(size=(len(told), 30)), told.index, [f"pair{i}" for i in range(30)]
    )
    none = error("mean_response", data, run)
    alone = error(kind, replace(data, perturbation_features=told), run)
    both = error(kind, replace(data, perturbation_features=told.join(chance)), run)
    shuffled = told.set_axis(noise.permutation(told.index)).reindex(told.index)
    wrong = error(kind, replace(data, perturbation_features=shuffled), run)
    floor = 0.25  # the noise of single cells
    assert alone - floor < 0.2 * (none - floor)
    assert both - floor < 0.35 * (none - floor)  # a source that says nothing is left out
    assert wrong - floor > 0.7 * (none - floor)
