"""Entropic optimal transport without its bias."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import ot
import pytest
from numpy.typing import NDArray

from cellula.core import registry
from cellula.core.comparison import Comparison
from cellula.core.metric import Score
from cellula.core.prediction import Population
from cellula.evaluation.score import score
from cellula.testing.comparisons import comparison


def _one_group(x: NDArray[np.float64], y: NDArray[np.float64]) -> Comparison:
    given = comparison().take(np.arange(48) == 0)
    return replace(
        given,
        observed_cells=Population(x, np.zeros(len(x), np.int64)),
        predicted_cells=Population(y, np.zeros(len(y), np.int64)),
    )


def _score(x: NDArray[np.float64], y: NDArray[np.float64]) -> Score:
    return score(registry.load("metric", "sinkhorn_divergence")(), _one_group(x, y))


@pytest.mark.requirement("E3", "E13")
def test_little_entropy_is_optimal_transport() -> None:
    """Far apart, the divergence is the squared Wasserstein-2 distance up to the spread."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 3))
    moved = x + np.array([30.0, 0.0, 0.0])
    squared = ot.emd2([], [], ot.dist(x, moved))
    assert squared == pytest.approx(900.0)
    assert _score(x, moved).value == pytest.approx(squared, rel=1e-6)


def test_it_is_the_primal_value() -> None:
    """The potentials give <P, C> + e KL(P | uniform) of the coupling itself."""
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(40, 4)), 0.5 + 1.5 * rng.normal(size=(55, 4))
    entropy = 0.05 * np.median(ot.dist(x, x)[np.triu_indices(40, 1)])

    def cost(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
        c = ot.dist(a, b)
        plan = ot.sinkhorn([], [], c, entropy, numItermax=100_000, stopThr=1e-7)
        kl = (plan * np.log(plan * plan.size, where=plan > 0, out=np.zeros_like(plan))).sum()
        return float((plan * c).sum() + entropy * kl)

    expected = cost(x, y) - (cost(x, x) + cost(y, y)) / 2.0
    assert _score(x, y).value == pytest.approx(expected, rel=1e-4)


def test_an_outlier_does_not_end_in_nan() -> None:
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(30, 2)), rng.normal(size=(30, 2))
    y[0] = 1e3
    assert np.isfinite(_score(x, y).value)


def test_equal_and_constant_cells() -> None:
    x = np.random.default_rng(3).normal(size=(20, 4))
    assert _score(x, x).value == 0.0
    assert _score(np.ones((20, 4)), np.ones((9, 4))).value == 0.0
    assert _score(np.ones((20, 4)), np.zeros((9, 4))).value == pytest.approx(4.0, rel=1e-6)


def test_one_cell_has_a_reason() -> None:
    found = _score(np.ones((20, 4)), np.ones((1, 4)))
    assert np.isnan(found.value)
    assert "fewer than 2" in found.reason
