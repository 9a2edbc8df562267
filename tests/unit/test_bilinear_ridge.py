"""The bilinear model on a planted bilinear truth."""

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
from cellula.models.baselines.bilinear_ridge import bilinear_weights, gene_scores
from cellula.testing.examples import ic50_table, single_cells


def _planted(n_genes: int = 60, n_perturbations: int = 40, rank: int = 3) -> Dataset:
    """delta = center + G W P, with features P of the perturbations and a little noise."""
    rng = np.random.default_rng(0)
    genes = rng.normal(size=(n_genes, rank))
    features = rng.normal(size=(n_perturbations, 4))
    delta = 0.2 * rng.normal(size=n_genes) + features @ rng.normal(size=(4, rank)) @ genes.T
    base = 5.0 + rng.normal(size=n_genes)
    values = np.vstack([base, base + delta + 0.01 * rng.normal(size=delta.shape)])
    names = [f"P{i:02d}" for i in range(n_perturbations)]
    obs = pd.DataFrame(
        {
            "perturbation": ["none", *names],
            "context": "c",
            "is_control": [True, *[False] * len(names)],
        },
        [f"s{i}" for i in range(len(values))],
    )
    data = AnnData(values, obs, pd.DataFrame(index=[f"g{i}" for i in range(n_genes)]))
    table = pd.DataFrame(features, names, [f"f{k}" for k in range(4)])
    return Dataset(data, ValueType.LOG2, None, table)


def test_predicts_unseen_perturbations_of_a_bilinear_truth(run: RunContext) -> None:
    data = _planted()
    is_held = np.arange(data.n_profiles) > 32
    is_valid = ~is_held & (np.arange(data.n_profiles) > 26)
    train, valid, test = (data.take(r) for r in (~is_held & ~is_valid, is_valid, is_held))
    fitted = create("model", "bilinear_ridge").fit(train, valid, run)
    (batch,) = fitted.predict(test.queries(), data.controls, run)
    base = data.dense(data.is_control)
    residual = np.sum((batch.mean - test.dense()) ** 2)
    assert residual < 0.05 * np.sum((test.dense() - base) ** 2)
    shuffled = data.perturbation_features
    assert shuffled is not None
    wrong = replace(train, perturbation_features=shuffled.set_axis(shuffled.index[::-1]))
    (poor,) = (
        create("model", "bilinear_ridge").fit(wrong, None, run).predict(test.queries(), None, run)
    )
    assert np.sum((poor.mean - test.dense()) ** 2) > 5 * residual


def test_a_combination_is_the_sum_of_its_embeddings(run: RunContext) -> None:
    data = _planted()
    fitted = create("model", "bilinear_ridge").fit(data, None, run)
    queries = QueryTable.of(["P00", "P01", "P00+P01", "new", "none"], ["c"] * 5)
    (batch,) = fitted.predict(queries, data.controls, run)
    center, control = batch.mean[3], batch.mean[4]
    np.testing.assert_allclose(batch.mean[2] - center, (batch.mean[:2] - center).sum(axis=0))
    np.testing.assert_allclose(control, data.dense(data.is_control)[0])
    np.testing.assert_allclose(center, data.dense(~data.is_control).mean(axis=0))
    assert batch.in_domain[[0, 1]].all()
    assert not batch.in_domain[3]


def test_without_features_a_perturbation_is_its_genes_scores(run: RunContext) -> None:
    data = replace(_planted(), perturbation_features=None)
    named = data.data.copy()
    labels = named.obs["perturbation"].astype(str).str.replace("P", "g").str.replace("g0", "g")
    named.obs["perturbation"] = labels
    fitted = create("model", "bilinear_ridge").fit(replace(data, data=named), None, run)
    state = fitted.state()
    assert state.arrays["embedding"].shape == (60, 10)
    (batch,) = fitted.predict(QueryTable.of(["g7", "G7"], ["c", "c"]), None, run)
    assert batch.in_domain.tolist() == [True, False]


def test_where_nothing_has_an_embedding_all_is_out_of_domain(run: RunContext) -> None:
    data = replace(single_cells(), perturbation_features=None)
    fitted = create("model", "bilinear_ridge", {"cells": 0}).fit(data, None, run)
    (batch,) = fitted.predict(data.treated.queries(), data.controls, run)
    assert not batch.in_domain.any()


def test_weights_solve_the_two_ridges() -> None:
    rng = np.random.default_rng(1)
    genes, perturbations = rng.normal(size=(30, 3)), rng.normal(size=(20, 2))
    weights = rng.normal(size=(3, 2))
    delta = genes @ weights @ perturbations.T
    np.testing.assert_allclose(bilinear_weights(delta, genes, perturbations, 1e-9), weights)
    small = bilinear_weights(delta, genes, perturbations, 1e6)
    assert np.abs(small).max() < 1e-3


def test_gene_scores_are_principal_components() -> None:
    rng = np.random.default_rng(2)
    profiles = rng.normal(size=(40, 6))
    scores = gene_scores(profiles, 6)
    centred = profiles - profiles.mean(axis=0)
    np.testing.assert_allclose(scores @ scores.T, centred @ centred.T, atol=1e-9)
    assert gene_scores(np.outer(np.arange(5.0), np.ones(3)), 10).shape == (5, 1)


def test_a_table_without_controls_is_refused(run: RunContext) -> None:
    with pytest.raises(DataError, match="have no control"):
        create("model", "bilinear_ridge").fit(ic50_table(), None, run)


def test_an_effect_of_few_cells_counts_less(run: RunContext) -> None:
    rng = np.random.default_rng(3)
    n_genes, n = 40, 30
    features = rng.normal(size=(n, 3))
    delta = features @ rng.normal(size=(3, n_genes))
    sizes = np.where(np.arange(n) % 2 == 0, 2, 200)
    values = [5.0 + 3.0 * rng.normal(size=(300, n_genes))]
    values += [5.0 + delta[p] + 3.0 * rng.normal(size=(sizes[p], n_genes)) for p in range(n)]
    names = ["none"] * 300 + [f"P{p:02d}" for p in range(n) for _ in range(sizes[p])]
    obs = pd.DataFrame({"perturbation": names, "context": "c"})
    obs.index = [f"s{i}" for i in range(len(obs))]
    obs["is_control"] = obs["perturbation"] == "none"
    table = pd.DataFrame(features, [f"P{p:02d}" for p in range(n)], [f"f{k}" for k in range(3)])
    data = Dataset(AnnData(np.concatenate(values), obs), ValueType.LOG2, None, table)
    held = obs["perturbation"].isin([f"P{p:02d}" for p in range(20, n)]).to_numpy()
    errors = []
    for precision in (True, False):
        model = create("model", "bilinear_ridge", {"precision": precision, "rank": 3})
        fitted = model.fit(data.take(~held), None, run)
        queries = QueryTable.of([f"P{p:02d}" for p in range(20, n)], ["c"] * 10)
        errors.append(float(np.mean((fitted.effects(queries).mean - delta[20:]) ** 2)))
    assert errors[0] < 0.9 * errors[1]
