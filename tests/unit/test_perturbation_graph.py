"""The graph model on a planted truth that only a graph can tell."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from numpy.typing import NDArray

from cellula.core.dataset import Dataset
from cellula.core.errors import DataError
from cellula.core.query import QueryTable
from cellula.core.registry import create
from cellula.core.run import RunContext, run_context
from cellula.core.value_type import ValueType
from cellula.models.learned.perturbation_graph import FittedPerturbationGraph
from cellula.testing.examples import single_cells

N, GENES, MODULES, TERMS = 60, 60, 6, 30
QUICK = {"cells": 0, "width": 16, "train": {"epochs": 60, "batch": 64, "learning_rate": 1e-2}}


def planted(seed: int) -> tuple[Dataset, NDArray[np.float64]]:
    """Perturbed genes of six modules; a module has its terms and its programme of readouts.

    Terms are noisy: some of a module's are missing, some of others are there by chance.
    """
    rng = np.random.default_rng(seed)
    module = np.arange(N) % MODULES
    terms = (rng.random((N, TERMS)) < 0.08).astype(float)
    for m in range(MODULES):
        own = np.ix_(np.flatnonzero(module == m), rng.choice(TERMS, 4, replace=False))
        terms[own] = rng.random(terms[own].shape) < 0.8
    programme = rng.normal(size=(MODULES, GENES)) * (rng.random((MODULES, GENES)) < 0.3)
    effect = programme[module] + 0.1 * rng.normal(size=(N, GENES))
    base = 8 + rng.normal(size=GENES)
    names = [f"P{i:02d}" for i in range(N)]
    means = np.concatenate([np.repeat(base[None], 20, axis=0), np.repeat(base + effect, 4, axis=0)])
    labels = ["none"] * 20 + [name for name in names for _ in range(4)]
    obs = pd.DataFrame(
        {
            "perturbation": pd.Categorical(labels),
            "context": pd.Categorical(["c"] * len(labels)),
            "is_control": np.array(labels) == "none",
        },
        [f"s{i}" for i in range(len(labels))],
    )
    values = means + 0.1 * rng.normal(size=means.shape)
    data = AnnData(values, obs, pd.DataFrame(index=[f"g{i}" for i in range(GENES)]))
    table = pd.DataFrame(terms, names, [f"t{i}" for i in range(TERMS)])
    return Dataset(data, ValueType.LOG1P, None, table), effect


def recovered(seed: int, **options: Any) -> float:
    """Correlation of the predicted with the true departures of 12 unseen perturbations."""
    data, effect = planted(seed)
    hidden = [f"P{i:02d}" for i in range(12)]
    train = data.take(~data.obs["perturbation"].isin(hidden).to_numpy())
    fitted = create("model", "perturbation_graph", {**QUICK, **options}).fit(
        train, None, run_context(seed, Path())
    )
    assert isinstance(fitted, FittedPerturbationGraph)
    told = fitted.effects(QueryTable.of(hidden, ["c"] * 12)).mean - fitted.center
    truth = effect[:12] - effect[12:].mean(axis=0)
    if told.std() < 1e-9:
        return 0.0
    return float(np.corrcoef(told.ravel(), truth.ravel())[0, 1])


@pytest.mark.requirement("K12")
def test_the_graph_tells_what_a_shuffled_one_and_none_cannot() -> None:
    assert recovered(2) > 0.8
    assert abs(recovered(2, knowledge="shuffled")) < 0.4
    assert recovered(2, knowledge="none") == 0.0


@pytest.mark.parametrize("options", [{"layer": "attention"}, {"focus": 2.0, "hops": 1}])
def test_every_variant_recovers_it(options: dict[str, Any]) -> None:
    assert recovered(2, **options) > 0.7


def test_an_unknown_gene_has_the_mean_response_and_is_out_of_domain(run: RunContext) -> None:
    data, _ = planted(0)
    fitted = create("model", "perturbation_graph", QUICK).fit(data, None, run)
    asked = QueryTable.of(["stranger", "P01", "P01+P02"], ["c"] * 3)
    (batch,) = fitted.predict(asked, data.controls, run)
    assert batch.in_domain.tolist() == [False, True, True]
    told = fitted.effects(asked).mean - fitted.center
    assert np.abs(told[0]).max() < 1e-12
    assert np.abs(told[1]).max() > 0.1


def test_the_order_of_a_combination_does_not_matter(run: RunContext) -> None:
    data, _ = planted(0)
    options = {"cells": 0, "train": {"epochs": 2}}
    fitted = create("model", "perturbation_graph", options).fit(data, None, run)
    one, two = fitted.effects(QueryTable.of(["P01+P02", "P02+P01"], ["c", "c"])).mean
    np.testing.assert_array_equal(one, two)


def test_validation_chooses_how_much_of_the_departure_is_believed(run: RunContext) -> None:
    data, _ = planted(0)
    label = data.obs["perturbation"]
    is_test = label.isin([f"P{i:02d}" for i in range(12)]).to_numpy()
    is_valid = label.isin([f"P{i:02d}" for i in range(12, 24)]).to_numpy()
    train = data.take(~is_valid & ~is_test)
    valid = data.take(is_valid | data.is_control)
    options = {**QUICK, "knowledge": "shuffled"}
    alone = create("model", "perturbation_graph", options).fit(train, None, run)
    tuned = create("model", "perturbation_graph", options).fit(train, valid, run)
    asked = QueryTable.of([f"P{i:02d}" for i in range(12)], ["c"] * 12)
    loud, quiet = (np.std(fit.effects(asked).mean - fit.center) for fit in (alone, tuned))
    assert quiet < 0.5 * loud


def test_where_validation_responds_like_the_mean_nothing_is_believed(run: RunContext) -> None:
    data, effect = planted(0)
    is_valid = data.obs["perturbation"].isin([f"P{i:02d}" for i in range(12)]).to_numpy()
    train, valid = data.take(~is_valid), data.take(is_valid | data.is_control)
    control = data.controls
    assert control is not None
    other = valid.data.copy()
    other.X[~valid.is_control] = control.dense().mean(axis=0) + effect[12:].mean(axis=0)
    fitted = create("model", "perturbation_graph", QUICK).fit(
        train, replace(valid, data=other), run
    )
    assert fitted.scale < 0.2  # of .55, the spread of the responses


def test_it_says_what_is_missing(run: RunContext) -> None:
    data = single_cells()
    model = create("model", "perturbation_graph", {"train": {"epochs": 1}})
    with pytest.raises(DataError, match="perturbation features"):
        model.fit(replace(data, perturbation_features=None), None, run)
    with pytest.raises(DataError, match="control profiles"):
        model.fit(data.treated, None, run)
    table = pd.DataFrame(np.eye(2), ["X", "Y"], ["a", "b"])
    with pytest.raises(DataError, match="index that table by the same labels"):
        model.fit(replace(data, perturbation_features=table), None, run)
