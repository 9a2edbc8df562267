"""Harmony's mixture: soft clusters that mix batches, and the shift of every batch in each.

Alternately, profiles are assigned to clusters on the unit sphere with a penalty on clusters in
which a batch is over-represented, and within every cluster the shift of each batch is estimated
by a ridge regression and removed [korsunsky2019]_. Pure functions of arrays: where to start and
the order of updates are arguments. With several variables the penalties multiply, as the
objective asks for; the authors' programs add them instead.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from cellula.core.model import Options
from cellula.kernels.soft_clusters import update_memberships

__all__ = ["Mixture", "MixtureOptions", "integrate", "level_shares", "on_sphere"]

#: The change of the objective is judged on sums of so many rounds: single rounds are noisy.
WINDOW = 3

Array = NDArray[np.float64]


class MixtureOptions(Options):
    """Options of the mixture; the defaults are the authors' [korsunsky2019]_."""

    n_clusters: int | None = Field(default=None, ge=1)
    """How many clusters; None: one for every 30 profiles, 100 at most."""
    theta: float = Field(default=2.0, ge=0)
    """Weight of the penalty on clusters that hold batches unevenly; 0: none."""
    sigma: float = Field(default=0.1, gt=0)
    """Softness of the clusters, in units of squared distance on the unit sphere."""
    ridge: float = Field(default=1.0, gt=0)
    """Ridge penalty on the shift of a batch within a cluster, in profiles."""
    block: float = Field(default=0.05, gt=0, le=0.5)
    """Share of the profiles whose memberships are updated at once."""
    max_rounds: int = Field(default=10, ge=1)
    """The most rounds of clustering and correction."""
    max_cluster_rounds: int = Field(default=20, ge=1)
    """The most passes over all profiles within a clustering."""
    tolerance: float = Field(default=1e-4, ge=0)
    """Rounds end when the objective falls by less than this share."""
    cluster_tolerance: float = Field(default=1e-5, ge=0)
    """A clustering ends when its objective changes by less than this share."""

    def clusters(self, n_profiles: int) -> int:
        """How many clusters so many profiles get."""
        wanted = self.n_clusters or max(min(round(n_profiles / 30), 100), 1)
        return min(wanted, n_profiles)


@dataclass(frozen=True, slots=True)
class Mixture:
    """All rounds of a fitted mixture; further profiles go through the same rounds.

    centroids: (rounds, clusters, components), of length 1; penalty: (rounds, levels, clusters),
    the log of the factor on the membership; shift: (rounds, levels, clusters, components).
    """

    sigma: float
    centroids: Array
    penalty: Array
    shift: Array

    def correct(self, embedding: Array, levels: NDArray[np.int64]) -> Array:
        """Corrected coordinates of profiles of known levels: shape (profiles, components).

        embedding: (profiles, components); levels: (profiles, variables). A profile's result
        depends on no other profile.
        """
        corrected = embedding
        for centroids, penalty, shift in zip(self.centroids, self.penalty, self.shift, strict=True):
            logit = -2.0 * (1.0 - on_sphere(corrected) @ centroids.T) / self.sigma
            for column in levels.T:
                logit = logit + penalty[column]
            weight = np.exp(logit - logit.max(axis=1, keepdims=True))
            weight /= weight.sum(axis=1, keepdims=True)
            corrected = _moved(embedding, weight, levels, shift)
        return corrected


def on_sphere(points: Array) -> Array:
    """Rows (profiles, components) divided by their length; a row of zeros stays."""
    length = np.linalg.norm(points, axis=1, keepdims=True)
    scaled: Array = points / np.where(length > 0, length, 1.0)
    return scaled


def level_shares(levels: NDArray[np.int64]) -> Array:
    """Share of the rows of codes (profiles, variables) that have each level: (levels,)."""
    shares: Array = np.bincount(levels.ravel()) / len(levels)
    return shares


def integrate(
    embedding: Array,
    levels: NDArray[np.int64],
    options: MixtureOptions,
    start: Array,
    orders: Iterable[NDArray[np.int64]],
) -> tuple[Array, Mixture]:
    """Corrected coordinates (profiles, components) and the mixture that made them [korsunsky2019]_.

    embedding: (profiles, components); levels: (profiles, variables), codes 0.. of the levels of
    all variables, numbered through; start: (clusters, components), first centroids on the unit
    sphere; orders: endless permutations of the profiles, one is used a pass.
    """
    share, turns = level_shares(levels), iter(orders)
    corrected, centroids = embedding, start
    weight = _softmax(on_sphere(embedding), start, options.sigma)
    rounds: list[tuple[Array, Array, Array]] = []
    before = _first_objective(on_sphere(embedding), start, weight, levels, share, options)
    for _ in range(options.max_rounds):
        weight, centroids, observed, objective = _cluster(
            on_sphere(corrected), weight, levels, share, options, turns
        )
        shift = _shifts(embedding, weight, levels, len(share), options.ridge)
        corrected = _moved(embedding, weight, levels, shift)
        rounds.append((centroids, _penalty(weight, observed, share, options.theta), shift))
        if before - objective < options.tolerance * abs(before):
            break
        before = objective
    parts = (np.stack([part[i] for part in rounds]) for i in range(3))
    return corrected, Mixture(options.sigma, *parts)


def _softmax(points: Array, centroids: Array, sigma: float) -> Array:
    """exp(-|z - y|^2 / sigma) over its sum, for points and centroids of length 1."""
    affinity = _affinity(points, centroids, sigma)
    memberships: Array = affinity / affinity.sum(axis=1, keepdims=True)
    return memberships


def _affinity(points: Array, centroids: Array, sigma: float) -> Array:
    logit = 2.0 * (points @ centroids.T - 1.0) / sigma
    affinity: Array = np.exp(logit - logit.max(axis=1, keepdims=True))
    return affinity


def _penalty(weight: Array, observed: Array, share: Array, theta: float) -> Array:
    """The log of the factor, theta log((E + 1) / (O + 1)): shape (levels, clusters)."""
    expected = np.outer(share, weight.sum(axis=0))
    penalty: Array = theta * (np.log1p(expected) - np.log1p(observed))
    return penalty


def _objective(
    points: Array,
    centroids: Array,
    weight: Array,
    observed: Array,
    share: Array,
    options: MixtureOptions,
) -> float:
    """Distances, less sigma times the entropy, plus sigma times the divergence of batches.

    sum R |z - y|^2 + sigma sum R log R + sigma theta sum O log((O + 1) / (E + 1)).
    """
    distance = float((weight * (2.0 - 2.0 * (points @ centroids.T))).sum())
    entropy = float((weight * np.log(np.maximum(weight, 1e-300))).sum())
    uneven = -float((observed * _penalty(weight, observed, share, options.theta)).sum())
    return distance + options.sigma * (entropy + uneven)


def _first_objective(
    points: Array,
    start: Array,
    weight: Array,
    levels: NDArray[np.int64],
    share: Array,
    options: MixtureOptions,
) -> float:
    observed = np.zeros((len(share), weight.shape[1]))
    for column in levels.T:
        np.add.at(observed, column, weight)
    return _objective(points, start, weight, observed, share, options)


def _cluster(
    points: Array,
    weight: Array,
    levels: NDArray[np.int64],
    share: Array,
    options: MixtureOptions,
    turns: Iterator[NDArray[np.int64]],
) -> tuple[Array, Array, Array, float]:
    """Memberships, centroids, O (levels, clusters) and the objective when it has settled."""
    n_blocks = int(np.ceil(1.0 / options.block))
    told: list[float] = []
    while True:
        centroids = on_sphere(weight.T @ points)
        affinity = _affinity(points, centroids, options.sigma)
        weight, observed = update_memberships(
            weight, affinity, levels, next(turns), n_blocks, share, options.theta
        )
        told.append(_objective(points, centroids, weight, observed, share, options))
        if len(told) == options.max_cluster_rounds or _has_settled(told, options.cluster_tolerance):
            return weight, centroids, observed, told[-1]


def _has_settled(told: list[float], tolerance: float) -> bool:
    """Whether two overlapping windows of rounds have nearly the same objective."""
    if len(told) < WINDOW + 2:
        return False
    old, new = sum(told[-WINDOW - 1 : -1]), sum(told[-WINDOW:])
    return abs(old - new) < tolerance * abs(old)


def _shifts(
    embedding: Array, weight: Array, levels: NDArray[np.int64], n_levels: int, ridge: float
) -> Array:
    """The shift of every level in every cluster: (levels, clusters, components).

    In cluster k, W = (D' diag(r) D + ridge I)^-1 D' diag(r) Z with r the memberships and D an
    intercept, which has no penalty and is left out of the result, and a 0/1 column a level.
    """
    n_clusters, width = weight.shape[1], embedding.shape[1]
    is_of = np.zeros((len(levels), n_levels))
    for column in levels.T:
        is_of[np.arange(len(levels)), column] = 1.0
    normal = np.zeros((n_clusters, n_levels + 1, n_levels + 1))
    right = np.zeros((n_clusters, n_levels + 1, width))
    normal[:, 0, 0] = np.maximum(weight.sum(axis=0), np.finfo(np.float64).tiny)
    right[:, 0] = weight.T @ embedding
    for level in range(n_levels):
        rows = is_of[:, level] > 0
        part = weight[rows].T
        normal[:, level + 1, 1:] = part @ is_of[rows]
        normal[:, level + 1, 0] = normal[:, 0, level + 1] = part.sum(axis=1)
        normal[:, level + 1, level + 1] += ridge
        right[:, level + 1] = part @ embedding[rows]
    shift = np.linalg.solve(normal, right)[:, 1:].transpose(1, 0, 2)
    return np.asarray(shift, np.float64)


def _moved(embedding: Array, weight: Array, levels: NDArray[np.int64], shift: Array) -> Array:
    """Coordinates less the shifts of their levels, averaged over clusters by membership."""
    moved: Array = np.array(embedding)
    for column in levels.T:
        for level in np.unique(column):
            rows = column == level
            moved[rows] -= weight[rows] @ shift[level]
    return moved
