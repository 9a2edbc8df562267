"""Gradient boosting: our walk is scikit-learn's, interactions are found, doses are told apart."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from sklearn.ensemble import HistGradientBoostingRegressor

from cellula.core.dataset import Dataset
from cellula.core.errors import EngineError
from cellula.core.query import QueryTable
from cellula.core.registry import create
from cellula.core.run import RunContext
from cellula.core.value_type import ValueType
from cellula.models.baselines import boosted_trees
from cellula.models.baselines.boosted_trees import BoostedTrees, Growth
from cellula.models.baselines.gradient_boosting import FittedGradientBoosting
from cellula.testing.examples import ic50_table, time_courses

GROWTH = Growth(trees=40, leaves=8, step=0.1, leaf_rows=5, penalty=1.0)


def problem(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(400, 6))
    x[rng.random(x.shape) < 0.1] = np.nan
    x[:, 3] = 1.0
    x[:, 4] = np.nan
    y = np.column_stack([np.nan_to_num(x[:, 0] * x[:, 1]), np.sin(np.nan_to_num(x[:, 5]))])
    return x, y + 0.1 * rng.normal(size=y.shape)


def test_our_walk_equals_scikit_learn() -> None:
    x, y = problem()
    trees = BoostedTrees.grown(x, y, GROWTH, 0)
    kept = [0, 1, 2, 5]
    for column in range(2):
        theirs = HistGradientBoostingRegressor(
            learning_rate=0.1,
            max_iter=40,
            max_leaf_nodes=8,
            min_samples_leaf=5,
            l2_regularization=1.0,
            early_stopping=False,
            random_state=0,
        ).fit(x[:, kept], y[:, column])
        fresh = problem(1)[0]
        expected = theirs.predict(fresh[:, kept])
        np.testing.assert_allclose(trees.at(fresh)[:, column], expected, atol=1e-6)


def test_the_first_trees_are_those_of_fewer_rounds() -> None:
    x, y = problem()
    few = BoostedTrees.grown(x, y, Growth(10, 8, 0.1, 5, 1.0), 0)
    np.testing.assert_allclose(BoostedTrees.grown(x, y, GROWTH, 0).first(10).at(x), few.at(x))


def test_features_that_do_not_vary_give_the_mean() -> None:
    _, y = problem()
    trees = BoostedTrees.grown(np.full((len(y), 2), np.nan), y, GROWTH, 0)
    np.testing.assert_allclose(trees.at(np.zeros((3, 2))), np.tile(y.mean(axis=0), (3, 1)))


def test_another_layout_of_nodes_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = problem()
    honest = boosted_trees._collected

    def swapped(*arguments: object) -> BoostedTrees:
        trees = honest(*arguments)  # type: ignore[arg-type]
        return BoostedTrees(
            trees.start,
            trees.roots,
            trees.feature,
            trees.threshold,
            trees.missing_left,
            trees.right,
            trees.left,
            trees.value,
        )

    monkeypatch.setattr(boosted_trees, "_collected", swapped)
    with pytest.raises(EngineError, match="pinned version"):
        BoostedTrees.grown(x, y, GROWTH, 0)


@pytest.mark.requirement("K11")
def test_an_interaction_of_line_and_drug_is_found(run: RunContext) -> None:
    data = ic50_table(n_contexts=200, n_perturbations=12)
    line = data.labels("context").codes
    parts = [line < 120, (line >= 120) & (line < 160), line >= 160]
    train, valid, test = (data.take(part) for part in parts)
    errors = []
    for name in ("gradient_boosting", "mean_response"):
        fitted = create("model", name).fit(train, valid, run)
        (batch,) = fitted.predict(test.queries(), None, run)
        errors.append(float(np.mean((batch.mean - test.dense()) ** 2)))
    assert errors[0] < 0.97 * errors[1]  # two thirds of the variance left are the lines' own
    assert batch.in_domain.any()


def doses(seed: int = 0) -> Dataset:
    """Twenty drugs at nine doses; two readouts rise with the dose by a Hill curve."""
    rng = np.random.default_rng(seed)
    half, top = 10 ** rng.uniform(-7, -5, 20), rng.uniform(1.0, 3.0, (20, 2))
    levels = np.array([1e-8, 3e-8, 1e-7, 3e-7, 1e-6, 3e-6, 1e-5, 3e-5, 1e-4])
    drug, level = (part.ravel() for part in np.meshgrid(np.arange(20), levels, indexing="ij"))
    values = top[drug] * (level / (level + half[drug]))[:, None]
    obs = pd.DataFrame(
        {
            "perturbation": [f"d{i:02d}" for i in drug],
            "context": "liver",
            "dose_molar": level,
        },
        [f"p{i}" for i in range(len(drug))],
    )
    data = AnnData(values + 0.05 * rng.normal(size=values.shape), obs)
    return Dataset(data, ValueType.QUANTITY)


def test_an_unseen_dose_lies_between_its_neighbours(run: RunContext) -> None:
    data = doses()
    dose = data.obs["dose_molar"].to_numpy()
    train, valid = data.take((dose != 1e-5) & (dose != 3e-7)), data.take(dose == 3e-7)
    test = data.take(dose == 1e-5)
    fitted = create("model", "gradient_boosting").fit(train, valid, run)
    (batch,) = fitted.predict(test.queries(), None, run)
    (simple,) = (
        create("model", "mean_response").fit(train, valid, run).predict(test.queries(), None, run)
    )
    errors = [float(np.mean((one.mean - test.dense()) ** 2)) for one in (batch, simple)]
    assert errors[0] < 0.7 * errors[1]
    assert batch.in_domain.all()


def test_a_dose_beyond_training_is_out_of_domain(run: RunContext) -> None:
    fitted = create("model", "gradient_boosting").fit(doses(), None, run)
    queries = QueryTable.of(["d00"] * 2, ["liver"] * 2, dose_molar=[3e-6, 1.0])
    (batch,) = fitted.predict(queries, None, run)
    assert batch.in_domain.tolist() == [True, False]


def test_without_a_signal_no_tree_is_kept(run: RunContext) -> None:
    data = ic50_table()
    rng = np.random.default_rng(3)
    data.data.X = rng.normal(size=data.data.shape)
    line = data.labels("context").codes
    fitted = create("model", "gradient_boosting").fit(
        data.take(line < 16), data.take(line >= 16), run
    )
    assert isinstance(fitted, FittedGradientBoosting)
    (batch,) = fitted.predict(data.queries(), None, run)
    assert np.std(batch.mean) < 0.5


def test_more_rows_than_allowed_are_drawn_with_the_seed(run: RunContext) -> None:
    options = {"max_rows": 30, "trees": 5}
    states = [
        create("model", "gradient_boosting", options).fit(time_courses(), None, run).state()
        for _ in range(2)
    ]
    np.testing.assert_array_equal(
        states[0].arrays["tree_threshold"], states[1].arrays["tree_threshold"]
    )
