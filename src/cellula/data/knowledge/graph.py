"""A graph of genes that says what it was made from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.linalg import eigh
from scipy.sparse.linalg import LinearOperator, eigsh

from cellula.core.dataset import Provenance
from cellula.core.errors import DataError
from cellula.data.knowledge.embedding import GeneEmbedding
from cellula.kernels.blas_threads import one_blas_thread

__all__ = ["KnowledgeGraph"]

#: Up to so many genes all eigenvectors are computed, above only those that are asked for.
DENSE = 1500
#: Every edge takes part in about so many swaps when a graph is shuffled.
SWAPS = 20


@dataclass(frozen=True, slots=True)
class KnowledgeGraph:
    """Genes and the weights of the edges between them.

    names: distinct; adjacency: CSR (genes, genes), symmetric, not negative, without loops;
    provenance: SHA-256 of all that it was made from, licence and citation; version: the date or
    release of the source where it is told.

    Raises DataError when a name repeats or the matrix is none of this.
    """

    names: tuple[str, ...]
    adjacency: sp.csr_matrix
    provenance: Provenance
    version: str = ""

    def __post_init__(self) -> None:
        n, a = len(self.names), self.adjacency
        if len(set(self.names)) != n:
            raise DataError("two nodes of a graph have one name; give every gene its own")
        if a.shape != (n, n):
            raise DataError(f"the adjacency is {a.shape}; expected ({n}, {n}), as the names")
        if a.nnz and (not np.isfinite(a.data).all() or a.data.min() < 0):
            raise DataError("a weight of an edge is negative or no number; expected 0 or more")
        if a.diagonal().any() or abs(a - a.T).max() > 0:
            raise DataError("the adjacency has a loop or is not symmetric; join both directions")

    @property
    def n_edges(self) -> int:
        """How many pairs of genes are joined."""
        return int(self.adjacency.nnz // 2)

    def subset(self, names: Sequence[str]) -> KnowledgeGraph:
        """The graph of ``names`` in their order; a name that it does not know has no edge."""
        place = pd.Index(self.names).get_indexer(pd.Index(list(names), dtype=object))
        rows = np.flatnonzero(place >= 0)
        pick = sp.csr_matrix(
            (np.ones(len(rows)), (rows, place[rows])), (len(place), len(self.names))
        )
        return replace(
            self, names=tuple(names), adjacency=sp.csr_matrix(pick @ self.adjacency @ pick.T)
        )

    def shuffled(self, rng: np.random.Generator) -> KnowledgeGraph:
        """A graph of the same degrees and weights that knows nothing: the control experiment.

        Pairs of edges a-b, c-d become a-d, c-b wherever that makes no loop and no double edge
        [maslov2002]_, in about 20 swaps an edge. In a graph that joins nearly all pairs there is
        little to swap: then only the weights move.
        """
        upper = sp.triu(self.adjacency, 1).tocoo()
        n, left, right = len(self.names), upper.row.astype(np.int64), upper.col.astype(np.int64)
        weight = rng.permutation(upper.data)
        for _ in range(2 * SWAPS):
            left, right = _swapped(left, right, n, rng)
        both = (np.concatenate([left, right]), np.concatenate([right, left]))
        mixed = sp.csr_matrix((np.concatenate([weight, weight]), both), self.adjacency.shape)
        return replace(self, adjacency=mixed)

    def embedding(self, dimensions: int) -> GeneEmbedding:
        """Coordinates of the genes: eigenvectors of D^-1/2 A D^-1/2 times their eigenvalues.

        The leading ones by absolute eigenvalue, without D^1/2 1, which only tells the degree; the
        sign of each makes its largest entry positive. A gene without an edge is 0 and left
        out. Raises DataError when the graph has fewer genes with an edge than ``dimensions`` + 2.
        """
        degree = np.asarray(self.adjacency.sum(axis=1)).ravel()
        kept = np.flatnonzero(degree > 0)
        if dimensions < 1 or len(kept) < dimensions + 2:
            raise DataError(
                f"{dimensions} dimensions of a graph of {len(kept)} joined genes; ask for at "
                f"least 1 and at most {max(len(kept) - 2, 0)}"
            )
        scale = sp.diags(1.0 / np.sqrt(degree[kept]))
        matrix = scale @ self.adjacency[kept][:, kept] @ scale
        with one_blas_thread():
            values, vectors = _leading(sp.csr_matrix(matrix), np.sqrt(degree[kept]), dimensions)
        coordinates = vectors * values
        largest = coordinates[np.abs(coordinates).argmax(axis=0), np.arange(dimensions)]
        coordinates = coordinates * np.where(largest < 0, -1.0, 1.0)
        names = tuple(self.names[i] for i in kept)
        return GeneEmbedding(names, np.ascontiguousarray(coordinates), self.provenance)


def _leading(
    matrix: sp.csr_matrix, trivial: NDArray[np.float64], n: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The n eigenvalues of largest size, descending, and their vectors: (n,), (nodes, n).

    trivial: (nodes,) the eigenvector of eigenvalue 1 that is taken out.
    """
    unit = trivial / np.sqrt(trivial @ trivial)
    if len(unit) <= DENSE:
        values, vectors = eigh(matrix.toarray() - np.outer(unit, unit))
    else:
        operator = LinearOperator(matrix.shape, lambda x: matrix @ x - unit * (unit @ x))
        start = np.linspace(1.0, 2.0, len(unit))
        values, vectors = eigsh(operator, n, which="LM", v0=start)
    order = np.argsort(-np.abs(values), kind="stable")[:n]
    return values[order], vectors[:, order]


def _swapped(
    left: NDArray[np.int64], right: NDArray[np.int64], n: int, rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """One round of swaps: every edge meets one other, and those that may change partners do."""
    half = len(left) // 2
    order = rng.permutation(len(left))
    one, two = order[:half], order[half : 2 * half]
    is_turned = rng.random(len(left)) < 0.5
    left, right = np.where(is_turned, right, left), np.where(is_turned, left, right)
    new = np.stack([_code(left[one], right[two], n), _code(left[two], right[one], n)])
    is_free = ~np.isin(new, _code(left, right, n)) & (new % n != new // n)
    found, count = np.unique(new, return_counts=True)
    is_single = count[np.searchsorted(found, new)] == 1
    does = (is_free & is_single).all(axis=0)
    right = right.copy()
    right[one[does]], right[two[does]] = right[two[does]], right[one[does]]
    return left, right


def _code(left: NDArray[np.int64], right: NDArray[np.int64], n: int) -> NDArray[np.int64]:
    """One number a pair, whichever end comes first."""
    return np.minimum(left, right) * n + np.maximum(left, right)
