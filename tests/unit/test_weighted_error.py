"""Weights by differential expression, and the errors that they weigh."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.typing import NDArray
from perturbation_example import against, as_means, cells
from scipy.stats import ttest_ind

from cellula.core.comparison import Comparison
from cellula.core.prediction import Population
from cellula.evaluation.metrics import control_cells
from cellula.evaluation.metrics import de_weights as module
from cellula.evaluation.metrics.de_weights import de_weights
from cellula.evaluation.metrics.weighted_error import R2Weighted, WeightedMse
from cellula.evaluation.score import score, score_rows
from cellula.testing.comparisons import comparison


@pytest.fixture(scope="module")
def given() -> Comparison:
    return against(cells(2), cells(1))


def plain_weights(given: Comparison) -> NDArray[np.float64]:
    assert given.observed_cells is not None
    assert given.control_cells is not None
    assert given.control is not None
    rows = []
    for group in range(len(given.groups)):
        base = given.control_cells.of(int(given.control[group]))
        with np.errstate(invalid="ignore"):
            t = np.abs(ttest_ind(given.observed_cells.of(group), base, equal_var=False).statistic)
        t = np.nan_to_num(t)
        w = ((t - t.min()) / (t.max() - t.min())) ** 2
        rows.append(w / w.sum())
    return np.array(rows)


@pytest.mark.requirement("E14", "E15")
def test_values_are_those_of_scipy(given: Comparison) -> None:
    w = plain_weights(given)
    np.testing.assert_allclose(de_weights(given).values, w, rtol=1e-9, atol=1e-14)
    np.testing.assert_allclose(w.sum(axis=1), 1.0)
    error = (w * (given.observed - given.predicted) ** 2).sum(axis=1)
    assert score(WeightedMse(), given).value == pytest.approx(error.mean(), rel=1e-9)
    assert given.reference is not None
    change = given.observed - given.reference
    spread = (w * (change - (w * change).sum(axis=1, keepdims=True)) ** 2).sum(axis=1)
    value = score(R2Weighted(), given).value
    assert value == pytest.approx(1 - error.sum() / spread.sum(), rel=1e-9)
    rows = [row.value for row in score_rows(R2Weighted(), given)]
    np.testing.assert_allclose(rows, 1 - error / spread, rtol=1e-9)


def test_dense_cells_and_blocks_are_the_same(
    given: Comparison, monkeypatch: pytest.MonkeyPatch
) -> None:
    sparse = de_weights(given).values
    monkeypatch.setattr(module, "ROWS", 17)
    monkeypatch.setattr(control_cells, "CELLS", 70)
    assert given.observed_cells is not None
    own = given.observed_cells
    dense = replace(given, observed_cells=Population(own.values.toarray(), own.group))
    assert sp.issparse(own.values)
    assert np.array_equal(de_weights(dense).values, sparse)


def test_a_mean_is_enough_and_weights_are_of_the_observed_side(given: Comparison) -> None:
    mean = as_means(given, given.predicted)
    for metric in (WeightedMse(), R2Weighted()):
        assert score(metric, mean).value == score(metric, given).value
    other = replace(given, predicted=given.predicted + 1.0, predicted_cells=None)
    assert np.array_equal(de_weights(other).values, de_weights(given).values)


def test_no_change_and_the_same_change_everywhere_are_worth_nothing(given: Comparison) -> None:
    assert given.reference is not None
    assert score(R2Weighted(), given).value > 0.5
    assert score(R2Weighted(), as_means(given, given.reference)).value < 0.0
    for shift in (-0.5, 0.1, 0.5, 2.0):
        assert score(R2Weighted(), as_means(given, given.reference + shift)).value <= 0.0
    tripled = as_means(given, given.reference + 3.0 * (given.predicted - given.reference))
    assert score(R2Weighted(), tripled).value < score(R2Weighted(), given).value
    assert score(WeightedMse(), tripled).value > score(WeightedMse(), given).value


def test_reasons(given: Comparison) -> None:
    none = replace(given, control_cells=None, control=None)
    assert "there are no cells of controls" in score(WeightedMse(), none).reason
    assert (
        "no controls to take a change" in score(R2Weighted(), replace(none, reference=None)).reason
    )
    bare = replace(given, observed_cells=None)
    assert "there are no observed cells" in score(R2Weighted(), bare).reason
    assert given.control is not None
    control = given.control.copy()
    control[0] = -1
    terms = WeightedMse().terms(replace(given, control=control))
    assert terms.reasons[0] == "the group's context has no control cells"
    assert (terms.reasons[1:] == "").all()


def test_cells_in_another_space_are_refused() -> None:
    given = comparison()
    assert given.observed_cells is not None
    assert given.control_cells is not None

    def projected(cells: Population) -> Population:
        return Population(cells.values[:, :2], cells.group)

    moved = replace(
        given,
        observed_cells=projected(given.observed_cells),
        control_cells=projected(given.control_cells),
    )
    assert "2 coordinates, not the 5 readouts" in score(WeightedMse(), moved).reason


def test_cells_that_cannot_be_weighed_say_so() -> None:
    given = comparison()
    assert given.observed_cells is not None
    assert given.control_cells is not None
    values = given.observed_cells.values.copy()
    group = given.observed_cells.group
    values[group == 1] = 1.0 + np.arange(5)  # no spread, but the controls have some
    values[np.flatnonzero(group == 2)[0], 3] = np.nan
    kept = (group != 3) | (np.arange(len(group)) == np.flatnonzero(group == 3)[0])
    spoiled = replace(given, observed_cells=Population(values[kept], group[kept]))
    reasons = de_weights(spoiled).reasons
    assert reasons[1] == ""
    assert reasons[2] == "a cell of the observed side has a value that is no number"
    assert reasons[3] == "fewer than 2 observed cells"
    still = Population(np.ones_like(given.control_cells.values), given.control_cells.group)
    alike = replace(
        spoiled,
        control_cells=still,
        observed_cells=Population(np.ones((96, 5)), np.repeat(np.arange(48), 2)),
    )
    assert set(de_weights(alike).reasons) == {"all readouts differ alike from control"}
