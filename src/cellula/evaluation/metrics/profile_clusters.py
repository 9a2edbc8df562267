"""Clusters of profiles: who is whose nearest neighbour by direction, and the communities of that.

The clusters depend on the profiles and on nothing else: not on their order, their names or the
number of threads. Equal profiles are one node, nodes are numbered by their content, and the only
random order, that of the visits, has a fixed seed.
"""

from __future__ import annotations

from collections.abc import Iterator

import networkx as nx
import numpy as np
from networkx.algorithms.community import louvain_communities
from numpy.typing import NDArray

from cellula.kernels.blas_threads import one_blas_thread

__all__ = ["K", "profile_clusters"]

#: Nearest neighbours that a profile is joined to.
K = 5
#: The order in which the communities are tried.
SEED = 0
#: Rows of similarities that are held at once.
BLOCK = 1024
#: Digits of directions and similarities that count; those beyond are rounding.
DIGITS = 9

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]


def profile_clusters(changes: Floats) -> Codes:
    """The cluster, 0 .., of every profile (profiles, readouts): shape (profiles,).

    Every distinct direction is joined to the ``K`` others of largest cosine, whoever names whom;
    edges weigh 1. Clusters are the communities of the graph by Louvain's method [blondel2008]_
    at resolution 1. Profiles without a change, all zeros, are one node with cosine 0 to others.
    """
    if not len(changes):
        return np.zeros(0, np.int64)
    with one_blas_thread():
        nodes, place = _directions(changes)
        graph = nx.Graph()
        graph.add_nodes_from(range(len(nodes)))
        graph.add_edges_from(_edges(nodes))
    return _communities(graph)[place]


def _directions(changes: Floats) -> tuple[Floats, Codes]:
    """Distinct profiles of length 1, ordered by content, and which of them every profile is."""
    length = np.sqrt(np.square(changes).sum(axis=1, keepdims=True))
    unit = np.divide(changes, length, out=np.zeros(changes.shape), where=length > 0)
    unit = np.ascontiguousarray(np.round(unit, DIGITS) + 0.0)  # no zero has a sign
    rows = unit.view(np.dtype((np.void, unit.itemsize * unit.shape[1]))).ravel()
    _, first, place = np.unique(rows, return_index=True, return_inverse=True)
    return unit[first], place.astype(np.int64)


def _edges(nodes: Floats) -> Iterator[tuple[int, int]]:
    """Every node with its K nearest others; of equally near ones those of lower number."""
    n = len(nodes)
    k = min(K, n - 1)
    for start in range(0, n if k else 0, BLOCK):
        near = np.round(nodes[start : start + BLOCK] @ nodes.T, DIGITS)
        own = np.arange(len(near))
        near[own, start + own] = -np.inf
        least = np.partition(near, n - k, axis=1)[:, n - k]
        for row, (similarity, bound) in enumerate(zip(near, least, strict=True)):
            found = np.flatnonzero(similarity >= bound)
            order = np.argsort(-similarity[found], kind="stable")[:k]
            yield from ((start + row, int(other)) for other in found[order])


def _communities(graph: nx.Graph) -> Codes:
    """The community of every node, numbered by their first nodes.

    The backend is named, for an environment variable might choose another.
    """
    labels = np.zeros(graph.number_of_nodes(), np.int64)
    found = louvain_communities(graph, weight=None, resolution=1.0, seed=SEED, backend="networkx")
    for number, members in enumerate(sorted(found, key=min)):
        labels[sorted(members)] = number
    return labels
