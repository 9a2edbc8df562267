"""Correlation over the groups of a stratum, readout by readout, from moments.

The correlation is averaged over the readouts whose observed values vary. Ranks are taken once,
within stratum and readout, ties averaged. A readout that the prediction leaves constant
correlates 0: a model cannot drop a stratum by refusing to differ within it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cellula.core.metric import Terms
from cellula.core.numerals import plural
from cellula.evaluation.metrics.sums import missing
from cellula.kernels.correlation import average_ranks, mean_correlations

__all__ = ["MIN_GROUPS", "Strata", "correlation", "moments"]

#: Fewest groups of a stratum: two points always correlate perfectly.
MIN_GROUPS = 3
#: A variance below this share of the mean square is rounding, not variation.
TOLERANCE = 1e-10

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Strata:
    """Which groups are correlated with one another.

    codes: (groups,), codes 0 .. of their strata; names: what a reason calls every stratum.
    """

    codes: Codes
    names: NDArray[np.str_]

    def within(self, fold: Codes | None) -> Strata:
        """The parts of the strata that one fold holds; fold: (groups,), None for one fold."""
        if fold is None:
            return self
        joint = self.codes * (int(fold.max(initial=0)) + 1) + fold
        _, first, joint = np.unique(joint, return_index=True, return_inverse=True)
        return Strata(joint.astype(np.int64), self.names[self.codes[first]])


def moments(x: Floats, y: Floats, strata: Strata, *, is_ranked: bool = False) -> Terms:
    """1, and x, y, xx, yy, xy of every readout: (groups, 1 + 5 readouts).

    x, y: observed and predicted values (groups, readouts); is_ranked: of their ranks within the
    stratum. A group without a number, and a stratum without a correlation, have reasons.
    """
    codes = strata.codes
    reasons = missing(observed=x, predicted=y)
    is_there = reasons == ""
    if is_ranked:
        x, y = _ranks(x, codes, is_there), _ranks(y, codes, is_there)
    of_stratum = _lacks(x[is_there], codes[is_there], strata.names)
    reasons = np.where(is_there, of_stratum[codes], reasons)
    values = np.column_stack([np.ones(len(x)), x, y, x * x, y * y, x * y])
    return Terms(np.where((reasons == "")[:, None], values, np.nan), reasons, codes)


def _lacks(x: Floats, codes: Codes, names: NDArray[np.str_]) -> NDArray[np.str_]:
    """Why a stratum has no correlation, "" where it has: (strata,)."""
    count = np.bincount(codes, minlength=len(names))
    is_varied = np.zeros(len(names), bool)
    if len(codes):
        order = np.argsort(codes, kind="stable")
        starts = np.flatnonzero(_is_new(codes[order]))
        low, high = (ufunc.reduceat(x[order], starts) for ufunc in (np.minimum, np.maximum))
        is_varied[codes[order[starts]]] = (high > low).any(axis=1)
    reasons = [
        f"{name} has {plural(n, 'group')}, a correlation needs {MIN_GROUPS}"
        if n < MIN_GROUPS
        else ("" if varies else f"the observed values of {name} do not vary")
        for name, n, varies in zip(names, count, is_varied, strict=True)
    ]
    return np.array(reasons, dtype=str)


def correlation(sums: Floats) -> Floats:
    """Mean over readouts of the correlation, from moments (..., 1 + 5 readouts).

    NaN below 3 groups and where no observed readout varies.
    """
    flat = sums.reshape(-1, sums.shape[-1])
    mean = mean_correlations(flat, TOLERANCE).reshape(sums.shape[:-1])
    return np.asarray(np.where(sums[..., 0] >= MIN_GROUPS, mean, np.nan), np.float64)


# -- ranks ------------------------------------------------------------------------------------
def _is_new(ordered: NDArray[np.generic]) -> NDArray[np.bool_]:
    """Where a sorted array begins a new value: same shape."""
    is_new = np.ones(len(ordered), bool)
    is_new[1:] = ordered[1:] != ordered[:-1]
    return is_new


def _ranks(values: Floats, codes: Codes, is_there: NDArray[np.bool_]) -> Floats:
    """Ranks 1, 2, ... of the groups that are there, per stratum and readout, ties averaged."""
    result = np.full(values.shape, np.nan)
    result[is_there] = average_ranks(values[is_there], codes[is_there])
    return result
