"""Where a clustering on the unit sphere starts: k-means++ seeds, then Lloyd's rounds."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

__all__ = ["first_centroids", "random_orders"]

#: Starts of which the best is kept, and the most rounds of each.
STARTS, ROUNDS = 5, 25


def first_centroids(
    points: NDArray[np.float64], n_clusters: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Centroids (clusters, components) of length 1 for points of length 1.

    Spherical k-means [dhillon2001]_, seeded by k-means++: the best of five starts
    by the sum of cosines.
    """
    tried = [_lloyd(points, _seeds(points, n_clusters, rng)) for _ in range(STARTS)]
    return max(tried, key=lambda found: found[0])[1]


def random_orders(n: int, rng: np.random.Generator) -> Iterator[NDArray[np.int64]]:
    """Endless random permutations of 0..n-1."""
    while True:
        yield rng.permutation(n)


def _seeds(
    points: NDArray[np.float64], n_clusters: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Points drawn one by one with a probability in proportion to their squared distance."""
    chosen = [int(rng.integers(len(points)))]
    away = np.full(len(points), np.inf)
    for _ in range(n_clusters - 1):
        away = np.minimum(away, np.maximum(2.0 - 2.0 * (points @ points[chosen[-1]]), 0.0))
        edges = np.cumsum(away)
        draw = rng.random() * edges[-1]
        chosen.append(min(int(np.searchsorted(edges, draw, side="right")), len(points) - 1))
    return points[chosen]


def _lloyd(
    points: NDArray[np.float64], centroids: NDArray[np.float64]
) -> tuple[float, NDArray[np.float64]]:
    """Sum of cosines and centroids when no point moves; an empty cluster keeps its centroid."""
    nearest = np.full(len(points), -1)
    cosine = points @ centroids.T
    for _ in range(ROUNDS):
        found = cosine.argmax(axis=1)
        if (found == nearest).all():
            break
        nearest = found
        sums = np.stack(
            [np.bincount(nearest, part, minlength=len(centroids)) for part in points.T], axis=1
        )
        length = np.linalg.norm(sums, axis=1, keepdims=True)
        centroids = np.where(length > 0, sums / np.where(length > 0, length, 1.0), centroids)
        cosine = points @ centroids.T
    return float(cosine.max(axis=1).sum()), centroids
