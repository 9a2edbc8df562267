"""Completion by a Gaussian: conditional means, planted structure, likelihood."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from cellula.core.errors import DataError
from cellula.models.baselines.gaussian_completion import (
    GaussianTable,
    Standard,
    complete,
    expected,
    fit_gaussian,
)


def _gaussian(p: int = 5) -> GaussianTable:
    rng = np.random.default_rng(0)
    factor = rng.normal(size=(p, p))
    return GaussianTable(rng.normal(size=p), rng.normal(size=(2, p)), factor @ factor.T + np.eye(p))


def test_every_entry_is_its_conditional_given_the_others() -> None:
    rng = np.random.default_rng(1)
    model, x, table = _gaussian(), rng.normal(size=(4, 2)), rng.normal(size=(4, 5))
    table[0, [1, 3]] = np.nan
    table[1] = np.nan
    mean, deviation = complete(table, x, model)
    prior = model.prior(x)
    for i in range(4):
        for j in range(5):
            o = [k for k in range(5) if k != j and np.isfinite(table[i, k])]
            c = model.covariance
            weight = np.linalg.solve(c[np.ix_(o, o)], c[o, j]) if o else np.zeros(0)
            wanted = prior[i, j] + weight @ (table[i, o] - prior[i, o])
            assert mean[i, j] == pytest.approx(wanted)
            assert deviation[i, j] ** 2 == pytest.approx(c[j, j] - weight @ c[o, j])
    missing = np.isnan(table)
    np.testing.assert_allclose(expected(table, x, model)[missing], mean[missing])


def test_recovers_a_planted_low_rank_table() -> None:
    rng = np.random.default_rng(2)
    truth = rng.normal(size=(200, 2)) @ rng.normal(size=(2, 12))
    table = truth + 0.1 * rng.normal(size=truth.shape)
    is_held = rng.random(table.shape) < 0.25
    table[is_held] = np.nan
    standard = Standard.of(table)
    z, none = (table - standard.center) / standard.scale, np.zeros((200, 0))
    mean, _ = complete(z, none, fit_gaussian(z, none, 0.1, 1.0, 15))
    error = (mean * standard.scale + standard.center - truth)[is_held]
    assert np.mean(error**2) < 0.05 * np.var(truth[is_held])


def test_every_iteration_raises_the_likelihood_of_what_was_measured() -> None:
    rng = np.random.default_rng(5)
    z = rng.normal(size=(80, 4)) @ rng.normal(size=(4, 4))
    z[rng.random(z.shape) < 0.4] = np.nan
    none, fitted, last = np.zeros((80, 0)), None, -np.inf
    for _ in range(30):
        fitted = fit_gaussian(z, none, 1e-12, 1.0, 1, fitted)
        found = 0.0
        for row in z:
            o = np.flatnonzero(np.isfinite(row))
            if len(o):
                found += multivariate_normal(
                    fitted.intercept[o], fitted.covariance[np.ix_(o, o)]
                ).logpdf(row[o])
        assert found >= last - 1e-8
        last = found


def test_features_speak_for_rows_without_a_measurement() -> None:
    rng = np.random.default_rng(3)
    x = rng.normal(size=(300, 3))
    slope = rng.normal(size=(3, 4))
    z = x @ slope + 0.3 * rng.normal(size=(300, 4))
    fitted = fit_gaussian(z, x, 0.1, 0.01, 5)
    np.testing.assert_allclose(fitted.coefficients, slope, atol=0.1)
    ignored = fit_gaussian(z, x, 0.1, 1e9, 5)
    assert np.abs(ignored.coefficients).max() < 1e-3


def test_a_strong_prior_makes_columns_independent() -> None:
    rng = np.random.default_rng(4)
    z = np.repeat(rng.normal(size=(50, 1)), 3, axis=1) + 0.1 * rng.normal(size=(50, 3))
    none = np.zeros((50, 0))
    tight, loose = (fit_gaussian(z, none, prior, 1.0, 3).covariance for prior in (1e6, 0.1))
    assert abs(tight[0, 1] / tight[0, 0]) < 1e-3
    assert loose[0, 1] / loose[0, 0] > 0.8


def test_columns_with_few_values_lean_on_the_pooled_scale() -> None:
    table = np.array([[0.0, 5.0], [2.0, np.nan], [4.0, np.nan]])
    standard = Standard.of(table)
    assert standard.center.tolist() == [2.0, 5.0]
    assert standard.scale[1] == pytest.approx(2.0)


def test_an_empty_column_is_named() -> None:
    with pytest.raises(DataError, match="column 1"):
        Standard.of(np.array([[1.0, np.nan], [2.0, np.nan]]))


def test_a_constant_table_completes() -> None:
    table = np.full((4, 3), 7.0)
    table[0, 0] = np.nan
    standard = Standard.of(table)
    z = (table - standard.center) / standard.scale
    mean, _ = complete(z, np.zeros((4, 0)), fit_gaussian(z, np.zeros((4, 0)), 0.6, 1.0, 4))
    np.testing.assert_allclose(mean * standard.scale + standard.center, 7.0)
