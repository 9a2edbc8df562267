"""Building terms and finishing sums without a warning, a lost NaN or a silent zero."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cellula.core.metric import Terms

__all__ = ["mean_terms", "missing", "no_terms", "pooled_terms", "ratio"]

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
