"""Spaces in which populations are compared; fitted on training cells only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, final, runtime_checkable

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from cellula.core.dataset import Matrix
from cellula.core.errors import DataError
from cellula.core.model import State
from cellula.data.principal_components import principal_components

__all__ = ["PcaSpace", "Space", "fit_pca"]


@runtime_checkable
class Space(Protocol):
    """A fixed map from readouts to coordinates; ``name`` is what a gate writes (``pca50``)."""

    @property
    def name(self) -> str:
        """The name that a study and a score give to the space."""

    def project(self, matrix: Matrix) -> NDArray[np.float64]:
        """Coordinates (cells, dimensions) of cells (cells, readouts)."""

    def state(self) -> State:
        """The map as arrays and JSON, to be stored with the score."""


@final
@dataclass(frozen=True, slots=True)
class PcaSpace:
    """Principal components: (x - mean) @ components.T.

    mean: (readouts,); components: (dimensions, readouts), orthonormal rows by falling variance,
    the loading of largest magnitude positive, so that the sign does not depend on the solver.
    """

    name: str
    mean: NDArray[np.float64]
    components: NDArray[np.float64]

    def project(self, matrix: Matrix) -> NDArray[np.float64]:
        """Coordinates (cells, dimensions) of cells (cells, readouts), dense or CSR.

        Raises DataError when the number of readouts is not that of the training cells.
        """
        if matrix.shape[1] != len(self.mean):
            raise DataError(
                f"the cells have {matrix.shape[1]} readouts, but {self.name} was fitted on "
                f"{len(self.mean)}; project the same readouts in the same order"
            )
        if sp.issparse(matrix):
            scores = matrix @ self.components.T - self.mean @ self.components.T
        else:
            scores = (np.asarray(matrix, np.float64) - self.mean) @ self.components.T
        return np.asarray(scores, np.float64)

    def state(self) -> State:
        """Mean and components, with the name."""
        return State({"mean": self.mean, "components": self.components}, {"name": self.name})

    @classmethod
    def restore(cls, state: State) -> PcaSpace:
        """The space whose :meth:`state` this is."""
        return cls(str(state.meta["name"]), state.arrays["mean"], state.arrays["components"])


def fit_pca(values: Matrix, n_components: int, rng: np.random.Generator) -> PcaSpace:
    """Principal components of TRAINING cells, (cells, readouts), dense or CSR.

    The space is named ``pca<n_components>``; it has fewer dimensions where the cells or the
    readouts do not carry as many. ``rng`` serves the iterative solver that is used beyond
    2,000 readouts. Raises DataError on fewer than 2 cells or components.
    """
    mean, components = principal_components(values, n_components, rng)
    return PcaSpace(f"pca{n_components}", mean, components)
