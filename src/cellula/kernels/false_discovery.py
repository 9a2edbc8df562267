"""Adjusted p-values that bound the false discovery rate."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["benjamini_hochberg"]


def benjamini_hochberg(p: NDArray[np.float64]) -> NDArray[np.float64]:
    """Adjusted p of every row of p (tests,) or (families, tests) [benjamini1995]_.

    The i-th smallest of m becomes min over j >= i of p_(j) m / j, at most 1. NaN stays NaN and
    is no member of its family.
    """
    families = np.atleast_2d(np.asarray(p, np.float64))
    adjusted = np.full(families.shape, np.nan)
    for family, result in zip(families, adjusted, strict=True):
        tested = np.flatnonzero(~np.isnan(family))
        order = tested[np.argsort(family[tested], kind="stable")]
        m = len(order)
        scaled = family[order] * (m / np.arange(1, m + 1))
        result[order] = np.clip(np.minimum.accumulate(scaled[::-1])[::-1], 0.0, 1.0)
    return adjusted.reshape(np.shape(p))
