"""Nearest neighbours as a graph: every item is joined to those that it is most like."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from cellula.core.errors import DataError

__all__ = ["correlations", "likeness", "nearest_graph", "shared_terms"]


def nearest_graph(alike: NDArray[np.float64], neighbours: int) -> sp.csr_matrix:
    """The ``neighbours`` most alike of every item, joined in both directions: CSR (items, items).

    alike: (items, items), symmetric; what is not above 0 joins nobody, an item is not its own
    neighbour. Of equals the first in order is taken. Raises DataError on fewer than 1 neighbour.
    """
    if neighbours < 1:
        raise DataError(f"{neighbours} neighbours join nobody; give at least 1")
    values = np.round(alike, 12)  # copies are exactly alike, whatever the order of a sum
    np.fill_diagonal(values, 0.0)
    order = np.argsort(-values, axis=1, kind="stable")[:, :neighbours]
    rows = np.repeat(np.arange(len(values)), order.shape[1])
    weight = values[rows, order.ravel()]
    is_joined = weight > 0
    kept = (weight[is_joined], (rows[is_joined], order.ravel()[is_joined]))
    one = sp.csr_matrix(kept, values.shape)
    return sp.csr_matrix(one.maximum(one.T))


def likeness(features: NDArray[np.float64]) -> NDArray[np.float64]:
    """How alike items are, in [0, 1]: (items, items) from features (items, features).

    Features of values 0 and 1 are memberships: the share of terms that both have among those that
    one has (Jaccard). Others are compared by the cosine, negative ones counting 0.
    """
    if ((features == 0) | (features == 1)).all():
        return shared_terms(sp.csr_matrix(features))
    norm = np.sqrt((features**2).sum(axis=1))
    unit = features / np.where(norm > 0, norm, 1.0)[:, None]
    return np.clip(unit @ unit.T, 0.0, 1.0)


def shared_terms(terms: sp.csr_matrix) -> NDArray[np.float64]:
    """Jaccard index of the terms of every two items; terms: (items, terms) of 0 and 1."""
    both = np.asarray((terms @ terms.T).toarray(), np.float64)
    size = np.asarray(terms.sum(axis=1), np.float64).ravel()
    either = size[:, None] + size - both
    return np.divide(both, either, out=np.zeros_like(both), where=either > 0)


def correlations(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Pearson correlations of the columns of (profiles, items); 0 of a constant one."""
    centred = values - values.mean(axis=0)
    norm = np.sqrt((centred**2).sum(axis=0))
    unit = centred / np.where(norm > 1e-12, norm, np.inf)
    return np.asarray(unit.T @ unit, np.float64)
