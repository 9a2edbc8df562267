"""Which control cell became which perturbed cell: pairs of a mini-batch."""

from __future__ import annotations

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

__all__ = ["transported"]


def transported(start: Tensor, end: Tensor) -> Tensor:
    """The partner in ``start`` of every row of ``end`` in the exact optimal transport plan.

    start, end: (groups, cells, coordinates), as many of both; pairs are made within a group.
    Returns positions (groups, cells): a permutation p of each group with the least sum over i of
    |start[p(i)] - end[i]|^2 [tong2024]_. Costs are in float64; of equal plans the same is found.
    """
    found = np.empty(end.shape[:2], np.int64)
    for group in range(len(end)):
        x = start[group].detach().cpu().numpy().astype(np.float64)
        y = end[group].detach().cpu().numpy().astype(np.float64)
        square = (y**2).sum(1)[:, None] + (x**2).sum(1)[None] - 2.0 * y @ x.T
        found[group] = linear_sum_assignment(square)[1]
    return torch.from_numpy(found).to(end.device)
