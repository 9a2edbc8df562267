"""The paired test: its level, its direction, and when there is none."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from scipy.stats import binom

from cellula.core import registry
from cellula.core.comparison import Comparison
from cellula.core.metric import Terms
from cellula.evaluation.bootstrap import unit_weights
from cellula.evaluation.paired import PairedTest, adjusted, paired_test

KEY = 17


def beside(observed: NDArray[np.float64], error: NDArray[np.float64]) -> Comparison:
    """One group a unit; the control is 0."""
    n, n_genes = observed.shape
    names = [f"P{i:03}" for i in range(n)]
    return Comparison(
        groups=pd.DataFrame({"perturbation": names, "context": "line"}),
        unit=np.arange(n),
        units=tuple(names),
        readouts=tuple(f"g{i}" for i in range(n_genes)),
        observed=observed,
        predicted=observed + error,
        reference=np.zeros_like(observed),
    )


def outcome(metric: str, one: Comparison, other: Comparison) -> PairedTest:
    weights = unit_weights(len(one.units), 200, np.random.default_rng(0))
    return paired_test(registry.load("metric", metric)(), one, {"other": other}, weights, KEY)


def equals(n_units: int, rng: np.random.Generator) -> tuple[Comparison, Comparison]:
    """Two equally good predictions whose errors are much larger for some units than others."""
    observed = rng.normal(size=(n_units, 5))
    scale = np.exp(rng.normal(size=(2, n_units, 1)))
    first, second = rng.normal(size=(2, n_units, 5)) * scale
    return beside(observed, first), beside(observed, second)


@pytest.mark.requirement("E7")
@pytest.mark.parametrize("n_units", [8, 20, 100])
def test_two_equally_good_predictions_differ_at_the_level(n_units: int) -> None:
    """At .05 the share of false positives lies within its 99.9 % binomial bounds."""
    rng = np.random.default_rng(n_units)
    n = 200
    found = [outcome("rmse", *equals(n_units, rng)) for _ in range(n)]
    assert (
        binom.ppf(0.0005, n, 0.05)
        <= sum(one.p <= 0.05 for one in found)
        <= binom.ppf(0.9995, n, 0.05)
    )


def test_a_percentile_interval_would_find_too_many() -> None:
    """Why p is not read from the interval: at 8 units it excludes no difference too often."""
    rng = np.random.default_rng(8)
    found = [outcome("rmse", *equals(8, rng)) for _ in range(200)]
    n_wrong = sum(not one.lower <= 0.0 <= one.upper for one in found)
    assert n_wrong > binom.ppf(0.9995, 200, 0.05)


@pytest.mark.parametrize("metric", ["rmse", "r2", "pearson_delta", "pearson"])
def test_positive_is_better_whatever_the_direction(metric: str) -> None:
    rng = np.random.default_rng(1)
    observed, error = rng.normal(size=(2, 20, 6))
    good, bad = beside(observed, 0.1 * error), beside(observed, 2.0 * error)
    better, worse = outcome(metric, good, bad), outcome(metric, bad, good)
    assert 0.0 < better.lower < better.difference < better.upper
    assert worse.difference == pytest.approx(-better.difference)
    assert better.p == worse.p < 0.005
    assert better.against == "other"
    assert better.n_units == 20


def test_a_target_is_compared_by_its_distance() -> None:
    """Intervals that hold everything cover more than 90 % and are worse than those that do not."""
    rng = np.random.default_rng(2)
    observed = rng.normal(size=(10, 100))

    def covering(share: float) -> Comparison:
        bound = np.where(rng.random(observed.shape) < share, observed, observed + 1.0)
        part = beside(observed, np.zeros_like(observed))
        return Comparison(
            part.groups, part.unit, part.units, part.readouts, observed, observed, bound, bound
        )

    found = outcome("coverage", covering(0.9), covering(1.0))
    assert found.difference == pytest.approx(0.1, abs=0.02)
    assert found.p < 0.01


def test_few_units_are_exact() -> None:
    """Of 2^6 exchanges of six units, only none and all are as far apart as the best."""
    rng = np.random.default_rng(3)
    observed, error = rng.normal(size=(2, 6, 4))
    found = outcome("rmse", beside(observed, 0.01 * error), beside(observed, error))
    assert found.p == 2 / 2**6


def test_the_same_answer_is_no_better() -> None:
    rng = np.random.default_rng(4)
    for n in (6, 30):
        part = beside(*rng.normal(size=(2, n, 4)))
        found = outcome("rmse", part, part)
        assert (found.difference, found.p) == (0.0, 1.0)


def test_no_p_without_units_or_values() -> None:
    rng = np.random.default_rng(5)
    observed, error = rng.normal(size=(2, 4, 4))
    few = outcome("rmse", beside(observed, error), beside(observed, 2 * error))
    assert np.isnan([few.p, few.lower, few.upper]).all()
    assert few.difference > 0.0
    assert few.reason == "4 units of replication; a test needs 5"
    observed, error = rng.normal(size=(2, 9, 4))
    nothing = beside(observed, np.full_like(error, np.nan))
    known = beside(observed, error)
    assert "no other answer" in outcome("rmse", known, nothing).reason
    assert "the prediction has no value" in outcome("rmse", nothing, known).reason


def test_the_best_of_the_others_is_beaten_or_not() -> None:
    rng = np.random.default_rng(6)
    observed, error = rng.normal(size=(2, 12, 4))
    one, poor, good = (beside(observed, error * size) for size in (0.5, 3.0, 0.4))
    weights = unit_weights(12, 200, rng)
    metric = registry.load("metric", "rmse")()
    found = paired_test(metric, one, {"poor": poor, "good": good}, weights, KEY)
    assert found.against == "good"
    assert found.difference < 0.0


def test_p_is_adjusted_for_the_number_of_metrics() -> None:
    given = [PairedTest("a", p=0.01), PairedTest("b", reason="none"), PairedTest("c", p=0.04)]
    found = adjusted(given)
    assert [one.adjusted for one in found[::2]] == pytest.approx([0.02, 0.04])
    assert np.isnan(found[1].adjusted)
    assert [one.metric for one in found] == ["a", "b", "c"]


def test_a_metric_of_strata_is_exchanged_within_them() -> None:
    """Perturbations are strata, lines are units: the correlation of each stratum is exchanged."""
    rng = np.random.default_rng(7)
    n_lines, n_drugs = 9, 4
    drug, line = np.divmod(np.arange(n_lines * n_drugs), n_lines)
    observed, error = rng.normal(size=(2, len(drug), 1))

    def part(size: float) -> Comparison:
        return Comparison(
            pd.DataFrame({"perturbation": drug.astype(str), "context": line.astype(str)}),
            line,
            tuple(map(str, range(n_lines))),
            ("y",),
            observed,
            observed + size * error,
        )

    found = outcome("spearman_within_perturbation", part(0.1), part(10.0))
    assert (found.n_units, found.against) == (9, "other")
    assert found.difference > 0.3
    assert found.p <= 0.02


class OwnTerms:
    """rmse with columns that only some answers have, as a metric of clusters has."""

    def __init__(self) -> None:
        self.metric = registry.load("metric", "rmse")()
        self.definition = self.metric.definition

    def terms(self, comparison: Comparison) -> Terms:
        found = self.metric.terms(comparison)
        wide = int(comparison.predicted[0, 0] > 100.0)
        more = np.zeros((len(found.values), wide))
        return Terms(np.hstack([found.values, more]), found.reasons, found.stratum)

    def finish(self, sums: NDArray[np.float64]) -> NDArray[np.float64]:
        return self.metric.finish(sums[..., :2])


def test_answers_with_terms_of_their_own_have_no_p() -> None:
    """Clusters are each answer's own, and so are the terms that count them."""
    observed = np.random.default_rng(4).normal(size=(12, 5))
    one, other = (beside(observed, np.full_like(observed, shift)) for shift in (0.1, 200.0))
    weights = unit_weights(12, 200, np.random.default_rng(0))
    found = paired_test(OwnTerms(), one, {"other": other}, weights, KEY)
    assert "terms of their own" in found.reason
    assert np.isnan(found.p)
    assert found.difference > 0
