"""Ridge with missing entries: exactly the ridge on what was measured."""

from __future__ import annotations

import numpy as np
import pytest

from cellula.core.errors import DataError
from cellula.models.baselines.masked_ridge import RidgeProblem


def _direct(x: np.ndarray, y: np.ndarray, alpha: float) -> tuple[float, np.ndarray]:
    """Ridge of one column on its measured rows, the intercept not penalised."""
    rows = np.isfinite(y)
    x, y = x[rows], y[rows]
    center = x.mean(axis=0)
    left = (x - center).T @ (x - center) + alpha * np.eye(x.shape[1])
    slope = np.linalg.solve(left, (x - center).T @ (y - y.mean()))
    return float(y.mean() - center @ slope), slope


@pytest.mark.parametrize("features", [4, 60])
def test_equals_a_ridge_of_every_column_on_its_own_rows(features: int) -> None:
    rng = np.random.default_rng(0)
    x, table = rng.normal(size=(40, features)), rng.normal(size=(40, 7))
    table[rng.random(table.shape) < 0.3] = np.nan
    table[:, 6] = rng.normal(size=40)  # nothing missing
    table[1:, 5] = np.nan  # one value only
    fit = RidgeProblem.of(x).solve(table, 2.5)
    for j in range(7):
        intercept, slope = _direct(x, table[:, j], 2.5)
        assert fit.intercept[j] == pytest.approx(intercept, abs=1e-9)
        np.testing.assert_allclose(fit.coefficients[:, j], slope, atol=1e-9)


def test_a_feature_that_does_not_vary_has_no_coefficient() -> None:
    rng = np.random.default_rng(1)
    x = np.column_stack([rng.normal(size=20), np.full(20, 3.0)])
    fit = RidgeProblem.of(x).solve(x[:, :1] * 2, 1e-6)
    np.testing.assert_allclose(fit.coefficients[:, 0], [2.0, 0.0], atol=1e-5)


def test_a_strong_penalty_gives_the_mean() -> None:
    rng = np.random.default_rng(2)
    x, table = rng.normal(size=(20, 3)), rng.normal(size=(20, 2))
    fitted = RidgeProblem.of(x).solve(table, 1e12).at(x)
    np.testing.assert_allclose(fitted, np.tile(table.mean(axis=0), (20, 1)), atol=1e-6)


def test_an_empty_column_is_named() -> None:
    table = np.ones((5, 2))
    table[:, 1] = np.nan
    with pytest.raises(DataError, match="column 1"):
        RidgeProblem.of(np.arange(5.0)[:, None]).solve(table, 1.0)
