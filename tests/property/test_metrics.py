"""Axioms that every metric keeps on whatever numbers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from cellula.core import registry
from cellula.core.comparison import Comparison, GeneSets
from cellula.core.prediction import Population
from cellula.evaluation.bootstrap import unit_weights
from cellula.evaluation.score import bootstrap_values, has_value, score, score_rows
from cellula.kernels.energy import energy_distance
from cellula.kernels.wasserstein import wasserstein_columns

FINITE = st.floats(-100, 100, allow_nan=False, width=32)
NAMES = registry.names("metric")
quick = settings(max_examples=40, deadline=None)


@st.composite
def comparisons(draw: st.DrawFn, has_missing: bool = False) -> Comparison:
    """Up to 12 groups of 1-4 readouts with ties, constants, empty populations and holes."""
    n, d = draw(st.integers(1, 12)), draw(st.integers(1, 4))
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    value = arrays(np.float64, (n, d), elements=FINITE)
    observed, predicted = draw(value), draw(value)
    size = rng.integers(0, 5, n)
    group = np.repeat(np.arange(n), size)
    if has_missing:
        predicted[rng.random(n) < 0.3] = np.nan
    return Comparison(
        groups=pd.DataFrame(
            {
                "perturbation": rng.choice(["A", "B"], n),
                "context": rng.choice(["x", "y"], n),
                "dose_molar": rng.choice([0.0, 1e-9, 1e-8, 1e-6], n),
                "time_s": rng.choice([0.0, 3600.0], n, p=[0.9, 0.1]),
            }
        ),
        unit=rng.integers(0, 3, n),
        units=("u", "v", "w"),
        readouts=tuple(f"g{i}" for i in range(d)),
        observed=observed,
        predicted=predicted,
        lower=predicted - 1,
        upper=predicted + 1,
        reference=draw(value),
        baseline=draw(value),
        baseline_name=draw(st.sampled_from(["b", "mean_response"])),
        observed_cells=Population(rng.normal(size=(len(group), d)), group),
        predicted_cells=Population(rng.normal(size=(len(group), d)), group),
        control_cells=Population(rng.normal(3.0, 1.0, size=(9, d)), np.repeat([0, 1], [8, 1])),
        control=rng.integers(-1, 2, n),
        gene_sets=GeneSets(tuple("abcd"), rng.random((4, d)) < 0.7),
    )


@pytest.mark.parametrize("name", NAMES)
@quick
@given(comparisons(has_missing=True))
def test_no_nan_is_lost(name: str, found: Comparison) -> None:
    """Every group has terms or a reason, every row a value or a reason; no warning, no error."""
    metric = registry.load("metric", name)()
    terms = metric.terms(found)
    np.testing.assert_array_equal(has_value(terms), np.isfinite(terms.values).all(axis=1))
    rows = score_rows(metric, found)
    pairs = set(zip(found.groups["perturbation"], found.groups["context"], strict=True))
    assert {(row.perturbation, row.context) for row in rows} == pairs
    assert all(np.isfinite(row.value) != bool(row.reason) for row in rows)
    whole = score(metric, found, weights=unit_weights(3, 20, np.random.default_rng(0)))
    assert np.isfinite(whole.value) != bool(whole.reason)


#: The ideal of a width is no perfect prediction's; an unbiased estimate is ideal in expectation.
NOT_IDEAL = {"coverage", "interval_width", "interval_score", "crps", "pit_error", "e_distance"}


@pytest.mark.parametrize("name", [name for name in NAMES if name not in NOT_IDEAL])
@quick
@given(comparisons())
def test_a_perfect_prediction_is_ideal(name: str, found: Comparison) -> None:
    metric = registry.load("metric", name)()
    perfect = replace(found, predicted=found.observed, predicted_cells=found.observed_cells)
    value = score(metric, perfect).value
    assert np.isnan(value) or value == pytest.approx(metric.definition.ideal, abs=1e-4)


@pytest.mark.parametrize("name", NAMES)
@quick
@given(comparisons(), st.integers(0, 1000))
def test_weights_of_one_are_the_score(name: str, found: Comparison, seed: int) -> None:
    metric = registry.load("metric", name)()
    value = score(metric, found).value
    (same,) = bootstrap_values(metric, found, np.ones((1, 3)))
    assert np.array_equal(value, same, equal_nan=True)


samples = arrays(
    np.float64, st.tuples(st.integers(2, 12), st.just(3)), elements=st.floats(-50, 50, width=32)
)


@quick
@given(samples, samples)
def test_distances_of_populations(x: np.ndarray, y: np.ndarray) -> None:
    """Symmetric, not negative, 0 for the same cells; the order of the cells does not matter."""
    order = np.random.default_rng(len(x)).permutation(len(x))
    energy, wasserstein = energy_distance(x, y), wasserstein_columns(x, y)
    assert energy >= -1e-9
    assert energy == pytest.approx(energy_distance(y, x), abs=1e-9)
    assert energy == pytest.approx(energy_distance(x[order], y), abs=1e-9)
    assert energy_distance(x, x[order]) == pytest.approx(0.0, abs=1e-9)
    assert (wasserstein >= 0).all()
    np.testing.assert_allclose(wasserstein, wasserstein_columns(y, x), atol=1e-9)
    np.testing.assert_array_equal(wasserstein, wasserstein_columns(x[order], y))
    np.testing.assert_array_equal(wasserstein_columns(x, x[order]), 0.0)


@quick
@given(samples, samples, samples)
def test_wasserstein_keeps_the_triangle(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> None:
    direct = wasserstein_columns(x, z)
    assert (direct <= wasserstein_columns(x, y) + wasserstein_columns(y, z) + 1e-9).all()
