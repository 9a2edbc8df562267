"""Laying observed and predicted side by side."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from anndata import AnnData
from numpy.typing import NDArray

from cellula.core.dataset import Dataset
from cellula.core.errors import DataError
from cellula.core.prediction import Population, Prediction
from cellula.core.query import QueryTable
from cellula.core.value_type import ValueType
from cellula.data.group_means import group_means
from cellula.evaluation.comparison import as_predictions, compare, concatenate
from cellula.evaluation.space import fit_pca

READOUTS = ("a", "b", "c")


def _dataset(*, is_sparse: bool = False, seed: int = 0) -> Dataset:
    """Two perturbations and controls, two contexts, three donors, four cells of each."""
    grid = pd.MultiIndex.from_product(
        [("P", "Q", "control"), ("x", "y"), ("d1", "d2", "d3"), range(4)],
        names=["perturbation", "context", "donor", "cell"],
    )
    obs = grid.to_frame(index=False).drop(columns="cell")
    obs["is_control"] = obs["perturbation"] == "control"
    obs.index = [f"cell{i}" for i in range(len(obs))]
    values = np.random.default_rng(seed).uniform(1.0, 3.0, (len(obs), 3))
    matrix = sp.csr_matrix(values) if is_sparse else values
    return Dataset(AnnData(matrix, obs, pd.DataFrame(index=list(READOUTS))), ValueType.LOG1P)


def _answers(data: Dataset, mean: NDArray[np.float64] | None = None) -> Prediction:
    (answer,) = as_predictions(data)
    return answer if mean is None else replace(answer, mean=mean)


@pytest.mark.parametrize("is_sparse", [False, True])
def test_groups_are_question_within_unit(is_sparse: bool) -> None:
    data = _dataset(is_sparse=is_sparse)
    treated = data.treated
    found = compare(treated, as_predictions(treated), controls=data.controls, unit="donor")
    expected = (
        pd.DataFrame(treated.dense(), columns=list(READOUTS))
        .assign(
            **{name: treated.obs[name].to_numpy() for name in ("perturbation", "context", "donor")}
        )
        .groupby(["perturbation", "context", "donor"])[list(READOUTS)]
        .mean()
    )
    assert len(found.groups) == 12
    assert found.units == ("d1", "d2", "d3")
    keys = [
        *zip(
            found.groups["perturbation"],
            found.groups["context"],
            [found.units[code] for code in found.unit],
            strict=True,
        )
    ]
    np.testing.assert_allclose(found.observed, expected.loc[keys].to_numpy())
    assert found.observed_cells is not None
    assert found.observed_cells.of(0).shape == (4, 3)
    assert found.predicted_cells is not None
    assert found.predicted_cells.of(11).shape == (12, 3)


def test_cells_bring_the_controls_of_their_context() -> None:
    data = _dataset()
    controls = data.controls
    assert controls is not None
    one = compare(data.treated, as_predictions(data.treated), controls=controls, unit="donor")
    joined = concatenate([one, one])
    for found in (one, joined):
        assert found.control_cells is not None
        assert found.control is not None
        for group in range(len(found.groups)):
            context = found.groups["context"].iloc[group]
            own = controls.dense()[(controls.obs["context"] == context).to_numpy()]
            np.testing.assert_array_equal(found.control_cells.of(int(found.control[group])), own)
    assert joined.control is not None
    assert len(np.unique(joined.control)) == 4, "every fold keeps its own controls"


def test_folds_of_single_contexts_keep_their_controls() -> None:
    """A fold that asks of one context may have controls of all of them."""
    data = _dataset()
    treated, controls = data.treated, data.controls
    assert controls is not None
    folds = []
    for context in ("y", "x"):
        part = treated.take((treated.obs["context"] == context).to_numpy())
        folds.append(compare(part, as_predictions(part), controls=controls, unit="donor"))
        assert folds[-1].control_cells is not None
        assert len(folds[-1].control_cells.group) == controls.n_profiles // 2
    joined = concatenate(folds)
    assert joined.control_cells is not None
    assert joined.control is not None
    assert joined.control_units is not None
    for group in range(len(joined.groups)):
        is_own = (controls.obs["context"] == joined.groups["context"].iloc[group]).to_numpy()
        found = joined.control_cells.of(int(joined.control[group]))
        np.testing.assert_array_equal(found, controls.dense()[is_own])
        units = joined.control_units[joined.control_cells.group == joined.control[group]]
        donors = controls.obs["donor"].to_numpy()[is_own]
        assert [joined.units[code] for code in units] == list(donors)


def test_reference_is_the_controls_of_context_and_unit() -> None:
    data = _dataset()
    found = compare(
        data.treated, as_predictions(data.treated), controls=data.controls, unit="donor"
    )
    obs, values = data.obs, data.dense()
    assert found.reference is not None
    for row in range(12):
        rows = (
            data.is_control
            & (obs["context"] == found.groups["context"][row]).to_numpy()
            & (obs["donor"] == found.units[found.unit[row]]).to_numpy()
        )
        np.testing.assert_allclose(found.reference[row], values[rows].mean(axis=0))


def test_reference_without_the_unit_is_that_of_the_context_or_nan() -> None:
    data = _dataset()
    is_left = data.is_control & (data.obs["donor"] == "d1") & (data.obs["context"] == "x")
    controls = data.take(is_left.to_numpy())
    found = compare(data.treated, as_predictions(data.treated), controls=controls, unit="donor")
    assert found.reference is not None
    is_x = (found.groups["context"] == "x").to_numpy()
    np.testing.assert_allclose(found.reference[is_x], np.tile(controls.dense().mean(0), (6, 1)))
    assert np.isnan(found.reference[~is_x]).all()


def test_order_of_profiles_queries_and_readouts_does_not_matter() -> None:
    data = _dataset().treated
    answer = _answers(data, np.arange(12.0).reshape(4, 3))
    straight = compare(data, [answer], controls=None, unit="context")
    order = np.array([2, 0, 1])
    assert answer.cells is not None
    moved = replace(
        answer,
        readouts=tuple(np.array(READOUTS)[order]),
        mean=answer.mean[:, order],
        cells=Population(answer.cells.values[:, order], answer.cells.group),
    )
    halves = [_part(moved, np.array([3, 1])), _part(moved, np.array([0, 2]))]
    shuffled = data.take(np.random.default_rng(3).permutation(data.n_profiles))
    found = compare(shuffled, halves, controls=None, unit="context")
    pd.testing.assert_frame_equal(found.groups, straight.groups)
    np.testing.assert_array_equal(found.predicted, straight.predicted)
    np.testing.assert_allclose(found.observed, straight.observed)
    assert found.predicted_cells is not None
    assert straight.predicted_cells is not None
    for row in range(4):
        mine, other = found.predicted_cells.of(row), straight.predicted_cells.of(row)
        np.testing.assert_array_equal(np.sort(mine, axis=0), np.sort(other, axis=0))


def _part(answer: Prediction, rows: NDArray[np.int64]) -> Prediction:
    assert answer.cells is not None
    blocks = [answer.cells.of(int(row)) for row in rows]
    group = np.repeat(np.arange(len(rows)), [len(block) for block in blocks])
    return Prediction(
        answer.queries.take(rows),
        answer.readouts,
        answer.value_type,
        answer.mean[rows],
        answer.in_domain[rows],
        cells=Population(np.concatenate(blocks), group),
    )


def test_wrong_answers_are_errors_that_name_them() -> None:
    data = _dataset().treated
    answer = _answers(data)
    with pytest.raises(DataError, match="perturbation 'Q', context 'y'"):
        compare(data, [_part(answer, np.arange(3))], controls=None, unit="donor")
    renamed = replace(answer, readouts=("a", "b", "z"), cells=None)
    with pytest.raises(DataError, match=r"1 missing \(c\), 1 not observed \(z\)"):
        compare(data, [renamed], controls=None, unit="donor")
    with pytest.raises(DataError, match="predicted are log2, observed log1p"):
        compare(data, [replace(answer, value_type=ValueType.LOG2)], controls=None, unit="donor")
    with pytest.raises(DataError, match="two different predictions for perturbation 'P'"):
        compare(data, [answer, replace(answer, mean=answer.mean + 1)], controls=None, unit="donor")
    compare(data, [answer, answer], controls=None, unit="donor")
    dosed = QueryTable(answer.queries.perturbation, answer.queries.context, dose_molar=np.ones(4))
    with pytest.raises(DataError, match="columns perturbation, context, the answers"):
        compare(data, [replace(answer, queries=dosed)], controls=None, unit="donor")
    with pytest.raises(DataError, match="no prediction"):
        compare(data, [], controls=None, unit="donor")
    with pytest.raises(DataError, match="no column 'plate'"):
        compare(data, [answer], controls=None, unit="plate")


def test_baseline_interval_and_space() -> None:
    data = _dataset().treated
    answer = _answers(data)
    bounded = replace(answer, lower=answer.mean - 1, upper=answer.mean + 1)
    space = fit_pca(data.values, 2, np.random.default_rng(0))
    found = compare(
        data,
        [bounded],
        controls=None,
        unit="perturbation",
        baseline=[replace(answer, mean=answer.mean * 0)],
        baseline_name="zero",
        space=space,
    )
    assert found.units == ("P", "Q")
    assert found.baseline_name == "zero"
    np.testing.assert_array_equal(found.baseline, np.zeros((4, 3)))
    np.testing.assert_allclose(found.upper, found.predicted + 1)
    assert found.observed_cells is not None
    assert found.predicted_cells is not None
    assert found.observed_cells.of(0).shape == found.predicted_cells.of(0).shape == (12, 2)


def test_single_measurements_have_no_cells() -> None:
    data = _dataset().treated
    first = np.unique(data.queries().keys(), return_index=True)[1]
    single = data.take(first)
    found = compare(single, as_predictions(single), controls=None, unit="context")
    assert found.observed_cells is None
    assert found.predicted_cells is None
    np.testing.assert_array_equal(found.observed, found.predicted)


def test_folds_join_by_the_names_of_units() -> None:
    data = _dataset().treated
    parts = [
        compare(part, as_predictions(part), controls=None, unit="donor")
        for names in (["d2", "d3"], ["d1", "d3"])
        for part in [data.take(data.obs["donor"].isin(names).to_numpy())]
    ]
    parts[0] = replace(parts[0], lower=parts[0].predicted, upper=parts[0].predicted)
    whole = concatenate(parts)
    assert whole.units == ("d1", "d2", "d3")
    assert len(whole.groups) == 16
    names = [part.units[code] for part in parts for code in part.unit]
    assert [whole.units[code] for code in whole.unit] == names
    assert whole.lower is not None
    assert np.isnan(whole.lower[8:]).all()
    assert whole.observed_cells is not None
    assert parts[1].observed_cells is not None
    np.testing.assert_array_equal(whole.observed_cells.of(9), parts[1].observed_cells.of(1))
    with pytest.raises(DataError, match="no comparison"):
        concatenate([])
    with pytest.raises(DataError, match="same readouts"):
        concatenate([parts[0], replace(parts[1], readouts=("c", "b", "a"))])
    with pytest.raises(DataError, match="different baselines"):
        concatenate([parts[0], replace(parts[1], baseline=parts[1].observed, baseline_name="m")])


def test_group_means_of_blocks_and_absent_groups() -> None:
    rng = np.random.default_rng(0)
    values, groups = rng.normal(size=(20_000, 3)), rng.integers(0, 7, 20_000)
    groups[groups == 5] = 4
    found = group_means(sp.csr_matrix(values), groups, 7)
    for code in (0, 4, 6):
        np.testing.assert_allclose(found[code], values[groups == code].mean(axis=0))
    assert np.isnan(found[5]).all()
