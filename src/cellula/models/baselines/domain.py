"""The domain of a model on features: near enough to what it was fitted on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cellula.core.model import State

__all__ = ["FeatureDomain"]

#: How many neighbours, and which quantile of the training items' own distances bounds the domain.
NEIGHBOURS = 5
QUANTILE = 0.95


@dataclass(frozen=True, slots=True)
class FeatureDomain:
    """Inside when the mean distance to the 5 nearest training items is no more than usual.

    items: (items, features) of training; limit: the 95 % quantile of the same distance of each
    training item to the others; neighbours: how many.
    """

    items: NDArray[np.float64]
    limit: float
    neighbours: int

    @classmethod
    def of(cls, items: NDArray[np.float64]) -> FeatureDomain:
        """The domain of training items: shape (items, features), on comparable scales.

        Of one item only copies are inside, of none nothing is.
        """
        neighbours = min(NEIGHBOURS, len(items) - 1)
        if neighbours < 1:
            return cls(items, 0.0, 1)
        own = _distances(items, items)
        np.fill_diagonal(own, np.inf)
        return cls(items, float(np.quantile(_nearest(own, neighbours), QUANTILE)), neighbours)

    def state(self) -> State:
        """Arrays and numbers from which :meth:`restore` makes this again."""
        limits = {"domain_limit": self.limit, "domain_neighbours": self.neighbours}
        return State({"domain_items": self.items}, limits)

    @classmethod
    def restore(cls, arrays: Mapping[str, NDArray[Any]], meta: Mapping[str, Any]) -> FeatureDomain:
        """The domain of a state."""
        limit, neighbours = float(meta["domain_limit"]), int(meta["domain_neighbours"])
        return cls(arrays["domain_items"], limit, neighbours)

    def contains(self, features: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Whether each row of ``features`` (rows, features) lies in the domain: (rows,)."""
        if not len(self.items):
            return np.zeros(len(features), bool)
        slack = 1e-9 * (1.0 + self.limit)
        distances = _nearest(_distances(features, self.items), self.neighbours)
        return np.asarray(distances <= self.limit + slack)


def _nearest(distances: NDArray[np.float64], neighbours: int) -> NDArray[np.float64]:
    """Mean of the smallest distances of every row."""
    return np.asarray(np.sort(distances, axis=1)[:, :neighbours].mean(axis=1), np.float64)


def _distances(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """Euclidean distances between the rows of x and of y; exactly 0 between equal rows' copies."""
    square = (x**2).sum(1)[:, None] + (y**2).sum(1) - 2.0 * x @ y.T
    tiny = 1e-12 * ((x**2).sum(1)[:, None] + (y**2).sum(1))
    return np.sqrt(np.where(square <= tiny, 0.0, square))
