"""Building terms and finishing sums without a warning, a lost NaN or a silent zero."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from cellula.core.comparison import Comparison
from cellula.core.metric import Terms
from cellula.kernels.blas_threads import one_blas_thread

__all__ = ["mean_terms", "missing", "no_terms", "pooled_terms", "population_terms", "ratio"]

Floats = NDArray[np.float64]


def ratio(numerator: Floats, denominator: Floats) -> Floats:
    """Quotient, NaN where the denominator is not positive; same shape."""
    quotient = np.full(np.shape(numerator), np.nan)
    np.divide(numerator, denominator, out=quotient, where=denominator > 0)
    return quotient


def missing(**sides: Floats) -> NDArray[np.str_]:
    """Why a group has no value, "" where it has: (groups,); sides: (groups, readouts) by name."""
    is_bad = [~np.isfinite(values).all(axis=1) for values in sides.values()]
    reasons = [f"the {name} value is not a number" for name in sides]
    return np.select(is_bad, reasons, "").astype(str)


def pooled_terms(values: Floats, reasons: NDArray[np.str_]) -> Terms:
    """Terms (groups, terms) of one stratum; rows with a reason become NaN."""
    kept = np.where((reasons == "")[:, None], values, np.nan)
    return Terms(kept, reasons, np.zeros(len(reasons), np.int64))


def mean_terms(values: Floats, reasons: NDArray[np.str_]) -> Terms:
    """Terms of a metric that is the mean of one value a group: the value and 1."""
    return pooled_terms(np.column_stack([values, np.ones(len(values))]), reasons)


def no_terms(n_groups: int, reason: str) -> Terms:
    """Terms of a mean that no group has, for one reason."""
    return mean_terms(np.full(n_groups, np.nan), np.full(n_groups, reason))


def population_terms(
    comparison: Comparison, distance: Callable[[Floats, Floats], float], min_cells: int
) -> Terms:
    """Terms of a mean over groups of a distance between observed and predicted cells.

    A group has a value when both sides hold at least ``min_cells`` cells.
    """
    n_groups = len(comparison.groups)
    values = np.full(n_groups, np.nan)
    observed, predicted = comparison.observed_cells, comparison.predicted_cells
    if observed is None or predicted is None:
        side = "observation" if observed is None else "prediction"
        return mean_terms(values, np.full(n_groups, f"the {side} carries no cells"))
    reasons: list[str] = []
    with one_blas_thread():
        for group in range(n_groups):
            x, y = observed.of(group), predicted.of(group)
            if min(len(x), len(y)) < min_cells:
                reasons.append(f"fewer than {min_cells} observed or predicted cells")
                continue
            is_finite = bool(np.isfinite(x).all() and np.isfinite(y).all())
            values[group] = distance(x, y) if is_finite else np.nan
            is_number = np.isfinite(values[group])
            reasons.append("" if is_number else "a cell has a value that is no number")
    return mean_terms(values, np.array(reasons, dtype=str))
