"""Sparse layers on a graph: convolution, attention, smoothing; sums in one fixed order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor, nn

__all__ = [
    "BondConvolution",
    "Edges",
    "GraphAttention",
    "GraphConvolution",
    "Smoothing",
    "edges_of",
    "spread",
]


@dataclass(frozen=True, slots=True)
class Edges:
    """source, target, weight: (edges,) in the order of targets; n: how many nodes."""

    source: Tensor
    target: Tensor
    weight: Tensor
    n: int

    def to(self, device: torch.device) -> Edges:
        """The same on a device."""
        return Edges(self.source.to(device), self.target.to(device), self.weight.to(device), self.n)


def edges_of(adjacency: sp.csr_matrix, *, has_loops: bool = False) -> Edges:
    """The edges of a symmetric graph, weights divided by the root of both ends' degrees.

    D^-1/2 A D^-1/2 [kipf2017]_; with loops, of A plus a loop at every node whose weight is the
    node's largest one (1 where it has none).
    """
    matrix = sp.csr_matrix(adjacency, dtype=np.float64)
    if has_loops:
        largest = np.asarray(matrix.max(axis=1).todense()).ravel() if matrix.nnz else 0.0
        loops = np.where(largest > 0, largest, 1.0) * np.ones(matrix.shape[0])
        matrix = sp.csr_matrix(matrix + sp.diags(loops))
    degree = np.asarray(matrix.sum(axis=1)).ravel()
    root = 1.0 / np.sqrt(np.where(degree > 0, degree, 1.0))
    pairs = matrix.tocoo()
    order = np.lexsort((pairs.col, pairs.row))
    row, column = pairs.row[order].astype(np.int64), pairs.col[order].astype(np.int64)
    weight = pairs.data[order] * root[row] * root[column]
    return Edges(
        torch.from_numpy(column),
        torch.from_numpy(row),
        torch.from_numpy(weight).float(),
        matrix.shape[0],
    )


def spread(edges: Edges, weight: Tensor, nodes: Tensor) -> Tensor:
    """Sum over the edges that arrive at every node of weight times the source's row.

    weight: (edges,) or (edges, 1); nodes: (nodes, width). Returns (nodes, width).
    """
    told = nodes[edges.source] * weight.reshape(-1, 1).to(nodes.dtype)
    empty = torch.zeros(edges.n, nodes.shape[1], dtype=nodes.dtype, device=nodes.device)
    return empty.index_add(0, edges.target, told)


@final
class GraphConvolution(nn.Module):
    """x + SiLU(LayerNorm(W S x)), S the normalised graph with loops [kipf2017]_."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.linear = nn.Linear(width, width)
        self.norm = nn.LayerNorm(width)

    def forward(self, nodes: Tensor, edges: Edges) -> Tensor:
        """Rows of nodes (nodes, width) after one step along the edges."""
        mixed = self.norm(self.linear(spread(edges, edges.weight, nodes)))
        found: Tensor = nodes + nn.functional.silu(mixed)
        return found


@final
class GraphAttention(nn.Module):
    """x + SiLU(LayerNorm(sum_j a_ij W x_j)); a_i is a softmax over the edges that arrive at i.

    The score of an edge is LeakyReLU(p W x_i + q W x_j) plus the logarithm of its weight, so that
    without learned scores it is a weighted mean [velickovic2018]_. A node without edges gets 0.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.linear = nn.Linear(width, width)
        self.arrives = nn.Linear(width, 1, bias=False)
        self.leaves = nn.Linear(width, 1, bias=False)
        self.norm = nn.LayerNorm(width)

    def forward(self, nodes: Tensor, edges: Edges) -> Tensor:
        """Rows of nodes (nodes, width) after one step along the edges."""
        value = self.linear(nodes)
        score = self.arrives(value)[edges.target] + self.leaves(value)[edges.source]
        prior = edges.weight.to(nodes.dtype).clamp_min(1e-12).log()
        score = nn.functional.leaky_relu(score.squeeze(1), 0.2) + prior
        share = _softmax(score, edges)
        found: Tensor = nodes + nn.functional.silu(self.norm(spread(edges, share, value)))
        return found


@final
class BondConvolution(nn.Module):
    """x_i + SiLU(LayerNorm(sum_j U SiLU(W x_j + V e_ij))), e_ij what the edge is like.

    Message passing whose messages know their bond [gilmer2017]_.
    """

    def __init__(self, width: int, n_features: int) -> None:
        super().__init__()
        self.leaves = nn.Linear(width, width)
        self.bond = nn.Linear(n_features, width, bias=False)
        self.arrives = nn.Linear(width, width)
        self.norm = nn.LayerNorm(width)

    def forward(self, nodes: Tensor, edges: Edges, features: Tensor) -> Tensor:
        """nodes: (nodes, width); features: (edges, features). Returns (nodes, width)."""
        told = nn.functional.silu(self.leaves(nodes)[edges.source] + self.bond(features))
        empty = torch.zeros_like(nodes)
        found: Tensor = self.arrives(empty.index_add(0, edges.target, told))
        return nodes + nn.functional.silu(self.norm(found))


@final
class Smoothing(nn.Module):
    """Vectors of nodes of which only some are known, told along the edges.

    v = sum_k b^k S^k (m x) / (sum_k b^k S^k m + e), k = 0 ... hops: m marks the nodes whose row of
    x is known, and the shrinkage e > 0 is learned, as is b in (0, 1). A node that no known one
    reaches is 0; one that few reach weakly is near 0.
    """

    def __init__(self, hops: int) -> None:
        super().__init__()
        self.hops = hops
        self.shrinkage = nn.Parameter(torch.tensor(-1.0))
        self.decay = nn.Parameter(torch.tensor(0.0))

    def forward(self, nodes: Tensor, is_known: Tensor, edges: Edges) -> Tensor:
        """nodes: (nodes, width); is_known: (nodes,) 0 or 1. Returns (nodes, width)."""
        mark = is_known.reshape(-1, 1).to(nodes.dtype)
        step = torch.cat([nodes * mark, mark], dim=1)
        total, share = step, torch.sigmoid(self.decay)
        for _ in range(self.hops):
            step = share * spread(edges, edges.weight, step)
            total = total + step
        found: Tensor = total[:, :-1] / (total[:, -1:] + nn.functional.softplus(self.shrinkage))
        return found


def _softmax(score: Tensor, edges: Edges) -> Tensor:
    """Softmax of the scores of the edges that arrive at one node: (edges,)."""
    low = torch.full((edges.n,), -torch.inf, dtype=score.dtype, device=score.device)
    top = low.scatter_reduce(0, edges.target, score.detach(), "amax")
    raised = torch.exp(score - top[edges.target])
    total = torch.zeros(edges.n, dtype=score.dtype, device=score.device)
    total = total.index_add(0, edges.target, raised)
    return raised / total[edges.target]
