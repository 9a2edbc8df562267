"""Ridge regression of many columns on shared features, exact where entries are missing.

Every column j is fitted on the rows where it was measured, with an intercept b0 that is not
penalised: min over b0, b of sum_o (y_o - b0 - x_o b)^2 + alpha |b|^2. With the hat matrix H of
ALL rows, the values that a missing entry must have so that it does not move the fit are
y_u = (I - H_uu)^-1 H_uo y_o; so one decomposition of the features serves all columns.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve

from cellula.core.errors import DataError

__all__ = ["RidgeFit", "RidgeProblem"]


@dataclass(frozen=True, slots=True)
class RidgeFit:
    """intercept: (columns,); coefficients: (features, columns)."""

    intercept: NDArray[np.float64]
    coefficients: NDArray[np.float64]

    def at(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        """Fitted values of rows: (rows, columns)."""
        return self.intercept + features @ self.coefficients


@dataclass(frozen=True, slots=True)
class RidgeProblem:
    """Features decomposed once: center (features,); left, values, right: thin SVD of the rest."""

    center: NDArray[np.float64]
    left: NDArray[np.float64]
    singular: NDArray[np.float64]
    right: NDArray[np.float64]

    @classmethod
    def of(cls, features: NDArray[np.float64]) -> RidgeProblem:
        """From features (rows, features), by the eigenvectors of the smaller Gram matrix."""
        center = features.mean(axis=0)
        x = features - center
        is_wide = x.shape[1] > x.shape[0]
        square, vectors = np.linalg.eigh(x @ x.T if is_wide else x.T @ x)
        kept = square > 1e-10 * max(float(square[-1]) if len(square) else 0.0, 1e-300)
        singular, vectors = np.sqrt(square[kept]), vectors[:, kept]
        other = (x.T @ vectors if is_wide else x @ vectors) / singular
        left, right = (vectors, other) if is_wide else (other, vectors)
        return cls(center, left, singular, right)

    def solve(self, table: NDArray[np.float64], alpha: float) -> RidgeFit:
        """Coefficients of every column of ``table`` (rows, columns), NaN where not measured.

        alpha: the ridge penalty [hoerl1970]_, in squared units of the features.
        Raises DataError, naming it, on a column without a measured value.
        """
        shrink = self.singular**2 / (self.singular**2 + alpha)
        full = table
        if np.isnan(table).any():
            n = len(table)
            full = _imputed(table, (self.left * shrink) @ self.left.T + 1.0 / n)
        mean = full.mean(axis=0)
        weights = self.left.T @ (full - mean)
        coefficients = self.right @ ((shrink / self.singular)[:, None] * weights)
        return RidgeFit(mean - self.center @ coefficients, coefficients)


def _imputed(table: NDArray[np.float64], hat: NDArray[np.float64]) -> NDArray[np.float64]:
    """The table with missing entries at their own fitted values, a pattern of them at a time."""
    full = np.nan_to_num(table)
    fitted = hat @ full
    is_missing = np.isnan(table)
    patterns: dict[bytes, list[int]] = {}
    for j, column in enumerate(np.ascontiguousarray(is_missing.T)):
        patterns.setdefault(column.tobytes(), []).append(j)
    for members in patterns.values():
        columns = np.array(members)
        u = np.flatnonzero(is_missing[:, columns[0]])
        if len(u) == len(table):
            raise DataError(f"column {columns[0]} of the table has no measured value; leave it out")
        if len(u):
            block = np.ix_(u, columns)
            factor = cho_factor(np.eye(len(u)) - hat[np.ix_(u, u)], lower=True, check_finite=False)
            full[block] = cho_solve(factor, fitted[block], check_finite=False)
    return full
