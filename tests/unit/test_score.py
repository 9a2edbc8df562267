"""Scores from terms: strata, rows, reasons and intervals over units."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from cellula.core import registry
from cellula.core.comparison import Comparison
from cellula.core.errors import DataError
from cellula.evaluation.bootstrap import unit_weights
from cellula.evaluation.score import bootstrap_values, score, score_rows
from cellula.testing.comparisons import comparison, reorder


def _table(n_drugs: int = 12, n_lines: int = 30, seed: int = 0) -> Comparison:
    """A table of single measurements with holes; the unit is the line."""
    rng = np.random.default_rng(seed)
    drug, line = np.divmod(rng.permutation(n_drugs * n_lines)[: n_drugs * n_lines // 2], n_lines)
    observed = drug[:, None] + rng.normal(size=(len(drug), 1))
    predicted = observed + rng.normal(size=observed.shape)
    return Comparison(
        groups=pd.DataFrame(
            {"perturbation": [f"D{d:02d}" for d in drug], "context": [f"L{i:02d}" for i in line]}
        ),
        unit=line.astype(np.int64),
        units=tuple(f"L{i:02d}" for i in range(n_lines)),
        readouts=("y",),
        observed=observed,
        predicted=predicted,
    )


def test_strata_count_equally() -> None:
    given = _table()
    metric = registry.load("metric", "spearman_within_perturbation")()
    frame = given.groups.assign(x=given.observed[:, 0], y=given.predicted[:, 0])
    expected = [
        stats.spearmanr(part["x"], part["y"]).statistic for _, part in frame.groupby("perturbation")
    ]
    assert score(metric, given).value == pytest.approx(np.mean(expected), abs=1e-12)


@pytest.mark.parametrize("name", ["rmse", "r2", "pearson", "spearman_within_perturbation"])
def test_resampling_is_scoring_the_drawn_groups(name: str) -> None:
    """Weighted sums equal the score of groups that are really repeated as often as drawn."""
    given, metric = _table(), registry.load("metric", name)()
    weights = unit_weights(len(given.units), 4, np.random.default_rng(0))
    found = bootstrap_values(metric, given, weights)
    terms = metric.terms(given)
    for drawn, value in zip(weights, found, strict=True):
        rows = np.repeat(np.arange(len(given.unit)), drawn[given.unit].astype(int))
        rows = rows[terms.reasons[rows] == ""]
        values = [
            metric.finish(terms.values[rows][terms.stratum[rows] == code].sum(axis=0))
            for code in np.unique(terms.stratum)
        ]
        assert value == pytest.approx(np.nanmean(values), abs=1e-10)


def test_units_are_resampled_not_groups() -> None:
    """Twenty copies of each group do not make the interval narrower; as own units they would."""
    given = comparison(n_units=10)
    metric = registry.load("metric", "rmse")()
    copies = reorder(given, np.tile(np.arange(len(given.groups)), 20))
    weights = unit_weights(10, 500, np.random.default_rng(0))
    one, many = (score(metric, part, weights=weights) for part in (given, copies))
    assert (many.lower, many.upper) == pytest.approx((one.lower, one.upper), abs=1e-12)
    n = len(copies.groups)
    wrong = replace(copies, unit=np.arange(n), units=tuple(map(str, range(n))))
    narrow = score(metric, wrong, weights=unit_weights(n, 500, np.random.default_rng(0)))
    assert narrow.upper - narrow.lower < 0.4 * (one.upper - one.lower)


@pytest.mark.requirement("E7")
def test_a_stratum_of_one_unit_is_drawn_as_often_as_the_unit() -> None:
    """Were it only there or not, the interval would be too narrow by about a quarter."""
    given = _table()
    codes = pd.Categorical(given.groups["perturbation"]).codes.astype(np.int64)
    given = replace(given, unit=codes, units=tuple(map(str, range(12))))
    metric = registry.load("metric", "pearson_within_perturbation")()
    weights = unit_weights(12, 20_000, np.random.default_rng(0))
    found = bootstrap_values(metric, given, weights)
    one = np.array([row.value for row in score_rows(metric, given, ("perturbation",))])
    np.testing.assert_allclose(found, weights @ one / 12, atol=1e-12)
    assert found.std() == pytest.approx(one.std() / np.sqrt(12), rel=0.03)


def test_a_stratum_of_several_units_is_in_every_resample_once() -> None:
    """Lines are drawn, drugs are not: a drug counts once however many of its lines are drawn."""
    given, metric = _table(), registry.load("metric", "pearson_within_perturbation")()
    weights = unit_weights(len(given.units), 3, np.random.default_rng(1))
    for drawn, value in zip(weights, bootstrap_values(metric, given, weights), strict=True):
        many = reorder(given, np.repeat(np.arange(len(given.unit)), drawn[given.unit].astype(int)))
        assert value == pytest.approx(score(metric, many).value, abs=1e-12)


def test_blocks_do_not_change_a_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    given = _table()
    metric = registry.load("metric", "spearman_within_perturbation")()
    weights = unit_weights(len(given.units), 50, np.random.default_rng(0))
    whole = bootstrap_values(metric, given, weights)
    monkeypatch.setattr("cellula.evaluation.score.LARGEST_BLOCK", 200)
    np.testing.assert_allclose(bootstrap_values(metric, given, weights), whole, rtol=1e-13)


def test_every_row_is_there() -> None:
    given = comparison()
    given.predicted[:12] = np.nan
    rows = score_rows(registry.load("metric", "rmse")(), given)
    assert [(row.perturbation, row.context) for row in rows] == [
        ("A", "x"),
        ("A", "y"),
        ("B", "x"),
        ("B", "y"),
    ]
    assert np.isnan(rows[0].value)
    assert rows[0].reason == "the predicted value is not a number"
    error = given.observed[12:24] - given.predicted[12:24]
    assert rows[1].value == pytest.approx(np.sqrt((error**2).mean()))
    assert [row.n_groups for row in rows] == [0, 12, 12, 12]


def test_rows_of_one_group_have_no_correlation_but_a_reason() -> None:
    given = _table()
    rows = score_rows(registry.load("metric", "spearman")(), given)
    assert len(rows) == len(given.groups)
    assert all(np.isnan(row.value) and "do not determine spearman" in row.reason for row in rows)


def test_no_value_has_a_reason() -> None:
    given = replace(comparison(), baseline=None, baseline_name="")
    found = score(registry.load("metric", "variance_explained")(), given)
    assert np.isnan(found.value)
    assert "names no baseline" in found.reason
    assert found.n_groups == 0
    empty = reorder(
        replace(comparison(), observed_cells=None, predicted_cells=None), np.empty(0, np.int64)
    )
    for name in registry.names("metric"):
        assert score(registry.load("metric", name)(), empty).reason == "there is no group to score"


def test_one_unit_has_no_interval() -> None:
    given = comparison(n_units=1)
    found = score(registry.load("metric", "rmse")(), given, weights=np.ones((10, 1)))
    assert np.isfinite(found.value)
    assert np.isnan(found.lower)
    assert found.n_units == 1


def test_weights_of_other_units_are_an_error() -> None:
    with pytest.raises(DataError, match="weights for 3 units"):
        bootstrap_values(registry.load("metric", "rmse")(), comparison(), np.ones((5, 3)))
