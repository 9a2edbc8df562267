"""Which groups have a predictive interval, and why the others have none."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from cellula.core.comparison import Comparison
from cellula.core.metric import Terms
from cellula.evaluation.metrics.sums import missing, pooled_terms

__all__ = ["NO_INTERVAL", "bound_reasons", "forecast_terms", "no_interval"]

NO_INTERVAL = "the prediction has no interval"

Floats = NDArray[np.float64]


def bound_reasons(lower: Floats, upper: Floats, /, **sides: Floats) -> NDArray[np.str_]:
    """Why a group has no value, "" where it has: (groups,); all (groups, readouts).

    A bound that is NaN is no interval; the sides that are named must be finite.
    """
    is_missing = (np.isnan(lower) | np.isnan(upper)).any(axis=1)
    return np.where(is_missing, NO_INTERVAL, missing(**sides))


def no_interval(comparison: Comparison, n_terms: int) -> Terms:
    """Terms of a comparison whose prediction has no intervals at all."""
    n_groups = len(comparison.groups)
    return pooled_terms(np.full((n_groups, n_terms), np.nan), np.full(n_groups, NO_INTERVAL))


def forecast_terms(
    comparison: Comparison,
    n_terms: int,
    values: Callable[[Floats, Floats, Floats, Floats], Floats],
) -> Terms:
    """Terms of a metric of finite intervals with a prediction and an observation.

    values: lower, predicted, upper, observed (rows, readouts) of the groups that have them to
    (rows, terms).
    """
    lower, upper = comparison.lower, comparison.upper
    if lower is None or upper is None:
        return no_interval(comparison, n_terms)
    observed, predicted = comparison.observed, comparison.predicted
    sides = {"lower": lower, "upper": upper, "predicted": predicted, "observed": observed}
    reasons = bound_reasons(lower, upper, **sides)
    rows = reasons == ""
    found = np.full((len(rows), n_terms), np.nan)
    found[rows] = values(lower[rows], predicted[rows], upper[rows], observed[rows])
    return pooled_terms(found, reasons)
