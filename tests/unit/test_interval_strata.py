"""Coverage by stratum: the number of the metric, split by what the questions are."""

from __future__ import annotations

from dataclasses import replace

import conformal_example as example
import numpy as np
import pytest

from cellula.core.comparison import Comparison
from cellula.core.registry import load
from cellula.core.run import RunContext
from cellula.evaluation.interval_strata import interval_strata, strata_labels
from cellula.evaluation.score import score


def asked(run: RunContext, n_units: int = 120) -> Comparison:
    """Questions whose own intervals are half as wide as they ought to be at every dose."""
    return example.held_out(example.units(n_units, np.random.default_rng(0)), run)


@pytest.mark.requirement("E10")
def test_the_whole_is_the_metric_and_the_strata_are_its_parts(run: RunContext) -> None:
    found = asked(run)
    rows = interval_strata(found, strata_labels(found), np.random.default_rng(1))
    whole = rows[0]
    assert whole.by == "all"
    assert whole.coverage == pytest.approx(score(load("metric", "coverage")(), found).value)
    assert whole.lower < whole.coverage < whole.upper
    assert whole.joint < whole.coverage
    for by in {row.by for row in rows[1:]}:
        parts = [row for row in rows if row.by == by]
        assert sum(row.n_groups for row in parts) == whole.n_groups
        mean = sum(row.n_groups * row.coverage for row in parts) / whole.n_groups
        assert mean == pytest.approx(whole.coverage)
    assert [row.stratum for row in rows if row.by == "dose"] == ["low", "middle", "high"]


def test_a_fault_of_one_stratum_is_seen_there_alone(run: RunContext) -> None:
    found = asked(run)
    high = found.groups["dose_molar"].to_numpy() > 1e-4
    sure = np.where(high[:, None], 0.01, 10.0) * example.SCALES
    found = replace(found, lower=-sure, upper=sure)
    labels = {"dose": np.where(high, "high", "low")}
    rows = {row.stratum: row for row in interval_strata(found, labels, np.random.default_rng(1))}
    assert rows["low"].coverage > 0.95
    assert rows["high"].coverage < 0.1


def test_few_values_are_strata_of_their_own_in_their_order(run: RunContext) -> None:
    found = asked(run)
    doses = np.array([1e-8, 1e-7, 1e-5])[np.arange(len(found.groups)) % 3]
    found = replace(found, groups=found.groups.assign(dose_molar=doses))
    rows = interval_strata(found, strata_labels(found), np.random.default_rng(1))
    names = [row.stratum for row in rows if row.by == "dose"]
    assert names == ["1e-08 mol/l", "1e-07 mol/l", "1e-05 mol/l"]
    assert not [row for row in rows if row.by == "context"]  # there is one


def test_without_intervals_there_is_nothing_to_hold(run: RunContext) -> None:
    found = replace(asked(run), lower=None, upper=None)
    assert interval_strata(found, strata_labels(found), np.random.default_rng(1)) == ()


def test_readouts_that_are_mostly_0_are_told_apart(run: RunContext) -> None:
    """They are held by an interval of no width; the others must not hide behind them."""
    found = asked(run)
    observed, half = found.observed.copy(), np.where(np.arange(6) < 4, 0.0, 0.4 * example.SCALES)
    observed[:, :4] = 0.0
    half = np.tile(half, (len(observed), 1))
    found = replace(found, observed=observed, lower=-half, upper=half)
    rows = {row.stratum: row for row in interval_strata(found, {}, np.random.default_rng(1))}
    assert rows["mostly 0"].coverage == 1.0
    assert rows["others"].coverage < 0.5
    assert rows[""].coverage == pytest.approx((4 + 2 * rows["others"].coverage) / 6)
