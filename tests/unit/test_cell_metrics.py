"""Metrics of single cells: neighbours and a classifier, on populations whose truth is known."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from cellula.core import registry
from cellula.core.prediction import Population
from cellula.data.harmonise.mixing import mixing
from cellula.evaluation.metrics import samples
from cellula.evaluation.metrics.nearest_neighbours import MOST
from cellula.evaluation.score import score
from cellula.testing.comparisons import comparison

N = 120
NAMES = (
    "knn_precision",
    "knn_recall",
    "knn_density",
    "knn_coverage",
    "knn_mixing",
    "two_sample_auroc",
)


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


# -- mixing -----------------------------------------------------------------------------------
@pytest.mark.requirement("E5")
def test_mixing_is_one_for_a_second_sample_whatever_the_sizes() -> None:
    for n_observed, n_predicted in ((120, 120), (120, 30), (20, 120)):
        found = [
            value("knn_mixing", cells(seed)[:n_observed], cells(seed + 50)[:n_predicted])
            for seed in range(12)
        ]
        assert np.mean(found) == pytest.approx(1.0, abs=0.03)


@pytest.mark.requirement("E5")
def test_mixing_falls_to_zero_as_populations_part() -> None:
    shifts = (0.0, 0.5, 1.0, 2.0, 8.0)
    for size in (N, 30):
        found = [value("knn_mixing", cells(1), cells(2, shift)[:size]) for shift in shifts]
        assert found == sorted(found, reverse=True)
        assert found[-1] == 0.0
    # a point lies among no cells: only the real ones have it among their neighbours
    assert value("knn_mixing", cells(1), np.tile(cells(1).mean(axis=0), (N, 1))) < 0.6


def test_mixing_is_that_of_batches() -> None:
    """One definition: with its number of neighbours the score of batches is the same."""
    x, y = cells(1), cells(2, 0.4)[:50]
    side = np.repeat([0, 1], [len(x), len(y)])
    of_batches = mixing(np.concatenate([x, y]), side, np.zeros(len(side), np.int64), MOST)
    assert value("knn_mixing", x, y) == pytest.approx(of_batches.share, rel=1e-12)


def test_ties_share_the_places_that_are_left() -> None:
    """All cells equal: every neighbourhood is the whole population, whatever the order."""
    assert value("knn_mixing", np.ones((10, 3)), np.ones((40, 3))) == pytest.approx(1.0)
    grid = np.random.default_rng(0).integers(0, 2, (2, 40, 3)).astype(np.float64)
    straight = value("knn_mixing", grid[0], grid[1])
    assert value("knn_mixing", grid[0][::-1], grid[1]) == pytest.approx(straight, rel=1e-12)


@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith("knn")])
def test_distances_of_many_cells_are_made_block_by_block(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = value(name, cells(1), cells(2, 0.3)[:50])
    monkeypatch.setattr(samples, "MOST_PAIRS", 700)
    assert value(name, cells(1), cells(2, 0.3)[:50]) == pytest.approx(whole, rel=1e-12)
