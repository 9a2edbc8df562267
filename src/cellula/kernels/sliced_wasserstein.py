"""Sliced Wasserstein distance along fixed directions."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cellula.kernels.sorted_columns import Columns, sorted_columns
from cellula.kernels.wasserstein import wasserstein_sorted

__all__ = ["directions", "projected", "sliced_wasserstein"]

Floats = NDArray[np.float64]


def directions(n_dimensions: int, n_directions: int, key: int) -> Floats:
    """Unit vectors, uniform on the sphere: (directions, dimensions).

    Made by Philox from ``key`` [salmon2011]_: the same for ever, whoever asks and in whatever
    order.
    """
    normal = np.random.Generator(np.random.Philox(key=key)).standard_normal(
        (n_directions, n_dimensions)
    )
    return np.asarray(normal / np.linalg.norm(normal, axis=1, keepdims=True), np.float64)


def sliced_wasserstein(x: Floats, y: Floats, along: Floats) -> float:
    """Mean over directions of the Wasserstein-1 distance of projections [bonneel2015]_.

    x: (n, d), y: (m, d), n, m >= 1; along: (directions, d) unit vectors. In units of the values;
    symmetric, 0 for equal samples, keeps the triangle inequality.
    """
    return float(wasserstein_sorted(projected(x, along), projected(y, along)).mean())


def projected(x: Any, along: Floats) -> Columns:
    """The projections of x (n, d), dense or CSR, on directions (directions, d), sorted."""
    return sorted_columns(x @ along.T)
