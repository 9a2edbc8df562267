"""Nearest neighbours: who counts, how much, and what is left where features tell nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

from cellula.core.dataset import Dataset
from cellula.core.errors import DataError
from cellula.core.query import QueryTable
from cellula.core.registry import create
from cellula.core.run import RunContext
from cellula.core.value_type import ValueType
from cellula.models.baselines.knn import FittedKnn
from cellula.models.baselines.neighbourhood import (
    cosines,
    least_neighbourhood,
    neighbour_weights,
)
from cellula.testing.examples import ic50_table, single_cells, time_courses

NO_CELLS = {"cells": 0}


def test_weights_are_a_softmax_over_the_nearest() -> None:
    cosine = np.array([[0.9, 0.5, 0.1, -1.0], [-np.inf] * 4])
    weights = neighbour_weights(cosine, 2, 0.5)
    expected = np.exp(np.array([0.9, 0.5]) / 0.5)
    np.testing.assert_allclose(weights[0], [*(expected / expected.sum()), 0.0, 0.0])
    assert not weights[1].any()


def test_equally_near_items_weigh_the_same_whatever_their_order() -> None:
    weights = neighbour_weights(np.array([[0.5, 0.2, 0.5, 0.5]]), 2, 0.1)
    np.testing.assert_allclose(weights, [[1 / 3, 0.0, 1 / 3, 1 / 3]])


def test_the_cosine_of_nothing_is_zero() -> None:
    x = np.array([[3.0, 4.0], [0.0, 0.0]])
    np.testing.assert_allclose(cosines(x, x), [[1.0, 0.0], [0.0, 0.0]])


def test_departures_that_tell_nothing_get_no_strength() -> None:
    rng = np.random.default_rng(0)
    residual = rng.normal(size=(20, 3))
    assert least_neighbourhood(lambda k, t: -residual, residual).strength == 0.0
    half = least_neighbourhood(lambda k, t: 2.0 * residual, residual)
    assert half.strength == pytest.approx(0.5)


def perturbations(seed: int = 0, noise: float = 0.1) -> Dataset:
    """Forty perturbations of four pathways; features say which, each pathway has a response."""
    rng = np.random.default_rng(seed)
    response = rng.normal(size=(4, 30))
    pathway = np.arange(40) % 4
    labels = [f"P{i:02d}" for i in range(40)]
    values = [np.zeros(30), *(response[pathway] + noise * rng.normal(size=(40, 30)))]
    obs = pd.DataFrame(
        {"perturbation": ["none", *labels], "context": "c", "is_control": [True] + [False] * 40},
        [f"p{i}" for i in range(41)],
    )
    features = np.eye(4)[pathway] + 0.1 * rng.normal(size=(40, 4))
    table = pd.DataFrame(features, labels, ["f0", "f1", "f2", "f3"])
    data = AnnData(np.array(values), obs, pd.DataFrame(index=[f"g{i}" for i in range(30)]))
    return Dataset(data, ValueType.LOG2, perturbation_features=table)


def held_out_errors(data: Dataset, run: RunContext) -> tuple[float, float]:
    """Squared errors of knn and of the mean response on the last eight perturbations."""
    rows = np.arange(data.n_profiles)
    train, valid, test = data.take(rows < 25), data.take((rows >= 25) & (rows < 33)), rows >= 33
    errors = []
    for name in ("knn", "mean_response"):
        fitted = create("model", name, NO_CELLS).fit(train, valid, run)
        (batch,) = fitted.predict(data.take(test).queries(), data.controls, run)
        errors.append(float(np.mean((batch.mean - data.dense(test)) ** 2)))
    return errors[0], errors[1]


@pytest.mark.requirement("K11")
def test_pathways_are_found_and_beat_the_mean(run: RunContext) -> None:
    knn, mean = held_out_errors(perturbations(), run)
    assert knn < 0.1 * mean


def test_features_that_tell_nothing_leave_the_mean(run: RunContext) -> None:
    data = perturbations()
    table = data.perturbation_features
    assert table is not None
    noise = np.random.default_rng(1).normal(size=table.shape)
    shuffled = replace(data, perturbation_features=pd.DataFrame(noise, table.index, table.columns))
    knn, mean = held_out_errors(shuffled, run)
    assert knn < 1.1 * mean


def test_a_perturbation_without_features_gets_the_mean_out_of_domain(run: RunContext) -> None:
    data = perturbations()
    fitted = create("model", "knn", NO_CELLS).fit(data, None, run)
    assert isinstance(fitted, FittedKnn)
    (batch,) = fitted.predict(QueryTable.of(["never", "P00"], ["c", "c"]), data.controls, run)
    np.testing.assert_allclose(batch.mean[0], fitted.center)
    assert batch.in_domain.tolist() == [False, True]


def test_an_unseen_context_follows_the_contexts_with_its_features(run: RunContext) -> None:
    data = ic50_table(n_contexts=120)
    assert data.context_features is not None
    line = data.labels("context").codes
    rows = [line < 70, (line >= 70) & (line < 95), line >= 95]
    train, valid, test = (data.take(part) for part in rows)
    fitted = create("model", "knn", {"side": "context"}).fit(train, valid, run)
    (batch,) = fitted.predict(test.queries(), None, run)
    mean = create("model", "mean_response").fit(train, valid, run)
    (simple,) = mean.predict(test.queries(), None, run)
    errors = [float(np.mean((one.mean - test.dense()) ** 2)) for one in (batch, simple)]
    assert errors[0] < errors[1]
    assert batch.in_domain.mean() > 0.5


def test_a_missing_table_is_named(run: RunContext) -> None:
    with pytest.raises(DataError, match="table of context or perturbation features"):
        create("model", "knn").fit(time_courses(), None, run)
    bare = replace(single_cells(), context_features=None)
    with pytest.raises(DataError, match="table of context features"):
        create("model", "knn", {"side": "context"}).fit(bare, None, run)


def test_a_table_of_other_labels_is_refused(run: RunContext) -> None:
    data = perturbations()
    other = pd.DataFrame([[1.0, 2.0]], ["unrelated"], ["f0", "f1"])
    with pytest.raises(DataError, match="index that table by the same labels"):
        create("model", "knn").fit(replace(data, perturbation_features=other), None, run)
