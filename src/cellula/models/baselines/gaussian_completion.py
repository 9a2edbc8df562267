"""Completion of a table by a Gaussian: every column given all others, with side features.

Rows z_i ~ N(m + B x_i, C), entries missing at random. Expectation-maximisation [dempster1977]_;
C has an inverse-Wishart prior at its own diagonal, B a ridge penalty. The
posterior mean of a missing entry regresses its column on all that is observed in its row.
Plain arrays in, plain arrays out; one readout at a time.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import lapack

from cellula.core.errors import DataError

__all__ = ["GaussianTable", "Standard", "complete", "expected", "fit_gaussian"]

#: Smallest variance of a standardised column.
MIN_VARIANCE = 1e-3
#: Weight of the pooled variance, in rows, in the variance of a column.
POOLED_ROWS = 3.0


@dataclass(frozen=True, slots=True)
class Standard:
    """Centre and scale of the columns of a table: shape (columns,) each."""

    center: NDArray[np.float64]
    scale: NDArray[np.float64]

    @classmethod
    def of(cls, table: NDArray[np.float64]) -> Standard:
        """From a table (rows, columns) with NaN where nothing was measured.

        The variance of a column measured in few rows leans on the pooled variance.
        Raises DataError on a column without a value.
        """
        is_measured = np.isfinite(table)
        size = is_measured.sum(0)
        if not size.all():
            raise DataError(f"column {int(np.argmin(size))} of the table has no measured value")
        center = np.nansum(table, 0) / size
        square = np.where(is_measured, (table - center) ** 2, 0.0).sum(0)
        pooled = square.sum() / max(int((size - 1).sum()), 1)
        scale = np.sqrt((square + POOLED_ROWS * pooled) / (size - 1 + POOLED_ROWS))
        return cls(center, np.where(scale > 0, scale, 1.0))


@dataclass(frozen=True, slots=True)
class GaussianTable:
    """A fitted Gaussian of standardised rows.

    intercept m: (columns,); coefficients B: (features, columns); covariance C: (columns, columns).
    """

    intercept: NDArray[np.float64]
    coefficients: NDArray[np.float64]
    covariance: NDArray[np.float64]

    def prior(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        """What is expected of rows of which only the features are known: (rows, columns)."""
        return self.intercept + features @ self.coefficients


def fit_gaussian(
    table: NDArray[np.float64],
    features: NDArray[np.float64],
    prior: float,
    penalty: float,
    iterations: int,
    start: GaussianTable | None = None,
) -> GaussianTable:
    """Expectation-maximisation [dempster1977]_ from ``start``, or from the zero-filled table.

    table: (rows, columns) standardised, NaN where nothing was measured; features: (rows,
    features) standardised, may have no columns. prior: rows that the prior of the covariance
    counts for. penalty: ridge penalty of the coefficients, in units of the features' number.
    Raises DataError where a covariance is not positive definite.
    """
    n, p = table.shape
    smoother, dual = _smoother(features, penalty)
    weight = prior * p
    fitted = start or _start(table, features.shape[1])
    for _ in range(iterations):
        mean = fitted.prior(features)
        full, spread = _expectation(table, mean, fitted.covariance)
        intercept = full.mean(0)
        residual = full - intercept
        coefficients = dual @ residual
        residual = residual - smoother @ residual
        scatter = residual.T @ residual + spread
        variance = np.maximum(np.diag(scatter) / n, MIN_VARIANCE)
        covariance = (scatter + np.diag(weight * variance)) / (n + weight)
        fitted = GaussianTable(intercept, coefficients, covariance)
    return fitted


def expected(
    table: NDArray[np.float64], features: NDArray[np.float64], fitted: GaussianTable
) -> NDArray[np.float64]:
    """The table (rows, columns), missing entries replaced by their mean given their row."""
    return _expectation(table, fitted.prior(features), fitted.covariance)[0]


def complete(
    table: NDArray[np.float64], features: NDArray[np.float64], fitted: GaussianTable
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and standard deviation of every entry given the OTHER entries of its row.

    So a measured entry gets what the rest of its row says about it, not itself back.
    Returns two arrays (rows, columns).
    """
    mean = fitted.prior(features)
    precision = _inverse(fitted.covariance)
    full, deviation = mean.copy(), np.empty_like(mean)
    residual = np.where(np.isfinite(table), table - mean, 0.0)
    score = residual @ precision
    for i, row in enumerate(table):
        u, o = np.flatnonzero(np.isnan(row)), np.flatnonzero(~np.isnan(row))
        given, pull = np.diag(precision)[o], score[i, o]
        if len(u):
            block = _inverse(precision[np.ix_(u, u)])
            shift = -block @ score[i, u]
            cross = precision[np.ix_(o, u)]
            full[i, u] += shift
            deviation[i, u] = np.sqrt(np.diag(block))
            pull = pull + cross @ shift
            given = given - np.einsum("ou,ou->o", cross @ block, cross)
        full[i, o] = row[o] - pull / given
        deviation[i, o] = np.sqrt(1.0 / given)
    return full, deviation


def _start(table: NDArray[np.float64], n_features: int) -> GaussianTable:
    filled = np.nan_to_num(table)
    n, p = table.shape
    covariance = filled.T @ filled / n + 0.3 * np.eye(p)
    return GaussianTable(np.zeros(p), np.zeros((n_features, p)), covariance)


def _expectation(
    table: NDArray[np.float64], mean: NDArray[np.float64], covariance: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The completed table, and the sum over rows of the conditional covariances."""
    precision = _inverse(covariance)
    full = np.where(np.isfinite(table), table, mean)
    score = np.where(np.isfinite(table), table - mean, 0.0) @ precision
    spread = np.zeros_like(covariance)
    for i, row in enumerate(table):
        u = np.flatnonzero(np.isnan(row))
        if len(u):
            block = _inverse(precision[np.ix_(u, u)])
            full[i, u] -= block @ score[i, u]
            spread[np.ix_(u, u)] += block
    return full, spread


def _smoother(
    features: NDArray[np.float64], penalty: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Hat matrix (rows, rows) of the ridge on features, and its map to coefficients."""
    n, f = features.shape
    gram = features @ features.T / max(f, 1)
    solved = np.linalg.solve(gram + penalty * np.eye(n), np.eye(n))
    return gram @ solved, features.T @ solved / max(f, 1)


def _inverse(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """Inverse of a symmetric positive definite matrix, by Cholesky."""
    factor, failed = lapack.dpotrf(matrix, lower=1, clean=1)
    if failed:
        raise DataError(
            "a covariance of the table is not positive definite; "
            "raise the option 'prior', or leave out treatments measured only once"
        )
    lower, _ = lapack.dpotri(factor, lower=1)
    return np.asarray(lower + np.tril(lower, -1).T, np.float64)
