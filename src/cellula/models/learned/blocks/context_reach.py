"""How far from the contexts of training a model may be believed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cellula.core.model import State

__all__ = ["ContextReach"]


@dataclass(frozen=True, slots=True)
class ContextReach:
    """Contexts of training by the mean of their controls, and how far apart they are.

    means: (contexts, dimensions) in a latent space; limit: the largest distance of one of them to
    its nearest other, two samples of one context being apart too: of more a validation among them
    says nothing.
    """

    means: NDArray[np.float64]
    limit: float

    @classmethod
    def of(cls, means: NDArray[np.float64], noise: float) -> ContextReach:
        """The reach of training contexts (contexts, dimensions); of a lone one it is the noise.

        noise: the expected squared distance of the means of two samples of one context.
        """
        if len(means) < 2:
            return cls(means, noise**0.5)
        apart = _distances(means, means)
        np.fill_diagonal(apart, np.inf)
        return cls(means, float(np.sqrt(apart.min(axis=1).max() ** 2 + noise)))

    def share(self, contexts: NDArray[np.float64]) -> NDArray[np.float64]:
        """How much of a learned difference between contexts counts: (rows,), 0 to 1.

        contexts: (rows, dimensions). 1 within the limit, then the limit / the distance to the
        nearest context of training. A lone context has no difference to learn: 1.
        """
        if len(self.means) < 2:
            return np.ones(len(contexts))
        nearest = _distances(contexts, self.means).min(axis=1)
        return np.asarray(self.limit / np.maximum(nearest, max(self.limit, 1e-300)), np.float64)

    def contains(self, contexts: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Whether a context is within the limit; of a lone one this says nothing: (rows,)."""
        if len(self.means) < 2:
            return np.ones(len(contexts), bool)
        nearest = _distances(contexts, self.means).min(axis=1)
        return np.asarray(nearest <= self.limit * (1 + 1e-9))

    def state(self) -> State:
        """Arrays and numbers from which :meth:`restore` makes this again."""
        return State({"reach_means": self.means}, {"reach_limit": self.limit})

    @classmethod
    def restore(cls, arrays: Mapping[str, NDArray[Any]], meta: Mapping[str, Any]) -> ContextReach:
        """The reach of a state."""
        return cls(arrays["reach_means"], float(meta["reach_limit"]))


def _distances(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.sqrt(((x[:, None, :] - y[None, :, :]) ** 2).sum(axis=2)), np.float64)
