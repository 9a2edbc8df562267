"""Which controls stand beside the cells of a group: those of its unit, or of its context."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from scipy.stats import mannwhitneyu, ttest_ind

from cellula.core.comparison import Comparison
from cellula.core.dataset import Dataset
from cellula.core.errors import DataError
from cellula.core.prediction import Population
from cellula.core.value_type import ValueType
from cellula.evaluation.comparison import as_predictions, compare
from cellula.evaluation.folds import concatenate
from cellula.evaluation.metrics.control_cells import arms_of, batches
from cellula.evaluation.metrics.de_table import observed_tested, predicted_tested
from cellula.evaluation.metrics.de_weights import de_weights

#: Controls of the donors a and b; c has too few to stand alone.
CONTROLS = {"a": 30, "b": 20, "c": 6}
GENES, CELLS = 6, 25


def screen() -> Dataset:
    """Two perturbations in three donors that differ much; the cells in a random order."""
    rng = np.random.default_rng(0)
    rows = [
        ("control", donor, context)
        for donor, n in CONTROLS.items()
        for context in "xy"
        for _ in range(n)
    ]
    rows += [(p, donor, context) for p in "pq" for donor in CONTROLS for context in "xy"] * CELLS
    obs = pd.DataFrame(rows, columns=["perturbation", "donor", "context"])
    obs["is_control"] = obs["perturbation"] == "control"
    values = rng.normal(3.0, 0.5, (len(obs), GENES))
    values[:, 0] += obs["donor"].map({"a": 0.0, "b": 2.0, "c": 4.0}).to_numpy()
    values[:, 1] += 2.0 * (obs["perturbation"] == "p").to_numpy()
    order = rng.permutation(len(obs))
    obs = obs.iloc[order].reset_index(drop=True)
    obs.index = obs.index.astype(str)
    var = pd.DataFrame(index=[f"g{i}" for i in range(GENES)])
    return Dataset(AnnData(values[order], obs, var), ValueType.LOG2)


def given(data: Dataset, unit: str = "donor") -> Comparison:
    answers = as_predictions(data.treated)
    return compare(data.treated, answers, controls=data.controls, unit=unit)


@pytest.mark.requirement("E12")
def test_observed_cells_stand_beside_the_controls_of_their_unit() -> None:
    data = screen()
    found = given(data)
    assert found.observed_cells is not None
    observed, predicted, weights = (
        observed_tested(found),
        predicted_tested(found),
        de_weights(found),
    )
    control = data.obs[data.is_control]
    for group, row in found.groups.iterrows():
        place = int(str(group))
        unit = found.units[found.unit[place]]
        is_context = (control["context"] == row["context"]).to_numpy()
        is_own = is_context & (control["donor"] == unit).to_numpy()
        values = data.dense()[data.is_control]
        base = values[is_own if unit in "ab" else is_context]
        cells = found.observed_cells.of(place)
        p = mannwhitneyu(cells, base, method="asymptotic").pvalue
        np.testing.assert_allclose(observed.p[place], p, rtol=1e-10)
        t = np.abs(ttest_ind(cells, base, equal_var=False).statistic)
        w = ((t - t.min()) / (t.max() - t.min())) ** 2
        np.testing.assert_allclose(weights.values[place], w / w.sum(), rtol=1e-8, atol=1e-14)
    own = observed.significant[[found.units[unit] in "ab" for unit in found.unit]]
    assert own[:, 1].sum() == 4  # p in both donors and contexts
    assert own[:, 0].sum() == 0  # donors differ there, perturbations do not
    assert predicted.p[:, 0].min() > 1e-3  # a prediction serves all donors, as do its controls


def test_without_units_of_controls_all_of_the_context_stand_there() -> None:
    data = screen()
    pooled = replace(given(data), control_units=None)
    tested = observed_tested(pooled)
    assert tested.significant[:, 0].sum() >= 8  # what differs between donors is called
    assert given(data, "perturbation").control_units is None
    bare = Dataset(
        AnnData(data.dense(), data.obs.drop(columns="donor"), data.data.var), ValueType.LOG2
    )
    assert given(bare, "perturbation").control_units is None


def test_units_are_in_the_order_of_the_cells_of_controls() -> None:
    data = screen()
    found = given(data)
    assert found.control_units is not None
    assert found.control_cells is not None
    control = data.obs[data.is_control]
    values = data.dense()[data.is_control]
    for cell in (0, 17, 60, 111):
        (row,) = np.flatnonzero((values == found.control_cells.values[cell]).all(axis=1))
        assert found.units[found.control_units[cell]] == control["donor"].iloc[row]
    with pytest.raises(DataError, match="units of controls"):
        replace(found, control_units=found.control_units[:-1])


def test_folds_keep_the_units_of_their_controls() -> None:
    data = screen()
    one = given(data.take((data.obs["donor"] != "a").to_numpy()))
    two = given(data.take((data.obs["donor"] != "c").to_numpy()))
    assert (one.units, two.units) == (("b", "c"), ("a", "b"))
    joined = concatenate([one, replace(two, control_units=None)])
    assert joined.control_units is not None
    assert one.control_units is not None
    n = len(one.control_units)
    assert np.array_equal(joined.control_units[:n], one.control_units + 1)
    assert (joined.control_units[n:] == -1).all()
    both = concatenate([one, two])
    tested = observed_tested(both).p
    np.testing.assert_array_equal(tested[: len(one.groups)], observed_tested(one).p)
    np.testing.assert_array_equal(tested[len(one.groups) :], observed_tested(two).p)


def test_batches_hold_every_group_once_whatever_their_size(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = given(screen())
    for most in (1, 60, 10_000):
        monkeypatch.setattr("cellula.evaluation.metrics.control_cells.CELLS", most)
        arms = arms_of(found, "observed")
        assert not isinstance(arms, str)
        said = arms_of(found, "predicted")
        assert not isinstance(said, str)
        assert arms.control_units is not None
        assert said.control_units is None
        reasons = np.full(len(found.groups), "", object)
        parts = list(batches(arms, reasons))
        groups = np.concatenate([part.groups for part in parts])
        assert sorted(groups) == list(range(len(found.groups)))
        assert all(part.cells.shape[0] == part.sizes.sum() for part in parts)


def test_a_unit_that_is_no_unit_of_the_groups_serves_its_context() -> None:
    data = screen()
    others = data.take((~data.is_control) & (data.obs["donor"] == "a").to_numpy() | data.is_control)
    found = given(others)
    assert found.units == ("a",)
    assert found.control_units is not None
    assert set(found.control_units) == {-1, 0}
    cells = Population(found.control_cells.values, found.control_cells.group)  # type: ignore[union-attr]
    none = replace(found, control_cells=cells, control_units=np.full(len(cells.group), -1))
    pooled = replace(found, control_units=None)
    np.testing.assert_array_equal(observed_tested(none).p, observed_tested(pooled).p)
