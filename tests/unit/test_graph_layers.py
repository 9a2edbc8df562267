"""Layers on a graph against dense algebra, and what does not reach a node."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
import torch

from cellula.core.run import RunContext
from cellula.models.learned.blocks.graph_layers import (
    BondConvolution,
    GraphAttention,
    GraphConvolution,
    Smoothing,
    edges_of,
    spread,
)
from cellula.models.learned.blocks.scope import torch_scope

PATH = np.array([[0, 2, 0, 0], [2, 0, 1, 0], [0, 1, 0, 0], [0, 0, 0, 0]], float)


def test_edges_are_normalised_by_both_degrees() -> None:
    edges = edges_of(sp.csr_matrix(PATH))
    nodes = torch.eye(4)
    degree = np.array([2.0, 3.0, 1.0, 1.0])
    expected = PATH / np.sqrt(np.outer(degree, degree))
    np.testing.assert_allclose(spread(edges, edges.weight, nodes).numpy(), expected, rtol=1e-6)
    looped = edges_of(sp.csr_matrix(PATH), has_loops=True)
    whole = PATH + np.diag([2.0, 2.0, 1.0, 1.0])
    degree = whole.sum(axis=1)
    expected = whole / np.sqrt(np.outer(degree, degree))
    np.testing.assert_allclose(spread(looped, looped.weight, nodes).numpy(), expected, rtol=1e-6)


def test_a_layer_reaches_the_neighbours_and_nobody_else(run: RunContext) -> None:
    edges = edges_of(sp.csr_matrix(PATH), has_loops=True)
    with torch_scope(run, "layers"):
        for layer in (GraphConvolution(5), GraphAttention(5)):
            nodes = torch.randn(4, 5)
            moved = nodes.clone()
            moved[2] += 1.0
            change = (layer(moved, edges) - layer(nodes, edges)).abs().sum(dim=1)
            assert (change > 1e-6).tolist() == [False, True, True, False]


def test_a_message_knows_its_bond_and_reaches_the_neighbours_alone(run: RunContext) -> None:
    edges = edges_of(sp.csr_matrix(PATH))
    with torch_scope(run, "bonds"):
        layer = BondConvolution(5, 2)
        nodes, bonds = torch.randn(4, 5), torch.randn(len(edges.source), 2)
        plain = layer(nodes, edges, bonds)
        moved = nodes.clone()
        moved[2] += 1.0
        change = (layer(moved, edges, bonds) - plain).abs().sum(dim=1)
        assert (change > 1e-6).tolist() == [False, True, True, False]
        other = bonds.clone()
        other[edges.target == 0] += 1.0
        change = (layer(nodes, edges, other) - plain).abs().sum(dim=1)
        assert (change > 1e-6).tolist() == [True, False, False, False]


def test_attention_without_scores_is_a_weighted_mean(run: RunContext) -> None:
    edges = edges_of(sp.csr_matrix(PATH), has_loops=True)
    with torch_scope(run, "attention"):
        layer = GraphAttention(3)
        torch.nn.init.zeros_(layer.arrives.weight)
        torch.nn.init.zeros_(layer.leaves.weight)
        nodes = torch.randn(4, 3)
        value = layer.linear(nodes)
        weights = torch.zeros(4, 4)
        weights[edges.target, edges.source] = edges.weight
        mean = weights @ value / weights.sum(dim=1, keepdim=True)
        expected = nodes + torch.nn.functional.silu(layer.norm(mean))
        torch.testing.assert_close(layer(nodes, edges), expected)


def test_smoothing_tells_the_known_to_the_unknown_and_forgets_the_hidden(run: RunContext) -> None:
    edges = edges_of(sp.csr_matrix(PATH))
    with torch_scope(run, "smoothing"):
        smoothing = Smoothing(2)
        nodes = torch.randn(4, 3)
        is_known = torch.tensor([True, False, False, False])
        told = smoothing(nodes, is_known, edges)
        other = nodes.clone()
        other[1:] = 9.0  # nobody may see these
        torch.testing.assert_close(smoothing(other, is_known, edges), told)
        assert told[3].abs().max() == 0  # no edge arrives
        size = told.norm(dim=1)
        assert size[0] > size[1] > size[2] > 0  # the farther, the nearer to 0
        turn = torch.nn.functional.cosine_similarity(told[:3], nodes[:1])
        torch.testing.assert_close(turn, torch.ones(3))


def test_the_same_sums_again_and_again(run: RunContext) -> None:
    rng = np.random.default_rng(0)
    dense = np.triu(rng.random((50, 50)) < 0.3, 1) * rng.random((50, 50))
    edges = edges_of(sp.csr_matrix(dense + dense.T))
    with torch_scope(run, "sums"):
        nodes = torch.randn(50, 8)
        first = spread(edges, edges.weight, nodes)
        assert all(torch.equal(first, spread(edges, edges.weight, nodes)) for _ in range(5))
