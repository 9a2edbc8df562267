"""Pair completion: better than offsets on held-out pairs, honest elsewhere."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from scipy.stats import rankdata

from cellula.core.dataset import Dataset
from cellula.core.errors import DataError
from cellula.core.query import QueryTable
from cellula.core.registry import create
from cellula.core.run import RunContext
from cellula.core.value_type import ValueType
from cellula.models.baselines import pair_completion
from cellula.testing.examples import ic50_table


def _low_rank(n: int = 120, p: int = 12, seed: int = 0) -> Dataset:
    """Responses of rank two, a feature of the line driving one factor, with noise."""
    rng = np.random.default_rng(seed)
    feature = (rng.random((n, 5)) < 0.4).astype(float)
    factors = np.column_stack([feature[:, 0] * 2 - 1, rng.normal(size=n)])
    values = rng.normal(size=p) * 2 + factors @ rng.normal(size=(2, p))
    values += 0.2 * rng.normal(size=values.shape)
    line, drug = np.indices(values.shape).reshape(2, -1)
    lines = [f"line{i:03d}" for i in range(n)]
    obs = pd.DataFrame(
        {
            "perturbation": pd.Categorical.from_codes(drug, [f"drug{j:02d}" for j in range(p)]),
            "context": pd.Categorical.from_codes(line, lines),
        },
        [str(i) for i in range(values.size)],
    )
    table = AnnData(values.reshape(-1, 1), obs, pd.DataFrame(index=["ln_ic50"]))
    features = pd.DataFrame(feature, lines, [f"gene{k}_mut" for k in range(5)])
    return Dataset(table, ValueType.LN_IC50, features)


def _split(data: Dataset, seed: int = 7) -> tuple[Dataset, Dataset, Dataset]:
    part = np.random.default_rng(seed).integers(0, 10, data.n_profiles)
    return data.take(part > 1), data.take(part == 1), data.take(part == 0)


def test_completes_held_out_pairs(run: RunContext) -> None:
    train, valid, test = _split(_low_rank())
    error = {}
    for name in ("row_column_offset", "pair_completion"):
        fitted = create("model", name).fit(train, valid, run)
        (batch,) = fitted.predict(test.queries(), None, run)
        error[name] = float(np.mean((batch.mean - test.dense()) ** 2))
        assert batch.in_domain.all()
    assert error["pair_completion"] < 0.25 * error["row_column_offset"]
    assert error["pair_completion"] < 3 * 0.2**2


def test_its_intervals_hold_on_held_out_pairs(run: RunContext) -> None:
    train, valid, test = _split(_low_rank())
    (batch,) = (
        create("model", "pair_completion").fit(train, valid, run).predict(test.queries(), None, run)
    )
    assert batch.lower is not None
    assert batch.upper is not None
    truth = test.dense()
    assert 0.8 < np.mean((truth >= batch.lower) & (truth <= batch.upper)) < 0.98


def test_a_new_context_is_answered_from_its_features(run: RunContext) -> None:
    data = _low_rank()
    is_new = np.asarray(data.labels("context").codes) % 5 == 0
    fitted = create("model", "pair_completion", {"penalty": 0.1}).fit(data.take(~is_new), None, run)
    test = data.take(is_new)
    (batch,) = fitted.predict(test.queries(), None, run)
    (mean,) = (
        create("model", "mean_response")
        .fit(data.take(~is_new), None, run)
        .predict(test.queries(), None, run)
    )
    assert not batch.in_domain.any()
    with_features = np.mean((batch.mean - test.dense()) ** 2)
    assert with_features < 0.8 * np.mean((mean.mean - test.dense()) ** 2)
    (stranger,) = fitted.predict(QueryTable.of(["drug00", "new"], ["x", "x"]), None, run)
    assert not stranger.in_domain.any()


def test_the_best_of_the_candidates_is_chosen(run: RunContext) -> None:
    train, valid, _ = _split(ic50_table())
    model = create("model", "pair_completion", {"prior": 1e6, "penalty": 1e6})
    tuned = model.fit(train, valid, run)
    (good,) = tuned.predict(valid.queries(), None, run)
    untuned = model.fit(train, None, run)
    (poor,) = untuned.predict(valid.queries(), None, run)
    truth = valid.dense()
    assert np.mean((good.mean - truth) ** 2) < 0.7 * np.mean((poor.mean - truth) ** 2)


def test_a_treatment_only_in_valid_is_learned_in_the_last_fit(run: RunContext) -> None:
    train, valid, _ = _split(_low_rank())
    seen = train.take(np.asarray(train.labels("perturbation") != "drug03"))
    fitted = create("model", "pair_completion").fit(seen, valid, run)
    (batch,) = fitted.predict(QueryTable.of(["drug03"], ["line001"]), None, run)
    assert batch.in_domain.all()


def test_the_driving_feature_is_found(run: RunContext) -> None:
    data = _low_rank()
    told = create("model", "pair_completion", {"penalty": 1.0}).fit(data, None, run).attribute()
    assert told.rows[0] == "drug00"
    assert told.features[0] == "gene0_mut"
    assert np.abs(told.values).mean(axis=0).argmax() == 0


def test_works_without_features(run: RunContext) -> None:
    train, valid, test = _split(_low_rank())
    bare = [replace(part, context_features=None) for part in (train, valid)]
    fitted = create("model", "pair_completion").fit(*bare, run)
    (batch,) = fitted.predict(test.queries(), None, run)
    assert np.mean((batch.mean - test.dense()) ** 2) < 3 * 0.2**2


def test_a_table_too_large_is_refused(run: RunContext, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pair_completion, "MAX_TREATMENTS", 11)
    with pytest.raises(DataError, match="12 treatments x 120 contexts"):
        create("model", "pair_completion").fit(_low_rank(), None, run)


@pytest.mark.data
def test_gdsc_unseen_pairs(data_dir: Path, run: RunContext) -> None:
    table = pd.read_csv(data_dir / "drug/gdsc/IC50_v17.csv.gz", index_col=0)
    features = pd.read_csv(data_dir / "drug/gdsc/genomic_features_v17.csv.gz", index_col=0)
    features = features.drop(columns="TISSUE_FACTOR").astype(float)
    features.index = features.index.astype(str)
    line, drug = np.nonzero(table.notna().to_numpy())
    part = np.random.default_rng(7).permutation(len(line)) * 10 // len(line)
    names = [name.split("_")[1] for name in table.columns]
    obs = pd.DataFrame(
        {
            "perturbation": pd.Categorical.from_codes(drug, names),
            "context": pd.Categorical.from_codes(line, list(table.index.astype(str))),
        },
        [str(i) for i in range(len(line))],
    )
    values = table.to_numpy()[line, drug][:, None]
    cells = AnnData(values, obs, pd.DataFrame(index=["ln_ic50"]))
    data = Dataset(cells, ValueType.LN_IC50, features)
    train, valid, test = (data.take(rows) for rows in (part > 1, part == 1, part == 0))
    fitted = create("model", "pair_completion").fit(train, valid, run)
    (batch,) = fitted.predict(test.queries(), None, run)
    base = create("model", "mean_response").fit(train, valid, run)
    (mean,) = base.predict(test.queries(), None, run)
    truth = test.dense()[:, 0]
    residual = np.sum((truth - batch.mean[:, 0]) ** 2)
    assert 1 - residual / np.sum((truth - mean.mean[:, 0]) ** 2) >= 0.60
    codes = np.asarray(test.labels("perturbation").codes)
    ranks = [
        np.corrcoef(rankdata(truth[codes == j]), rankdata(batch.mean[codes == j, 0]))[0, 1]
        for j in range(codes.max() + 1)
        if (codes == j).sum() >= 5
    ]
    assert np.mean(ranks) >= 0.73
