"""Ridge on features of contexts, or of perturbations."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

from cellula.core.dataset import Dataset
from cellula.core.errors import DataError
from cellula.core.model import Explaining
from cellula.core.query import QueryTable
from cellula.core.registry import create
from cellula.core.run import RunContext
from cellula.core.value_type import ValueType
from cellula.models.baselines.features import SideFeatures
from cellula.testing.examples import ic50_table, single_cells


def _unseen_lines(data: Dataset, share: int = 4) -> tuple[Dataset, Dataset, Dataset]:
    code = np.asarray(data.labels("context").codes) % share
    return data.take(code > 1), data.take(code == 1), data.take(code == 0)


def test_unseen_contexts_are_answered_from_their_features(run: RunContext) -> None:
    train, valid, test = _unseen_lines(ic50_table(n_contexts=200))
    error = {}
    for name in ("mean_response", "ridge"):
        fitted = create("model", name).fit(train, valid, run)
        (batch,) = fitted.predict(test.queries(), None, run)
        error[name] = float(np.mean((batch.mean - test.dense()) ** 2))
    assert error["ridge"] < 0.85 * error["mean_response"]


def test_equals_one_ridge_a_drug_on_the_lines_it_was_measured_in(run: RunContext) -> None:
    data = ic50_table()
    fitted = create("model", "ridge", {"penalty": 2.0, "side": "context"}).fit(data, None, run)
    table = data.context_features
    assert table is not None
    x = SideFeatures.of(table, list(table.index)).values
    place = {name: i for i, name in enumerate(table.index)}
    (batch,) = fitted.predict(data.queries(), None, run)
    for drug in ("drug000", "drug007"):
        rows = np.asarray(data.labels("perturbation") == drug)
        own = x[[place[c] for c in data.obs["context"][rows]]]
        y, center = data.dense(rows)[:, 0], own.mean(axis=0)
        left = (own - center).T @ (own - center) + 2.0 * x.shape[1] * np.eye(x.shape[1])
        slope = np.linalg.solve(left, (own - center).T @ (y - y.mean()))
        np.testing.assert_allclose(batch.mean[rows, 0], y.mean() + (own - center) @ slope)


def test_attribution_names_the_planted_feature(run: RunContext) -> None:
    data = ic50_table(n_contexts=200)
    fitted = create("model", "ridge", {"penalty": 1.0}).fit(data, None, run)
    assert isinstance(fitted, Explaining)
    told = fitted.attribute()
    targets = data.perturbation_features
    assert targets is not None
    is_hit = targets["target0"].to_numpy() > 0  # only these drugs meet the mutation
    assert told.rows == tuple(targets.index)
    strength = np.abs(told.values[is_hit])
    assert (strength.argmax(axis=1) == told.features.index("mutated0")).all()
    assert (told.values[is_hit, 0] < -0.3).all()


def test_a_feature_without_variance_has_no_attribution(run: RunContext) -> None:
    data = ic50_table()
    table = data.context_features
    assert table is not None
    flat = replace(data, context_features=table.assign(flat=1.0))
    told = create("model", "ridge").fit(flat, None, run).attribute()
    assert (told.values[:, told.features.index("flat")] == 0).all()


def test_far_features_are_out_of_domain(run: RunContext) -> None:
    data = ic50_table(n_contexts=60)
    table = data.context_features
    assert table is not None
    wide = table.assign(expression=np.linspace(-1, 1, len(table)))
    wide.loc["stranger"] = [*wide.iloc[0, :-1], 40.0]
    fitted = create("model", "ridge").fit(replace(data, context_features=wide), None, run)
    queries = QueryTable.of(["drug000"] * 3, ["line030", "stranger", "never"])
    (batch,) = fitted.predict(queries, None, run)
    assert batch.in_domain.tolist() == [True, False, False]


def test_binary_features_share_a_scale_and_others_have_their_own() -> None:
    table = pd.DataFrame({"rare": [1.0, 0, 0, 0, 0, 0], "often": [1.0, 1, 1, 0, 0, 0]})
    table["expression"], table["flat"] = np.arange(6.0) * 100, 5.0
    found = SideFeatures.of(table.set_axis(list("abcdef")), list("abcdef"))
    span = np.ptp(found.values, axis=0)
    assert span[0] == pytest.approx(span[1])
    assert found.values[:, 2].std() == pytest.approx(1.0)
    assert found.contrast[3] == 0
    assert not found.values[:, 3].any()
    np.testing.assert_array_equal(found.at(["zzz"]), np.zeros((1, 4)))


def test_perturbation_features_predict_unseen_perturbations(run: RunContext) -> None:
    data = single_cells(n_cells=200)
    is_held = np.asarray(data.labels("perturbation") == "G1+G2")
    options = {"side": "perturbation", "penalty": 0.01, "cells": 0}
    fitted = create("model", "ridge", options).fit(data.take(~is_held), None, run)
    (batch,) = fitted.predict(QueryTable.of(["G1+G2", "G3", "G9"], ["type0"] * 3), None, run)
    rows = is_held & np.asarray(data.labels("context") == "type0")
    controls = data.dense(data.is_control & np.asarray(data.labels("context") == "type0"))
    truth = data.dense(rows).mean(axis=0) - controls.mean(axis=0)
    assert np.corrcoef(batch.mean[0] - controls.mean(axis=0), truth)[0, 1] > 0.8
    assert not batch.in_domain[2]
    told = fitted.attribute()
    assert told.rows == data.readouts
    assert told.features == ("go0", "go1", "go2")


def test_without_a_table_of_features_it_says_which(run: RunContext) -> None:
    bare = replace(ic50_table(), context_features=None, perturbation_features=None)
    with pytest.raises(DataError, match="context or perturbation features"):
        create("model", "ridge").fit(bare, None, run)
    with pytest.raises(DataError, match="table of perturbation features"):
        create("model", "ridge", {"side": "perturbation"}).fit(
            replace(ic50_table(), perturbation_features=None), None, run
        )


def test_features_of_other_labels_are_refused(run: RunContext) -> None:
    data = ic50_table()
    table = data.perturbation_features
    assert table is not None
    wrong = replace(data, perturbation_features=table.set_axis([f"x{i}" for i in range(10)]))
    with pytest.raises(DataError, match="same labels"):
        create("model", "ridge", {"side": "perturbation"}).fit(wrong, None, run)


@pytest.mark.data
def test_gdsc_biomarkers(data_dir: Path, run: RunContext) -> None:
    table = pd.read_csv(data_dir / "drug/gdsc/IC50_v17.csv.gz", index_col=0)
    features = pd.read_csv(data_dir / "drug/gdsc/genomic_features_v17.csv.gz", index_col=0)
    features = features.drop(columns="TISSUE_FACTOR").astype(float)
    features.index = features.index.astype(str)
    wanted = {"1036": "BRAF_mut", "1371": "BRAF_mut", "1373": "BRAF_mut", "1047": "TP53_mut"}
    table = table[[f"Drug_{drug}_IC50" for drug in wanted]]
    line, drug = np.nonzero(table.notna().to_numpy())
    obs = pd.DataFrame(
        {
            "perturbation": pd.Categorical.from_codes(drug, list(wanted)),
            "context": pd.Categorical.from_codes(line, list(table.index.astype(str))),
        },
        [str(i) for i in range(len(line))],
    )
    values = table.to_numpy()[line, drug][:, None]
    cells = AnnData(values, obs, pd.DataFrame(index=["ln_ic50"]))
    told = (
        create("model", "ridge")
        .fit(Dataset(cells, ValueType.LN_IC50, features), None, run)
        .attribute()
    )
    for row, name in enumerate(told.rows):
        assert told.features[int(np.abs(told.values[row]).argmax())] == wanted[name]
