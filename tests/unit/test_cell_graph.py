"""Neighbours within groups: the nearest, in order, whatever the size of the group."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from cellula.models.learned.blocks.cell_graph import around, cell_neighbours, group_codes


@pytest.mark.requirement("K2")
def test_the_nearest_of_the_same_group_are_found() -> None:
    rng = np.random.default_rng(0)
    x, group = rng.normal(size=(700, 5)), rng.integers(2, size=700)
    found = cell_neighbours(x, group, 7, rng)
    for cell in range(0, 700, 50):
        far = ((x - x[cell]) ** 2).sum(axis=1)
        far[(group != group[cell]) | (np.arange(700) == cell)] = np.inf
        np.testing.assert_array_equal(found[cell], np.argsort(far, kind="stable")[:7])


def test_a_small_group_has_itself_in_the_places_that_are_left() -> None:
    x = np.array([[0.0], [1.0], [9.0], [5.0]])
    found = cell_neighbours(x, np.array([0, 0, 0, 1]), 4, np.random.default_rng(0))
    assert found.tolist() == [[1, 2, 0, 0], [0, 2, 1, 1], [1, 0, 2, 2], [3, 3, 3, 3]]
    assert cell_neighbours(x, np.zeros(4, np.int64), 0, np.random.default_rng(0)).shape == (4, 0)


def test_a_large_group_is_cut_at_random_and_every_cell_keeps_its_k() -> None:
    x = np.random.default_rng(1).normal(size=(5000, 2))
    none = np.zeros(5000, np.int64)
    first, again = (cell_neighbours(x, none, 3, np.random.default_rng(2)) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert (first != np.arange(5000)[:, None]).all()
    far = np.sqrt(((x[first] - x[:, None]) ** 2).sum(axis=2))
    assert float(np.median(far)) < 0.1


def test_groups_are_distinct_rows_of_labels() -> None:
    one, two = np.array(["a", "a", "b"], object), np.array(["x", "y", "x"], object)
    assert len(set(group_codes(one, None, two))) == 3
    assert group_codes(one, None).tolist() == [0, 0, 1]


def test_what_is_around_is_the_mean_of_the_neighbours() -> None:
    profiles = torch.arange(8.0).reshape(4, 2)
    found = around(profiles, torch.tensor([[1, 3], [0, 0]]))
    torch.testing.assert_close(found, torch.tensor([[4.0, 5.0], [0.0, 1.0]]))
