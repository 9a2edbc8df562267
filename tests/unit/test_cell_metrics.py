"""Metrics of single cells: neighbours and a classifier, on populations whose truth is known."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from cellula.core import registry
from cellula.core.prediction import Population
from cellula.evaluation.score import score
from cellula.testing.comparisons import comparison

N = 120
NAMES = ("knn_precision", "knn_recall", "knn_density", "knn_coverage", "two_sample_auroc")


def cells(seed: int, shift: float = 0.0, spread: float = 1.0) -> NDArray[np.float64]:
    return np.random.default_rng(seed).normal(shift, spread, (N, 5))


def value(name: str, observed: NDArray[np.float64], predicted: NDArray[np.float64]) -> float:
    given = comparison(n_units=1)
    one = given.take(np.arange(len(given.groups)) == 0)
    metric: Any = registry.load("metric", name)()

    def population(values: NDArray[np.float64]) -> Population:
        return Population(values, np.zeros(len(values), np.int64))

    asked = replace(one, observed_cells=population(observed), predicted_cells=population(predicted))
    return score(metric, asked).value


@pytest.mark.requirement("E17", "E19")
def test_a_second_sample_is_nearly_right() -> None:
    found = {name: value(name, cells(1), cells(2)) for name in NAMES}
    assert found["knn_precision"] > 0.85
    assert found["knn_recall"] > 0.85
    assert 0.8 < found["knn_density"] < 1.2
    assert found["knn_coverage"] > 0.85
    assert abs(found["two_sample_auroc"] - 0.5) < 0.12


@pytest.mark.requirement("E17")
def test_the_mean_cell_repeated_is_found_out() -> None:
    tiled = np.tile(cells(1).mean(axis=0), (N, 1)) + 1e-6 * cells(3)
    assert value("knn_precision", cells(1), tiled) > 0.9  # it lies where cells are
    assert value("knn_coverage", cells(1), tiled) < 0.35
    assert value("knn_recall", cells(1), tiled) < 0.05
    assert value("knn_density", cells(1), tiled) > 2.0


@pytest.mark.requirement("E19")
@pytest.mark.parametrize(("shift", "spread", "least"), [(1.5, 1.0, 0.95), (0.5, 1.0, 0.65)])
def test_a_shift_is_told_by_a_classifier(shift: float, spread: float, least: float) -> None:
    assert value("two_sample_auroc", cells(1), cells(2, shift, spread)) > least


def test_the_order_of_the_cells_does_not_matter() -> None:
    order = np.random.default_rng(4).permutation(N)
    for name in NAMES:
        straight = value(name, cells(1), cells(2, 0.3))
        assert value(name, cells(1)[order], cells(2, 0.3)) == pytest.approx(straight, abs=1e-6)


def test_few_cells_have_no_value() -> None:
    for name in NAMES:
        assert np.isnan(value(name, cells(1)[:5], cells(2)))


def test_cells_that_are_all_equal_cannot_be_told_apart() -> None:
    assert value("two_sample_auroc", np.ones((10, 3)), np.ones((10, 3))) == 0.5
