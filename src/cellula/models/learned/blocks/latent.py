"""A linear space of few coordinates in which cells are moved: principal components."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from cellula.core.dataset import Dataset
from cellula.core.matrix import loaded
from cellula.core.model import State
from cellula.data.principal_components import principal_components
from cellula.kernels.blas_threads import one_blas_thread

__all__ = ["LatentSpace"]

#: From how many profiles at most the components are made.
MOST = 20_000


@dataclass(frozen=True, slots=True)
class LatentSpace:
    """z = (x - mean) components' / scale, and back.

    mean: (readouts,); components: (dimensions, readouts), orthonormal rows; scale: one number,
    the root mean square coordinate of the fitted cells, so that coordinates are of size 1.
    """

    mean: NDArray[np.float64]
    components: NDArray[np.float64]
    scale: float

    @classmethod
    def of(
        cls,
        train: Dataset,
        dimensions: int,
        rng: np.random.Generator,
        valid: Dataset | None = None,
    ) -> LatentSpace:
        """The leading components of the profiles of both parts, at most as many as there are.

        Of more than 20,000 profiles of a part so many are drawn by ``rng``.
        """
        parts = [_drawn(part, rng) for part in (train, valid) if part is not None]
        values = parts[0]
        if len(parts) > 1:
            stack = sp.vstack if all(map(sp.issparse, parts)) else np.vstack
            values = stack(parts)
        with one_blas_thread():
            mean, components = principal_components(values, dimensions, rng)
            scores = values @ components.T - mean @ components.T
        scale = float(np.sqrt(np.square(scores).mean()))
        return cls(mean, np.ascontiguousarray(components), scale if scale > 0 else 1.0)

    @property
    def n_dimensions(self) -> int:
        """How many coordinates a cell has."""
        return len(self.components)

    def encode(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Coordinates of profiles (cells, readouts): (cells, dimensions)."""
        return np.asarray((values - self.mean) @ self.components.T / self.scale, np.float64)

    def shift(self, change: NDArray[np.float64]) -> NDArray[np.float64]:
        """The change of coordinates (rows, dimensions) that a change of profiles is.

        change: (rows, readouts) differences, in units of the values.
        """
        return np.asarray(change @ self.components.T / self.scale, np.float64)

    def change(self, moved: NDArray[np.float64]) -> NDArray[np.float64]:
        """The change of profiles (cells, readouts) that a change of coordinates is.

        moved: (cells, dimensions) differences. What the components do not hold stays as it is.
        """
        return np.asarray(moved * self.scale @ self.components, np.float64)

    def state(self) -> State:
        """Arrays and numbers from which :meth:`restore` makes this again."""
        arrays = {"latent_mean": self.mean, "latent_components": self.components}
        return State(arrays, {"latent_scale": self.scale})

    @classmethod
    def restore(cls, arrays: Mapping[str, NDArray[Any]], meta: Mapping[str, Any]) -> LatentSpace:
        """The space of a state."""
        return cls(arrays["latent_mean"], arrays["latent_components"], float(meta["latent_scale"]))


def _drawn(part: Dataset, rng: np.random.Generator) -> Any:
    """The profiles of a part, or 20,000 of them, dense or CSR."""
    rows = np.arange(part.n_profiles)
    if len(rows) > MOST:
        rows = np.sort(rng.choice(rows, MOST, replace=False))
    return loaded(part.values[rows])
