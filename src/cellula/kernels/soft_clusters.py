"""Soft memberships of clusters, updated block by block so that batches spread over clusters."""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

__all__ = ["update_memberships"]


def _update(
    memberships: NDArray[np.float64],
    affinity: NDArray[np.float64],
    levels: NDArray[np.int64],
    order: NDArray[np.int64],
    bounds: NDArray[np.int64],
    share: NDArray[np.float64],
    theta: float,
    observed: NDArray[np.float64],
    sizes: NDArray[np.float64],
) -> None:
    """One pass over all rows; memberships, observed and sizes change in place."""
    n_levels, n_clusters = observed.shape
    n_variables = levels.shape[1]
    factor = np.empty((n_levels, n_clusters))
    for block in range(len(bounds) - 1):
        rows = order[bounds[block] : bounds[block + 1]]
        for i in rows:
            for k in range(n_clusters):
                weight = memberships[i, k]
                sizes[k] -= weight
                for v in range(n_variables):
                    observed[levels[i, v], k] -= weight
        for b in range(n_levels):
            for k in range(n_clusters):
                ratio = (sizes[k] * share[b] + 1.0) / (observed[b, k] + 1.0)
                factor[b, k] = ratio**theta
        for i in rows:
            total = 0.0
            for k in range(n_clusters):
                weight = affinity[i, k]
                for v in range(n_variables):
                    weight *= factor[levels[i, v], k]
                memberships[i, k] = weight
                total += weight
            for k in range(n_clusters):
                weight = memberships[i, k] / total
                memberships[i, k] = weight
                sizes[k] += weight
                for v in range(n_variables):
                    observed[levels[i, v], k] += weight


_compiled = numba.njit(cache=True)(_update)


def update_memberships(
    memberships: NDArray[np.float64],
    affinity: NDArray[np.float64],
    levels: NDArray[np.int64],
    order: NDArray[np.int64],
    n_blocks: int,
    share: NDArray[np.float64],
    theta: float,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """New memberships (rows, clusters) and how much of each level is in each cluster.

    The clustering step of [korsunsky2019]_.

    affinity: (rows, clusters), positive; levels: (rows, variables), codes of the levels of all
    variables, numbered through; order: the rows in the order of their update, cut into
    ``n_blocks`` blocks of sizes that differ by one at most; share: (levels,), the share of the
    rows that have a level. Of every block the memberships are taken out of the sums
    O[b, k] = sum over rows of level b of R[., k] and E[b, k] = share[b] sum of R[., k]; then
    R[i, k] is proportional to affinity[i, k] times the product over the levels b of row i of
    ((E[b, k] + 1) / (O[b, k] + 1))^theta, and is put back.

    Returned are R and O (levels, clusters). The order of all sums is fixed, so the bits depend
    on nothing but the arguments, which are left as they are.
    """
    result = np.array(memberships, np.float64, order="C")
    observed = np.zeros((len(share), result.shape[1]))
    for level in range(len(share)):
        for column in levels.T:
            observed[level] += result[column == level].sum(axis=0)
    edges = np.cumsum([0, *(len(part) for part in np.array_split(order, n_blocks))])
    _compiled(
        result,
        np.ascontiguousarray(affinity, np.float64),
        np.ascontiguousarray(levels, np.int64),
        np.ascontiguousarray(order, np.int64),
        np.asarray(edges, np.int64),
        np.ascontiguousarray(share, np.float64),
        float(theta),
        observed,
        result.sum(axis=0),
    )
    return result, observed
