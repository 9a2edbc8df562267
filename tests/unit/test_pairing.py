"""Pairs of a mini-batch are the cheapest there are."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import torch

from cellula.models.learned.blocks.pairing import transported


def test_the_pairs_are_the_cheapest_of_all() -> None:
    rng = np.random.default_rng(0)
    start, end = (torch.from_numpy(rng.normal(size=(3, 5, 2))).float() for _ in range(2))
    found = transported(start, end)
    for group in range(3):
        costs = {
            order: float(((start[group, list(order)] - end[group]) ** 2).sum())
            for order in permutations(range(5))
        }
        assert tuple(found[group].tolist()) == min(costs, key=lambda order: costs[order])


def test_cells_that_only_were_shuffled_find_themselves() -> None:
    start = torch.arange(12.0).reshape(1, 6, 2)
    order = torch.tensor([3, 0, 5, 1, 4, 2])
    assert torch.equal(transported(start, start[:, order])[0], order)
