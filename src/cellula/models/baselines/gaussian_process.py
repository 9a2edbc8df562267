"""Exact Gaussian process regression of several columns that share one kernel.

Column j of Y (items, columns) is N(0, s_j (K + l_j I)), K_ii' = prod_b exp(-|x_bi - x_bi'|^2 /
(2 h_b^2)) over blocks of coordinates, s_j the signal variance and l_j the noise over it. The
logarithm of the marginal likelihood, its maximum over s_j put in, is -1/2 sum_j [n log s_j +
sum_i log(e_i + l_j)] with e the eigenvalues of K [rasmussen2006]_ (eq. 5.8). One decomposition
serves every l_j; the length scales h_b are searched block by block.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh

__all__ = ["GaussianProcess", "fit_gaussian_process"]

Blocks = Sequence[NDArray[np.float64]]
#: Length scales tried, in units of the median distance of items; infinity: the block says nothing.
LENGTHS = (0.15, 0.3, 0.5, 0.7, 1.0, 1.5, 2.5, 5.0, np.inf)
#: Noise over signal variance tried.
NOISES = tuple(float(x) for x in np.logspace(-4, 4, 33))
#: How often every block is searched.
SWEEPS = 2


@dataclass(frozen=True, slots=True)
class GaussianProcess:
    """A fitted process.

    blocks: coordinates of the items, (items, d_b) each; lengths: (blocks,) h_b; signal, noise:
    (columns,) s_j and l_j; vectors, values: eigenvectors and eigenvalues of K; rotated: (items,
    columns) Y in the basis of the eigenvectors.
    """

    blocks: tuple[NDArray[np.float64], ...]
    lengths: NDArray[np.float64]
    signal: NDArray[np.float64]
    noise: NDArray[np.float64]
    vectors: NDArray[np.float64]
    values: NDArray[np.float64]
    rotated: NDArray[np.float64]

    def at(
        self, blocks: Blocks, is_known: NDArray[np.bool_]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Mean and variance of a new measurement, noise included: (rows, columns) each.

        blocks: as those of the items; is_known: (rows,), others get the prior.
        """
        cross = _kernel(blocks, self.blocks, self.lengths) * is_known[:, None]
        rotated = cross @ self.vectors
        weight = 1.0 / (self.values[:, None] + self.noise)
        mean = rotated @ (weight * self.rotated)
        explained = (rotated**2) @ weight
        variance = self.signal * np.maximum(1.0 + self.noise - explained, self.noise)
        return mean, variance


def fit_gaussian_process(blocks: Blocks, columns: NDArray[np.float64]) -> GaussianProcess:
    """The process of largest marginal likelihood on the grid of lengths and noises.

    blocks: coordinates (items, d_b), on one scale within a block; columns: (items, columns),
    centred. A block in which no two items differ does not enter.
    """
    units = np.array([_median_distance(block) for block in blocks])
    square = [_square(block, block) for block in blocks]
    factors = np.where(units > 0, 1.0, np.inf)
    best: tuple[float, NDArray[np.float64]] | None = None
    for _ in range(SWEEPS if len(blocks) > 1 else 1):
        for b in np.flatnonzero(units > 0):
            for factor in LENGTHS:
                tried = factors.copy()
                tried[b] = factor
                lengths = _lengths(tried, units)
                found = _solved(square, lengths, columns)[0]
                if best is None or found > best[0] + 1e-9 * abs(best[0]):
                    best = found, tried
            factors = factors if best is None else best[1]
    lengths = _lengths(factors, units)
    _, values, vectors, rotated, noise = _solved(square, lengths, columns)
    signal = (rotated**2 / (values[:, None] + noise)).mean(axis=0)
    # laid out as a state is when it is read again: another layout rounds another way
    kept = [np.ascontiguousarray(array) for array in (vectors, values, rotated)]
    rows = tuple(np.ascontiguousarray(block) for block in blocks)
    return GaussianProcess(rows, lengths, signal, noise, *kept)


def _lengths(factors: NDArray[np.float64], units: NDArray[np.float64]) -> NDArray[np.float64]:
    return factors * np.where(units > 0, units, 1.0)


def _solved(
    square: Sequence[NDArray[np.float64]],
    lengths: NDArray[np.float64],
    columns: NDArray[np.float64],
) -> tuple[
    float, NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]
]:
    """Likelihood, eigenvalues, eigenvectors, rotated columns and the best noise of each."""
    n = len(columns)
    exponent = np.zeros((n, n))
    for part, length in zip(square, lengths, strict=True):
        exponent += part / (2.0 * length**2)
    values, vectors = eigh(np.exp(-exponent))
    values = np.maximum(values, 0.0)
    rotated = vectors.T @ columns
    told = np.empty((len(NOISES), columns.shape[1]))
    for i, noise in enumerate(NOISES):
        total = values + noise
        signal = np.maximum((rotated**2 / total[:, None]).mean(axis=0), 1e-300)
        told[i] = -0.5 * (n * np.log(signal) + np.log(total).sum())
    best = told.argmax(axis=0)
    likelihood = float(told[best, np.arange(columns.shape[1])].sum())
    return likelihood, values, vectors, rotated, np.array(NOISES)[best]


def _kernel(x: Blocks, y: Blocks, lengths: NDArray[np.float64]) -> NDArray[np.float64]:
    exponent = np.zeros((len(x[0]), len(y[0])))
    for left, right, length in zip(x, y, lengths, strict=True):
        exponent += _square(left, right) / (2.0 * length**2)
    return np.asarray(np.exp(-exponent), np.float64)


def _square(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """Squared Euclidean distances of rows: (rows of x, rows of y)."""
    square = (x**2).sum(axis=1)[:, None] + (y**2).sum(axis=1) - 2.0 * x @ y.T
    return np.asarray(np.maximum(square, 0.0), np.float64)


def _median_distance(block: NDArray[np.float64]) -> float:
    """The median distance of two items that differ, 0 where none do."""
    distances = np.sqrt(_square(block, block))
    apart = distances[distances > 1e-6]
    return float(np.median(apart)) if len(apart) else 0.0
