"""Squared Euclidean distances of all pairs of two samples, by one product of matrices."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["squared_distances"]

Floats = NDArray[np.float64]


def squared_distances(x: Floats, y: Floats) -> Floats:
    """Squared Euclidean distance of every row of x (n, d) from every row of y (m, d): (n, m).

    |x|^2 + |y|^2 - 2 x.y, not below 0: rounding is of the size of the squared lengths, so centre
    samples that lie far from the origin. Not exactly 0 between equal rows.
    """
    lengths = np.square(x).sum(axis=1)[:, None] + np.square(y).sum(axis=1)
    return np.asarray(np.maximum(lengths - 2.0 * (x @ y.T), 0.0), np.float64)
