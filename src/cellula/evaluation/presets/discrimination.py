"""Discrimination: how near a predicted effect lies to its own real effect among all of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

__all__ = ["cosine_rank", "manhattan_rank", "middle_rank"]

Floats = NDArray[np.float64]


def middle_rank(distances: Floats) -> Floats:
    """How many are nearer than the own one, ties counted half: (rows,).

    distances: (rows, rows), the own one on the diagonal.
    """
    own = np.diag(distances)[:, None]
    nearer = (distances < own).sum(axis=1)
    equal = (distances == own).sum(axis=1)
    return np.asarray(nearer + (equal - 1) / 2.0, np.float64)


def cosine_rank(real: Floats, predicted: Floats) -> Floats:
    """1 - k / (n - 1) of every predicted effect, k its middle rank in cosine distance.

    real, predicted: (perturbations, genes). An effect of zero is at distance 1 of all; the score
    of a single perturbation is 1.
    """
    n = len(real)
    if n < 2:
        return np.ones(n)
    norms = np.sqrt((predicted**2).sum(axis=1))[:, None] * np.sqrt((real**2).sum(axis=1))
    similar = predicted @ real.T
    np.divide(similar, norms, out=similar, where=norms != 0)
    similar[norms == 0] = 0.0
    return 1.0 - middle_rank(np.clip(1.0 - similar, 0.0, 2.0)) / (n - 1)


def manhattan_rank(real: Floats, predicted: Floats, own: NDArray[np.int64]) -> Floats:
    """1 - k / n of every predicted effect, k its middle rank in Manhattan distance.

    own: (perturbations,) the gene that is left out of all distances of that row, -1 for none.
    """
    distances = cdist(predicted, real, "cityblock")
    rows = np.flatnonzero(own >= 0)
    distances[rows] -= np.abs(predicted[rows, own[rows]][:, None] - real[:, own[rows]].T)
    return 1.0 - middle_rank(distances) / len(real)
