"""Weights of units and percentile intervals."""

from __future__ import annotations

import numpy as np
import pytest

from cellula.core.errors import DataError
from cellula.evaluation.bootstrap import interval, unit_weights


def test_every_resample_draws_as_many_units_as_there_are() -> None:
    weights = unit_weights(20, 5000, np.random.default_rng(0))
    assert weights.shape == (5000, 20)
    np.testing.assert_array_equal(weights.sum(axis=1), np.full(5000, 20.0))
    np.testing.assert_allclose(weights.mean(axis=0), 1.0, atol=0.07)
    np.testing.assert_allclose(weights.var(axis=0), 1 - 1 / 20, atol=0.1)
    np.testing.assert_array_equal(weights, unit_weights(20, 5000, np.random.default_rng(0)))


def test_interval_covers_the_mean_at_its_level() -> None:
    """Of 400 samples of 40 numbers, about 95 % of the intervals hold the true mean 0."""
    rng = np.random.default_rng(1)
    n_hits = 0
    for _ in range(400):
        sample = rng.normal(size=40)
        lower, upper = interval(unit_weights(40, 300, rng) @ sample / 40, 0.95)
        n_hits += lower <= 0.0 <= upper
    assert 0.91 <= n_hits / 400 <= 0.98


def test_resamples_without_a_value() -> None:
    values = np.r_[np.arange(60.0), np.full(40, np.nan)]
    lower, upper = interval(values, 0.5)
    assert (lower, upper) == (14.75, 44.25)
    assert np.isnan(interval(np.r_[np.arange(40.0), np.full(60, np.nan)], 0.5)).all()
    assert np.isnan(interval(np.empty(0), 0.5)).all()


def test_wrong_numbers_are_errors() -> None:
    with pytest.raises(DataError, match="0 units"):
        unit_weights(0, 10, np.random.default_rng(0))
    with pytest.raises(DataError, match="between 0 and 1"):
        interval(np.arange(3.0), 95)
