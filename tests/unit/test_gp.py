"""The Gaussian process on drawn functions: what it recovers, and how far it says it can."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from scipy.linalg import cho_factor, cho_solve

from cellula.core.dataset import Dataset
from cellula.core.errors import DataError
from cellula.core.query import QueryTable
from cellula.core.registry import create
from cellula.core.run import RunContext
from cellula.core.value_type import ValueType
from cellula.models.baselines.gaussian_process import fit_gaussian_process
from cellula.testing.examples import single_cells, time_courses

N, READOUTS = 120, 25


def drawn(seed: int) -> Dataset:
    """Responses drawn from a process over two features, and a third that says nothing."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(N, 3))
    square = ((x[:, None, :2] - x[:, :2]) ** 2).sum(axis=2)
    root = np.linalg.cholesky(np.exp(-square / 2) + 1e-9 * np.eye(N))
    effect = (root @ rng.normal(size=(N, 4))) @ (0.4 * rng.normal(size=(4, READOUTS)))
    base = 10.0 + rng.normal(size=READOUTS)
    names = [f"P{i:03d}" for i in range(N)]
    values = np.vstack([base, base + effect + 0.1 * rng.normal(size=effect.shape)])
    obs = pd.DataFrame(
        {
            "perturbation": pd.Categorical(["none", *names]),
            "context": pd.Categorical(["c"] * (N + 1)),
            "is_control": [True, *[False] * N],
        },
        [f"s{i}" for i in range(N + 1)],
    )
    data = AnnData(values, obs, pd.DataFrame(index=[f"g{i}" for i in range(READOUTS)]))
    return Dataset(data, ValueType.LOG1P, None, pd.DataFrame(x, names, ["a", "b", "c"]))


@pytest.mark.requirement("F4")
def test_its_intervals_cover_unseen_perturbations_and_it_beats_the_mean(run: RunContext) -> None:
    covered, ratio = [], []
    for seed in range(4):
        data = drawn(seed)
        hidden = [f"P{i:03d}" for i in range(40)]
        is_hidden = data.obs["perturbation"].isin(hidden).to_numpy()
        train, test = data.take(~is_hidden), data.take(is_hidden)
        asked = test.queries()
        (told,) = (
            create("model", "gp", {"cells": 0})
            .fit(train, None, run)
            .predict(asked, train.controls, run)
        )
        (mean,) = (
            create("model", "mean_response", {"cells": 0})
            .fit(train, None, run)
            .predict(asked, train.controls, run)
        )
        truth = test.dense()
        assert told.lower is not None
        assert told.upper is not None
        covered.append(np.mean((told.lower <= truth) & (truth <= told.upper)))
        ratio.append(np.square(told.mean - truth).mean() / np.square(mean.mean - truth).mean())
    assert 0.85 < np.mean(covered) < 0.95
    assert max(ratio) < 0.5


def test_it_is_the_textbook_process() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40, 2))
    y = np.stack([np.sin(2 * x[:, 0]), rng.normal(size=40)], axis=1)
    y = y - y.mean(axis=0)
    found = fit_gaussian_process([x], y)
    new = rng.normal(size=(5, 2))

    def kernel(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        square = ((a[:, None] - b) ** 2).sum(axis=2)
        return np.exp(-square / (2 * found.lengths[0] ** 2))

    mean, variance = found.at([new], np.ones(5, bool))
    for j in range(2):
        factor = cho_factor(kernel(x, x) + found.noise[j] * np.eye(40))
        cross = kernel(new, x)
        np.testing.assert_allclose(mean[:, j], cross @ cho_solve(factor, y[:, j]), atol=1e-8)
        explained = (cross * cho_solve(factor, cross.T).T).sum(axis=1)
        expected = found.signal[j] * (1 + found.noise[j] - explained)
        np.testing.assert_allclose(variance[:, j], expected, rtol=1e-6)
    assert found.noise[0] < 0.01 * found.noise[1]  # one column is a function, one is noise


def test_a_block_that_says_nothing_is_left_out() -> None:
    rng = np.random.default_rng(1)
    x, junk = rng.normal(size=(80, 2)), rng.normal(size=(80, 3))
    y = np.sin(2 * x[:, :1]) + 0.05 * rng.normal(size=(80, 1))
    found = fit_gaussian_process([x, junk, np.zeros((80, 1))], y - y.mean())
    assert np.isfinite(found.lengths[0])
    assert found.lengths[1] > 3 * found.lengths[0]


def test_the_farther_the_wider_and_a_stranger_has_the_prior(run: RunContext) -> None:
    data = drawn(0)
    table = data.perturbation_features
    assert table is not None
    far = pd.DataFrame([[1.0, 1.0, 0.0], [9.0, 9.0, 9.0]], ["near", "far"], list(table.columns))
    data = replace(data, perturbation_features=pd.concat([table, far]))
    fitted = create("model", "gp", {"cells": 0}).fit(data, None, run)
    asked = QueryTable.of(["near", "far", "nobody"], ["c"] * 3)
    (told,) = fitted.predict(asked, data.controls, run)
    assert told.lower is not None
    assert told.upper is not None
    near, distant, nobody = (told.upper - told.lower).mean(axis=1)
    assert near < 0.7 * distant
    np.testing.assert_allclose(distant, nobody, rtol=1e-3)
    assert told.in_domain.tolist() == [True, False, False]


def test_dose_and_time_are_coordinates(run: RunContext) -> None:
    data = time_courses()
    times = data.obs["time_s"].to_numpy()
    train, test = data.take(times != 1800.0), data.take(times == 1800.0)
    told = [
        b.mean
        for b in create("model", "gp", {}).fit(train, None, run).predict(test.queries(), None, run)
    ]
    error = np.abs(np.concatenate(told) - test.dense()).mean()
    assert error < 0.6 * np.abs(train.dense().mean(axis=0) - test.dense()).mean()


def test_too_many_pseudobulks_are_refused(run: RunContext, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cellula.models.baselines.gp.MAX_GROUPS", 3)
    with pytest.raises(DataError, match="at most 3"):
        create("model", "gp", {}).fit(single_cells(), None, run)
