"""Many least-squares problems at once find what SciPy finds one by one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

from cellula.models.mechanistic.many_least_squares import many_least_squares

X = np.linspace(0.0, 4.0, 20)


def decays(n: int = 30) -> NDArray[np.float64]:
    rng = np.random.default_rng(0)
    level, rate = rng.uniform(1, 3, n), rng.uniform(0.2, 2, n)
    return level[:, None] * np.exp(-rate[:, None] * X) + 0.05 * rng.normal(size=(n, len(X)))


def test_it_finds_what_scipy_finds() -> None:
    y = decays()

    def residuals(
        p: NDArray[np.float64], which: NDArray[np.int64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        gone = np.exp(-p[:, 1:] * X)
        slope = np.stack([gone, -p[:, :1] * X * gone], axis=2)
        return p[:, :1] * gone - y[which], slope

    found = many_least_squares(residuals, np.ones((len(y), 2)))
    for own, data in zip(found, y, strict=True):
        one = least_squares(lambda p, data=data: p[0] * np.exp(-p[1] * X) - data, np.ones(2))
        assert np.allclose(own, one.x, atol=1e-4)


def test_a_problem_does_not_depend_on_the_others() -> None:
    y = decays()

    def solve(rows: NDArray[np.int64]) -> NDArray[np.float64]:
        def residuals(
            p: NDArray[np.float64], which: NDArray[np.int64]
        ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
            gone = np.exp(-p[:, 1:] * X)
            return p[:, :1] * gone - y[rows][which], np.stack([gone, -p[:, :1] * X * gone], axis=2)

        return many_least_squares(residuals, np.ones((len(rows), 2)))

    whole = solve(np.arange(len(y)))
    assert np.allclose(solve(np.array([7]))[0], whole[7], rtol=1e-9)


def test_it_stays_where_no_step_is_better() -> None:
    def residuals(
        p: NDArray[np.float64], which: NDArray[np.int64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        return np.ones((len(p), 3)), np.zeros((len(p), 3, 1))

    assert many_least_squares(residuals, np.full((2, 1), 4.0)).tolist() == [[4.0], [4.0]]
