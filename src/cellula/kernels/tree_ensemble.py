"""Sums over the trees of an ensemble, for many rows."""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

__all__ = ["tree_sums"]


def _sums(
    x: NDArray[np.float64],
    roots: NDArray[np.int64],
    feature: NDArray[np.int64],
    threshold: NDArray[np.float64],
    missing_left: NDArray[np.bool_],
    left: NDArray[np.int64],
    right: NDArray[np.int64],
    value: NDArray[np.float64],
) -> NDArray[np.float64]:
    sums = np.zeros(x.shape[0])
    for row in range(x.shape[0]):
        for root in roots:
            node = root
            while feature[node] >= 0:
                number = x[row, feature[node]]
                goes_left = missing_left[node] if np.isnan(number) else number <= threshold[node]
                node = left[node] if goes_left else right[node]
            sums[row] += value[node]
    return sums


_compiled = numba.njit(cache=True)(_sums)


def tree_sums(
    x: NDArray[np.float64],
    roots: NDArray[np.int64],
    feature: NDArray[np.int64],
    threshold: NDArray[np.float64],
    missing_left: NDArray[np.bool_],
    left: NDArray[np.int64],
    right: NDArray[np.int64],
    value: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Sum over trees of the leaf that each row falls into: (rows,).

    x: (rows, features), NaN where missing. roots: the first node of every tree. Of each node:
    feature, -1 for a leaf; threshold, rows with x <= threshold go left; missing_left, whether
    NaN does; left and right, its children; value, that of a leaf. Trees are added in order.
    """
    sums = _compiled(
        np.ascontiguousarray(x), roots, feature, threshold, missing_left, left, right, value
    )
    return np.asarray(sums, np.float64)
