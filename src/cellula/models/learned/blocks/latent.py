"""A linear space of few coordinates in which cells are moved: principal components."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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

#: From how many profiles at most the components are made, and from how many dense values.
MOST = 20_000
MOST_VALUES = 2**26
#: Profiles that are dense together.
BLOCK = 4096


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
        *,
        also: Dataset | None = None,
    ) -> LatentSpace:
        """The leading components of the profiles of ``train``, at most as many as there are.

        also: more profiles with the same readouts. Of more than 20,000 profiles, or 2^26 dense
        values, so many are drawn by ``rng``: a matrix on disk is never in memory as a whole.
        """
        parts = [train] if also is None else [train, also]
        values = _sample(parts, rng)
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

    def encode_rows(self, data: Dataset, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Coordinates of some profiles of a dataset, dense block by block: (rows, dimensions)."""
        found = np.zeros((len(rows), self.n_dimensions))
        with one_blas_thread():
            for start in range(0, len(rows), BLOCK):
                block = rows[start : start + BLOCK]
                found[start : start + BLOCK] = self.encode(data.dense(block))
        return found

    def shift(self, change: NDArray[np.float64]) -> NDArray[np.float64]:
        """The change of coordinates (rows, dimensions) that a change of profiles is."""
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


def _sample(parts: Sequence[Dataset], rng: np.random.Generator) -> Any:
    """Profiles of datasets below one another, dense or CSR; not all where there are many."""
    sizes = [part.n_profiles for part in parts]
    first = parts[0].values[:1]
    width = 1 if sp.issparse(loaded(first)) else max(first.shape[1], 1)
    most = max(2, min(MOST, MOST_VALUES // width))
    rows = np.arange(sum(sizes))
    if len(rows) > most:
        rows = np.sort(rng.choice(rows, most, replace=False))
    edges = np.cumsum([0, *sizes])
    taken = [
        loaded(part.values[rows[(rows >= low) & (rows < high)] - low])
        for part, low, high in zip(parts, edges[:-1], edges[1:], strict=True)
    ]
    if len(taken) == 1:
        return taken[0]
    is_sparse = any(sp.issparse(one) for one in taken)
    return sp.csr_matrix(sp.vstack(taken)) if is_sparse else np.concatenate(taken)
