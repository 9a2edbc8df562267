"""RMSE, R2 and variance explained against scikit-learn."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import r2_score, root_mean_squared_error

from cellula.evaluation.metrics.squared_error import R2, Rmse, VarianceExplained
from cellula.evaluation.score import score
from cellula.testing.comparisons import comparison


@pytest.mark.requirement("E2")
def test_values_equal_scikit_learn() -> None:
    given = comparison(noise=0.7)
    x, y = given.observed, given.predicted
    assert score(Rmse(), given).value == pytest.approx(
        root_mean_squared_error(x.ravel(), y.ravel())
    )
    centred = x - x.mean(axis=0)
    assert score(R2(), given).value == pytest.approx(1 - ((x - y) ** 2).sum() / (centred**2).sum())
    one = replace(
        given,
        readouts=("y",),
        observed=x[:, :1],
        predicted=y[:, :1],
        lower=None,
        upper=None,
        reference=None,
        baseline=None,
        gene_sets=None,
    )
    assert score(R2(), one).value == pytest.approx(r2_score(x[:, 0], y[:, 0]))


def test_variance_explained_is_over_the_named_baseline() -> None:
    given = comparison(noise=0.7)
    assert given.baseline is not None
    error = ((given.observed - given.predicted) ** 2).sum()
    expected = 1 - error / ((given.observed - given.baseline) ** 2).sum()
    assert score(VarianceExplained(), given).value == pytest.approx(expected)
    itself = replace(given, predicted=given.baseline)
    assert score(VarianceExplained(), itself).value == 0.0


def test_constant_observation_has_no_r2() -> None:
    given = comparison()
    flat = replace(given, observed=np.full(given.observed.shape, 0.1))
    found = score(R2(), flat)
    assert np.isnan(found.value)
    assert "observed value that varies" in found.reason
    exact = replace(given, baseline=given.observed)
    assert "baseline that errs" in score(VarianceExplained(), exact).reason
