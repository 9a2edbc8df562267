"""Principal components of cells, with signs that do not depend on the solver."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from sklearn.decomposition import PCA

from cellula.core.errors import DataError

__all__ = ["principal_components"]

#: Up to this many readouts the components are exact: eigenvectors of the covariance.
EXACT_READOUTS = 2000


def principal_components(
    values: Any, n_components: int, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean (readouts,) and components (dimensions, readouts) of cells (cells, readouts).

    values: dense or CSR. Orthonormal rows by falling variance, the loading of largest magnitude
    positive; fewer than ``n_components`` where the cells or the readouts do not carry as many.
    ``rng`` serves the iterative solver that is used beyond 2,000 readouts. Raises DataError on
    fewer than 2 cells or 1 component.
    """
    n_cells, n_readouts = values.shape
    if n_cells < 2 or n_components < 1:
        raise DataError(
            f"{n_components} components of {n_cells} cells: a space needs at least 1 component "
            "and 2 training cells"
        )
    n_kept = min(n_components, n_cells - 1, n_readouts)
    pca = PCA(n_kept, svd_solver=_solver(values, n_kept), random_state=_seed(rng))
    pca.fit(values if sp.issparse(values) else np.asarray(values, np.float64))
    components = np.asarray(pca.components_, np.float64)
    largest = np.argmax(np.abs(components), axis=1)
    sign = np.sign(components[np.arange(n_kept), largest])
    sign[sign == 0] = 1.0
    return np.asarray(pca.mean_, np.float64).ravel(), components * sign[:, None]


def _solver(values: Any, n_kept: int) -> str:
    if values.shape[1] <= EXACT_READOUTS:
        return "covariance_eigh"
    if n_kept == min(values.shape):
        return "full"
    return "arpack" if sp.issparse(values) else "randomized"


def _seed(rng: np.random.Generator) -> int:
    return int(rng.integers(2**31 - 1))
