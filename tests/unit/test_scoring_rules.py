"""Interval score, CRPS and the probability integral transform against numbers made otherwise."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.integrate import quad
from scipy.stats import norm

from cellula.core.comparison import Comparison
from cellula.evaluation.metrics.pit import PitError
from cellula.evaluation.metrics.scoring_rules import Crps, IntervalScore
from cellula.evaluation.metrics.two_piece_normal import TwoPieceNormal
from cellula.evaluation.score import score
from cellula.testing.comparisons import comparison

Floats = NDArray[np.float64]


def forecast(
    middle: Floats, below: float, above: float, observed: Floats, seed: int = 0
) -> Comparison:
    """Observed beside predictions (rows, readouts) with bounds so far below and above."""
    rows, readouts = observed.shape
    given = comparison()
    return replace(
        given,
        groups=given.groups.iloc[np.arange(rows) % len(given.groups)].reset_index(drop=True),
        unit=np.arange(rows),
        units=tuple(map(str, range(rows))),
        readouts=tuple(f"g{i}" for i in range(readouts)),
        observed=observed,
        predicted=middle,
        lower=middle - below,
        upper=middle + above,
        reference=None,
        baseline=None,
        baseline_name="",
        observed_cells=None,
        predicted_cells=None,
        control_cells=None,
        control=None,
        gene_sets=None,
    )


def one(lower: float, middle: float, upper: float) -> TwoPieceNormal:
    return TwoPieceNormal.through(*(np.array([x]) for x in (lower, middle, upper)))


BOUNDS = [(-1.0, 0.0, 1.0), (-0.2, 0.0, 3.0), (-4.0, 1.0, 1.5), (0.0, 0.0, 2.0), (1.0, 5.0, 2.0)]


# -- the distribution -------------------------------------------------------------------------
@pytest.mark.parametrize("bounds", BOUNDS)
def test_bounds_are_quantiles_and_the_prediction_is_the_median(
    bounds: tuple[float, float, float],
) -> None:
    lower, middle, upper = bounds
    made, median = one(*bounds), min(max(middle, lower), upper)
    for x, expected in ((lower, 0.05), (median, 0.5), (upper, 0.95)):
        before, until = (float(side[0]) for side in made.cdf(np.array([x])))
        if x != median:
            assert before == until
            assert until == pytest.approx(expected, abs=1e-12)
        else:
            assert before <= 0.5 <= until


def test_equal_halves_are_a_normal_distribution() -> None:
    x = np.linspace(-4, 4, 41)
    made = TwoPieceNormal.through(*(np.full(41, b) for b in (1 - 1.2, 1.0, 1 + 1.2)))
    expected = norm.cdf(x, 1.0, 1.2 / norm.ppf(0.95))
    np.testing.assert_allclose(made.cdf(x)[1], expected, atol=1e-14)


@pytest.mark.parametrize("bounds", BOUNDS)
@pytest.mark.parametrize("x", [-7.0, -1.0, 0.0, 0.3, 1.0, 2.0, 9.0])
def test_the_closed_form_is_the_integral(bounds: tuple[float, float, float], x: float) -> None:
    made = one(*bounds)

    def until(t: float) -> float:
        return float(made.cdf(np.array([t]))[1][0])

    # a half of no width is a jump at the median: cut there, and where the indicator jumps
    cuts = sorted({-60.0, *bounds, float(made.median[0]), x, 60.0})
    expected = sum(
        quad(lambda t: (until(t) - (t >= x)) ** 2, a, b, limit=200, epsabs=1e-11)[0]
        for a, b in pairwise(cuts)
    )
    assert float(made.crps(np.array([x]))[0]) == pytest.approx(expected, abs=1e-8)


def test_without_a_width_it_is_the_absolute_error() -> None:
    made = TwoPieceNormal.through(np.zeros(3), np.zeros(3), np.zeros(3))
    np.testing.assert_array_equal(made.crps(np.array([-2.0, 0.0, 1.5])), [2.0, 0.0, 1.5])


# -- the metrics ------------------------------------------------------------------------------
def test_values_are_means_over_groups() -> None:
    given = comparison()
    assert given.lower is not None
    assert given.upper is not None
    made = TwoPieceNormal.through(given.lower, given.predicted, given.upper)
    assert score(Crps(), given).value == pytest.approx(made.crps(given.observed).mean())
    y, alpha = given.observed, 0.1
    expected = (
        given.upper
        - given.lower
        + 2 / alpha * (given.lower - y) * (y < given.lower)
        + 2 / alpha * (y - given.upper) * (y > given.upper)
    )
    assert score(IntervalScore(), given).value == pytest.approx(expected.mean())


@pytest.mark.requirement("E14")
@pytest.mark.parametrize("metric", [Crps(), IntervalScore(), PitError()])
def test_the_truth_is_the_best_report(metric: Crps) -> None:
    """Observations with the quantiles of 5 and 95 % at -1 and 3 about the median."""
    rng = np.random.default_rng(0)
    z = rng.normal(size=(4000, 5)) / norm.ppf(0.95)
    observed = np.where(z < 0, z, 3.0 * z)
    middle = np.zeros(observed.shape)
    best = score(metric, forecast(middle, 1.0, 3.0, observed)).value
    for below, above, shift in ((0.6, 1.8, 0), (1.6, 4.8, 0), (2.0, 2.0, 0), (1.0, 3.0, 0.8)):
        wrong = score(metric, forecast(middle + shift, below, above, observed)).value
        assert wrong > best * 1.02


@pytest.mark.requirement("E14")
def test_the_histogram_shows_what_is_wrong() -> None:
    rng = np.random.default_rng(1)
    observed, width = rng.normal(size=(5000, 2)), norm.ppf(0.95)
    middle = np.zeros(observed.shape)

    def shares(scale: float, shift: float = 0.0) -> Floats:
        given = forecast(middle + shift, scale * width, scale * width, observed)
        terms = PitError().terms(given)
        made = norm.cdf(observed, shift, scale)
        expected = np.histogram(made, bins=10, range=(0, 1))[0] / observed.size
        np.testing.assert_allclose(terms.values.mean(axis=0), expected, atol=1e-12)
        value = score(PitError(), given).value
        assert value == pytest.approx(0.5 * np.abs(expected - 0.1).sum())
        return np.asarray(terms.values.mean(axis=0), np.float64)

    assert np.abs(shares(1.0) - 0.1).max() < 0.015
    wide, narrow, high = shares(2.0), shares(0.5), shares(1.0, 1.0)
    assert wide[[0, 9]].max() < 0.1 < wide[[4, 5]].min()
    assert narrow[[4, 5]].max() < 0.1 < narrow[[0, 9]].min()
    assert high[0] > 0.1 > high[9]


def test_an_error_of_chance_shrinks_with_the_observations() -> None:
    """About 1.2 / sqrt(n), as the definition says."""
    rng, width = np.random.default_rng(2), norm.ppf(0.95)
    for n in (100, 1600):
        found = [
            score(
                PitError(), forecast(np.zeros((n, 1)), width, width, rng.normal(size=(n, 1)))
            ).value
            for _ in range(60)
        ]
        assert np.mean(found) == pytest.approx(1.2 / np.sqrt(n), rel=0.1)


def test_a_point_counts_evenly_over_its_jump() -> None:
    observed = np.zeros((3, 1))
    right = forecast(observed, 0.0, 0.0, observed)
    np.testing.assert_allclose(PitError().terms(right).values, 0.1)
    assert score(PitError(), right).value == pytest.approx(0.0, abs=1e-12)
    half = forecast(observed, 0.0, 1.0, observed)  # P(X < 0) = 0, P(X <= 0) = .5
    np.testing.assert_allclose(PitError().terms(half).values[0], [0.2] * 5 + [0.0] * 5)
    wrong = forecast(observed + 1.0, 0.0, 0.0, observed)
    assert score(PitError(), wrong).value == pytest.approx(0.9)
    np.testing.assert_allclose(PitError().terms(wrong).values[0], [1.0] + [0.0] * 9)


def test_groups_without_an_interval_say_so() -> None:
    given = comparison()
    assert given.lower is not None
    lower = given.lower.copy()
    lower[4], lower[5] = np.nan, -np.inf
    for metric in (Crps(), IntervalScore(), PitError()):
        reasons = metric.terms(replace(given, lower=lower)).reasons
        assert reasons[4] == "the prediction has no interval"
        assert reasons[5] == "the lower value is not a number"
        assert set(np.flatnonzero(reasons != "")) == {4, 5}
        none = score(metric, replace(given, lower=None, upper=None))
        assert "has no interval" in none.reason
