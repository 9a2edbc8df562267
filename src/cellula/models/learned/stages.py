"""Stages in their order, clusters of their cells, and the tracks that join them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise, permutations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import linprog

from cellula.core.dataset import Dataset
from cellula.core.errors import DataError
from cellula.kernels.blas_threads import one_blas_thread
from cellula.kernels.energy import energy_distance

__all__ = ["StageOrder", "Tracks", "clustered", "joined_by_transport", "shortest_path"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

#: Names whose order can be found: all orders of them are tried.
MOST_FOUND = 8
#: Most clusters of a stage, the silhouette that more than one need, and cells it is read from.
MOST_CLUSTERS, LEAST_SILHOUETTE, MOST_CELLS = 6, 0.25, 500
#: Starts and rounds of the clustering.
STARTS, ROUNDS = 5, 100


@dataclass(frozen=True, slots=True)
class StageOrder:
    """Which column of the profiles tells the stage, and the order where it is given."""

    column: str
    names: tuple[str, ...]

    def require(self, data: Dataset) -> None:
        """Raise DataError where the order is given and the column is not there."""
        if self.names and self.column not in data.obs.columns:
            data.labels(self.column)

    def labels(self, data: Dataset) -> NDArray[np.object_] | None:
        """The stage of every profile as text, None where there is no such column."""
        if self.column not in data.obs.columns:
            return None
        return np.asarray(data.labels(self.column), object).astype(str).astype(object)

    def of(self, data: Dataset, states: Floats) -> tuple[tuple[str, ...], Integers]:
        """The stages in their order, and every profile's place among them, -1 for none.

        states: (profiles, coordinates), for names whose order is to be found: the shortest path
        by energy distances [szekely2013]_ between their states, from that with the largest share
        of controls. Raises DataError on a
        stage without a profile, fewer than two stages, or more than eight to be ordered.
        """
        told = np.asarray(data.labels(self.column), object).astype(str)
        names = self.names or self._found(data, told, states)
        if len(names) < 2:
            raise DataError(
                f"column {self.column!r} has one stage only ({names[0]!r}); a track joins two at "
                "least: name another column in the option 'stage'"
            )
        missing = [name for name in names if not (told == name).any()]
        if missing:
            raise DataError(
                f"no profile is of stage {missing[0]!r}; column {self.column!r} has: "
                f"{', '.join(sorted(set(told))[:8])}"
            )
        place = {name: i for i, name in enumerate(names)}
        return names, np.array([place.get(name, -1) for name in told], np.int64)

    def _found(self, data: Dataset, told: NDArray[np.str_], states: Floats) -> tuple[str, ...]:
        names = sorted(set(told))
        numbers = pd.to_numeric(pd.Series(names), errors="coerce").to_numpy(np.float64)
        if np.isfinite(numbers).all():
            return tuple(names[i] for i in np.argsort(numbers, kind="stable"))
        if len(names) > MOST_FOUND:
            raise DataError(
                f"column {self.column!r} has {len(names)} names, and the order of more than "
                f"{MOST_FOUND} is not looked for; give it in the option 'stages'"
            )
        own = [states[told == name] for name in names]
        own = [x[np.linspace(0, len(x) - 1, min(len(x), MOST_CELLS)).astype(int)] for x in own]
        way = np.zeros((len(names), len(names)))
        for i, j in combinations(range(len(names)), 2):
            way[i, j] = way[j, i] = np.sqrt(max(energy_distance(own[i], own[j]), 0.0))
        share = np.array([data.is_control[told == name].mean() for name in names])
        return tuple(names[i] for i in shortest_path(way, int(np.argmax(share))))


def shortest_path(way: Floats, first: int) -> list[int]:
    """The order that visits all points in the least way, from ``first``; way: (points, points).

    Of all orders, so for few points; the first in lexicographic order of equally short ones.
    """
    rest = [i for i in range(len(way)) if i != first]
    paths = ([first, *order] for order in permutations(rest))
    return min(paths, key=lambda path: float(sum(way[i, j] for i, j in pairwise(path))))


@dataclass(frozen=True, slots=True)
class Tracks:
    """Clusters of stages, and for each of the last stage the way that leads to it.

    names: of the stages in order; stage: (cells,) place among them, -1 for none; cluster:
    (cells,) number of the cell's cluster within its stage; paths: (tracks, stages) the cluster of
    every stage on a track; share: (tracks,) of the cells of the last stage.
    """

    names: tuple[str, ...]
    stage: Integers
    cluster: Integers
    paths: Integers
    share: Floats

    @classmethod
    def of(
        cls,
        states: Floats,
        stage: Integers,
        names: Sequence[str],
        n_clusters: int,
        rng: np.random.Generator,
    ) -> Tracks:
        """Cluster each stage, then join the clusters of neighbours.

        states: (cells, coordinates); n_clusters: of a stage, 0: as the silhouette
        [rousseeuw1987]_ says. A cluster came from that of the stage before which sends it the most
        cells in the optimal transport between them (:func:`joined_by_transport`).
        """
        cluster = np.full(len(stage), -1, np.int64)
        centres, sizes = [], []
        with one_blas_thread():
            for place in range(len(names)):
                rows = np.flatnonzero(stage == place)
                cluster[rows] = clustered(states[rows], n_clusters, rng)
                n = int(cluster[rows].max()) + 1
                own = [rows[cluster[rows] == number] for number in range(n)]
                centres.append(np.stack([states[part].mean(axis=0) for part in own]))
                sizes.append(np.array([len(part) for part in own]) / len(rows))
            parents = [
                joined_by_transport(centres[i], sizes[i], centres[i + 1], sizes[i + 1]).argmax(0)
                for i in range(len(names) - 1)
            ]
        paths = [np.arange(len(sizes[-1]))]
        for parent in reversed(parents):
            paths.append(parent[paths[-1]])
        return cls(tuple(names), stage, cluster, np.stack(paths[::-1], axis=1), sizes[-1])

    def __len__(self) -> int:
        return len(self.paths)

    def rows(self, track: int, place: int) -> Integers:
        """The cells of a track in one stage; place: 0 for the first, -1 for the last."""
        at = place % len(self.names)
        is_there = (self.stage == at) & (self.cluster == self.paths[track, at])
        return np.asarray(np.flatnonzero(is_there), np.int64)

    def table(self) -> pd.DataFrame:
        """One row a track and stage: cluster, cells, share of the stage's cells."""
        rows = []
        for track in range(len(self)):
            for place, name in enumerate(self.names):
                n = len(self.rows(track, place))
                of = int((self.stage == place).sum())
                rows.append((track, name, int(self.paths[track, place]), n, n / of))
        return pd.DataFrame(rows, columns=["track", "stage", "cluster", "n_cells", "share"])


def joined_by_transport(x: Floats, a: Floats, y: Floats, b: Floats) -> Floats:
    """The optimal transport plan of masses a at x to masses b at y: (len(x), len(y)).

    The least sum of plan times squared Euclidean distance whose margins are a and b, exactly, by
    linear programming; each of a and b sums to 1.
    """
    cost = ((x[:, None] - y[None]) ** 2).sum(axis=2)
    n, m = cost.shape
    margins = np.zeros((n + m, n * m))
    for i in range(n):
        margins[i, i * m : (i + 1) * m] = 1.0
    for j in range(m):
        margins[n + j, j::m] = 1.0
    found = linprog(cost.ravel(), A_eq=margins[:-1], b_eq=np.concatenate([a, b])[:-1])
    if not found.success:
        raise DataError(f"the clusters of two stages cannot be joined: {found.message}")
    return np.asarray(found.x.reshape(n, m), np.float64)


def clustered(x: Floats, n_clusters: int, rng: np.random.Generator) -> Integers:
    """The cluster of every row of x (rows, coordinates) by k-means: (rows,).

    n_clusters: 0 takes the number, up to 6, of the best mean silhouette [rousseeuw1987]_, one
    where none reaches .25. Clusters are numbered by their first row.
    """
    if n_clusters:
        return _means(x, min(n_clusters, len(x)), rng)
    best, found = LEAST_SILHOUETTE, np.zeros(len(x), np.int64)
    looked = np.arange(len(x))
    if len(x) > MOST_CELLS:
        looked = np.sort(rng.choice(len(x), MOST_CELLS, replace=False))
    for n in range(2, min(MOST_CLUSTERS, len(x) - 1) + 1):
        tried = _means(x, n, rng)
        score = _silhouette(x[looked], tried[looked])
        if score > best:
            best, found = score, tried
    return found


def _means(x: Floats, n: int, rng: np.random.Generator) -> Integers:
    """Lloyd's rounds from seeds that are far apart; the best of five starts."""
    best, found = np.inf, np.zeros(len(x), np.int64)
    for _ in range(STARTS):
        centres = _seeds(x, n, rng)
        label = np.zeros(len(x), np.int64)
        for _round in range(ROUNDS):
            square = _squares(x, centres)
            now = square.argmin(axis=1)
            if _round and (now == label).all():
                break
            label = now
            for j in range(n):
                if (label == j).any():
                    centres[j] = x[label == j].mean(axis=0)
        cost = float(_squares(x, centres).min(axis=1).sum())
        if cost < best * (1.0 - 1e-12):
            best, found = cost, label
    _, first, code = np.unique(found, return_index=True, return_inverse=True)
    return np.asarray(np.argsort(np.argsort(first))[code], np.int64)


def _seeds(x: Floats, n: int, rng: np.random.Generator) -> Floats:
    """Rows drawn with a chance in proportion to the squared distance from those drawn before."""
    chosen = [int(rng.integers(len(x)))]
    for _ in range(n - 1):
        near = _squares(x, x[chosen]).min(axis=1)
        total = near.sum()
        chance = near / total if total > 0 else np.full(len(x), 1.0 / len(x))
        chosen.append(int(rng.choice(len(x), p=chance)))
    return x[chosen].copy()


def _squares(x: Floats, y: Floats) -> Floats:
    square = (x**2).sum(1)[:, None] + (y**2).sum(1) - 2.0 * x @ y.T
    return np.asarray(np.maximum(square, 0.0), np.float64)


def _silhouette(x: Floats, label: Integers) -> float:
    """Mean over rows of (b - a) / max(a, b): a to the own cluster, b to the nearest other."""
    codes, sizes = np.unique(label, return_counts=True)
    if len(codes) < 2:
        return -1.0
    far = np.sqrt(_squares(x, x))
    total = np.stack([far[:, label == code].sum(axis=1) for code in codes], axis=1)
    own = np.searchsorted(codes, label)
    rows = np.arange(len(x))
    inside = total[rows, own] / np.maximum(sizes[own] - 1, 1)
    other = total / sizes
    other[rows, own] = np.inf
    outside = other.min(axis=1)
    score = (outside - inside) / np.maximum(np.maximum(inside, outside), 1e-300)
    return float(np.where(sizes[own] > 1, score, 0.0).mean())
