"""Principal components of a dataset that further profiles can be placed on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from cellula.core.dataset import Dataset, Matrix
from cellula.core.errors import DataError

__all__ = ["PrincipalComponents", "principal_components"]

#: Components with less than this share of the largest one's variance are rounding errors.
SMALLEST = 1e-10


@dataclass(frozen=True, slots=True)
class PrincipalComponents:
    """A projection z = (x - mean) / scale @ loadings of some readouts.

    columns: positions of those readouts; mean, scale: (columns,); loadings: (columns,
    components), orthonormal, the largest entry of each positive.
    """

    columns: NDArray[np.int64]
    mean: NDArray[np.float64]
    scale: NDArray[np.float64]
    loadings: NDArray[np.float64]

    def place(self, values: Matrix) -> NDArray[np.float64]:
        """Coordinates of profiles (profiles, readouts): shape (profiles, components)."""
        weights = self.loadings / self.scale[:, None]
        block = _columns(values, self.columns)
        coordinates: NDArray[np.float64] = np.asarray(block @ weights) - self.mean @ weights
        return coordinates

    def back(self, shift: NDArray[np.float64]) -> NDArray[np.float64]:
        """A shift of coordinates (profiles, components) in the readouts: (profiles, columns)."""
        moved: NDArray[np.float64] = (shift @ self.loadings.T) * self.scale
        return moved


def principal_components(
    data: Dataset, n_components: int, max_readouts: int, *, is_standardised: bool = False
) -> PrincipalComponents:
    """The leading principal components of the most variable readouts.

    Exact, from the eigenvectors of the covariance, so the same on dense and sparse matrices
    up to rounding. Readouts that do not vary are left out. ``is_standardised`` divides every
    readout by its standard deviation: for readouts of different units.
    Raises DataError when fewer than two components vary.
    """
    mean, variance = _moments(data.values)
    ranked = np.argsort(-variance, kind="stable")[:max_readouts]
    floor = SMALLEST * float(variance.max())
    columns = np.sort(ranked[variance[ranked] > floor]).astype(np.int64)
    if len(columns) < 2:
        raise DataError(
            f"{len(columns)} readout(s) vary; principal components need two or more: hand over "
            "profiles of more readouts"
        )
    scale = np.sqrt(variance[columns]) if is_standardised else np.ones(len(columns))
    block = _columns(data.values, columns)
    product = block.T @ block
    raw = np.asarray(product.toarray() if sp.issparse(product) else product, np.float64)
    centred = raw / data.n_profiles - np.outer(mean[columns], mean[columns])
    size, vectors = np.linalg.eigh(centred / np.outer(scale, scale))
    wanted = min(n_components, data.n_profiles - 1, int((size > SMALLEST * size[-1]).sum()))
    if wanted < 2:
        raise DataError(
            f"{data.n_profiles} profiles vary along {wanted} component(s); expected two or more: "
            "hand over more profiles or readouts"
        )
    loadings = vectors[:, ::-1][:, :wanted]
    largest = np.take_along_axis(loadings, np.abs(loadings).argmax(axis=0)[None], axis=0)
    return PrincipalComponents(columns, mean[columns], scale, loadings * np.sign(largest))


def _columns(values: Matrix, columns: NDArray[np.int64]) -> Any:
    part = values[:, columns]
    return part.astype(np.float64) if sp.issparse(part) else np.asarray(part, np.float64)


def _moments(values: Matrix) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and variance of every readout, two passes: (readouts,) each."""
    n = values.shape[0]
    if not sp.issparse(values):
        dense = np.asarray(values, np.float64)
        return dense.mean(axis=0), dense.var(axis=0)
    sparse = sp.csc_matrix(values, dtype=np.float64)
    mean = np.asarray(sparse.sum(axis=0)).ravel() / n
    stored = np.diff(sparse.indptr)
    away = sparse.data - np.repeat(mean, stored)
    column = np.repeat(np.arange(len(mean)), stored)
    squares = np.bincount(column, away**2, minlength=len(mean))
    return mean, (squares + (n - stored) * mean**2) / n
