"""The two graphs of a perturbation model, and the network that goes along them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, final

import numpy as np
import pandas as pd
import scipy.sparse as sp
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cellula.core.dataset import Dataset, Provenance
from cellula.core.errors import DataError
from cellula.core.model import State
from cellula.core.perturbation import components
from cellula.core.query import QueryTable
from cellula.core.run import RunContext
from cellula.data.knowledge.coexpression import coexpression
from cellula.data.knowledge.graph import KnowledgeGraph
from cellula.data.knowledge.neighbours import likeness, nearest_graph
from cellula.kernels.blas_threads import one_blas_thread
from cellula.models.baselines.encoding import canonical_label, unique_labels
from cellula.models.baselines.features import SideFeatures
from cellula.models.baselines.reference import Reference
from cellula.models.learned.blocks.graph_layers import (
    GraphAttention,
    GraphConvolution,
    Smoothing,
    edges_of,
)
from cellula.models.learned.blocks.layers import mlp

__all__ = ["Knowledge", "PerturbedGenes", "PerturbedGenesNetwork", "Questions"]

Knowledge = Literal["graph", "shuffled", "none"]

#: More labels than this have no dense table of their likeness.
MAX_LABELS = 10_000
#: A perturbation is near training where its tie is no weaker than this quantile of the trained.
QUANTILE = 0.05


@dataclass(frozen=True, slots=True)
class Questions:
    """place: (questions, components) labels, -1 for an unknown one or none; context: (questions,
    readouts) the standardised control mean.
    """

    place: Tensor
    context: Tensor

    def take(self, rows: Tensor | slice) -> Questions:
        """Some questions."""
        return Questions(self.place[rows], self.context[rows])

    def to(self, device: torch.device, dtype: torch.dtype = torch.float32) -> Questions:
        """The same on a device, as numbers of ``dtype``."""
        return Questions(self.place.to(device), self.context.to(device, dtype))


@dataclass(frozen=True, slots=True)
class PerturbedGenes:
    """Labels of perturbations and readouts, each on a graph.

    labels: (labels,); likeness: their graph, CSR (labels, labels); is_trained: (labels,) those in
    the training set; coexpression: the graph of readouts, CSR (readouts, readouts); centre,
    spread: by which control means are standardised.
    """

    labels: tuple[str, ...]
    likeness: sp.csr_matrix
    is_trained: NDArray[np.bool_]
    coexpression: sp.csr_matrix
    centre: float
    spread: float

    @classmethod
    def of(
        cls,
        train: Dataset,
        trained: Sequence[str],
        reference: Reference,
        neighbours: int,
        knowledge: Knowledge,
        run: RunContext,
    ) -> PerturbedGenes:
        """From training profiles; ``trained``: labels of perturbations, with those of validation.

        Raises DataError where no trained perturbation has features, or there are too many labels.
        """
        table = train.perturbation_features
        side = SideFeatures.of(table, [part for label in trained for part in components(label)])
        own = {canonical_label(label) for label in side.labels}
        parts = {p for name in trained for p in ((name,) if name in own else components(name))}
        if not parts & own:
            raise DataError(
                f"none of the {len(parts)} trained perturbations has a row in the table of "
                "perturbation features; index that table by the same labels"
            )
        labels = (*map(canonical_label, side.labels), *sorted(parts - own))
        graph = _likeness(table, side, labels, neighbours)
        if knowledge == "shuffled":
            graph = graph.shuffled(run.child("shuffled").rng)
        adjacency = graph.adjacency if knowledge != "none" else sp.csr_matrix(graph.adjacency.shape)
        means = reference.means
        found = cls(
            labels,
            adjacency,
            np.zeros(len(labels), bool),
            coexpression(train, neighbours).adjacency,
            float(means.mean()),
            float(means.std()) or 1.0,
        )
        return found.trained_on(trained)

    def trained_on(self, names: Sequence[str]) -> PerturbedGenes:
        """The same graphs where these perturbations alone are trained."""
        places = np.array([p for part in self._places(names) for p in part if p >= 0], np.int64)
        is_trained = np.zeros(len(self.labels), bool)
        is_trained[places] = True
        return replace(self, is_trained=is_trained)

    def encode(self, queries: QueryTable, reference: Reference) -> Questions:
        """The questions as tensors on the CPU, in their order."""
        labels, inverse = unique_labels(queries.perturbation)
        parts = self._places(labels)
        place = np.full((len(labels), max(1, *(len(p) for p in parts), 1)), -1, np.int64)
        for row, part in enumerate(parts):
            place[row, : len(part)] = part
        means, _ = reference.at(queries.context)
        context = (means - self.centre) / self.spread
        return Questions(torch.from_numpy(place[inverse]), torch.from_numpy(context))

    def is_near(self, queries: QueryTable) -> NDArray[np.bool_]:
        """Whether every component is trained or tied to a trained one as they are: (queries,).

        The tie is the strongest edge to a trained perturbation; the limit is the 5 % quantile of
        that of the trained ones to one another.
        """
        tie = np.zeros(len(self.labels))
        if self.likeness.nnz and self.is_trained.any():
            tie = self.likeness[:, self.is_trained].max(axis=1).toarray().ravel()
        limit = float(np.quantile(tie[self.is_trained], QUANTILE)) if self.is_trained.any() else 0.0
        inside = np.append(self.is_trained | ((tie > 0) & (tie >= limit)), False)
        labels, inverse = unique_labels(queries.perturbation)
        near = [bool(part) and all(inside[p] for p in part) for part in self._places(labels)]
        return np.array(near, bool)[inverse]

    def state(self) -> State:
        """Arrays and labels from which :meth:`restore` makes this again."""
        arrays: dict[str, NDArray[Any]] = {"graph_trained": self.is_trained}
        for name, matrix in (("likeness", self.likeness), ("coexpression", self.coexpression)):
            arrays[f"{name}_data"] = matrix.data
            arrays[f"{name}_indices"] = matrix.indices.astype(np.int64)
            arrays[f"{name}_indptr"] = matrix.indptr.astype(np.int64)
        meta = {
            "graph_labels": list(self.labels),
            "graph_centre": self.centre,
            "graph_spread": self.spread,
        }
        return State(arrays, meta)

    @classmethod
    def restore(cls, arrays: Mapping[str, NDArray[Any]], meta: Mapping[str, Any]) -> PerturbedGenes:
        """The graphs of a state."""
        graphs = []
        for name in ("likeness", "coexpression"):
            data, indices, indptr = (arrays[f"{name}_{p}"] for p in ("data", "indices", "indptr"))
            n = len(indptr) - 1
            graphs.append(sp.csr_matrix((data, indices, indptr), (n, n)))
        return cls(
            tuple(meta["graph_labels"]),
            graphs[0],
            arrays["graph_trained"],
            graphs[1],
            float(meta["graph_centre"]),
            float(meta["graph_spread"]),
        )

    def _places(self, names: Sequence[str]) -> list[list[int]]:
        """The labels of every perturbation: its own where it has one, else its components'."""
        index = {label: i for i, label in enumerate(self.labels)}
        found = []
        for name in map(canonical_label, names):
            parts = (name,) if name in index else components(name)
            found.append([index.get(part, -1) for part in parts])
        return found


def _likeness(
    table: pd.DataFrame | None, side: SideFeatures, labels: tuple[str, ...], neighbours: int
) -> KnowledgeGraph:
    """The graph of the rows of the table; labels without a row have no edge."""
    if table is None or len(labels) > MAX_LABELS:
        raise DataError(
            f"a graph of {len(labels)} perturbations; at most {MAX_LABELS} fit into memory: keep "
            "the rows of the features that the study needs with 'where'"
        )
    raw = table.to_numpy(np.float64)
    is_membership = bool(((raw == 0) | (raw == 1)).all())
    with one_blas_thread():
        alike = likeness(raw if is_membership else side.values)
    known = tuple(map(canonical_label, side.labels))
    return KnowledgeGraph(known, nearest_graph(alike, neighbours), Provenance()).subset(labels)


@final
class PerturbedGenesNetwork(nn.Module):
    """Departures of readouts (questions, readouts), in units of the training spread.

    A perturbation's vector goes along the likeness of perturbations, a readout's along their
    co-expression; the composed vectors of a question move all readouts, and what all readouts do
    comes back to each. What is told is the difference to a question of which nothing is known, so
    that such a question has a departure of 0.
    """

    def __init__(self, genes: PerturbedGenes, width: int, hops: int, layer: str) -> None:
        super().__init__()
        n_labels, n_readouts = len(genes.labels), genes.coexpression.shape[0]
        self.ties = edges_of(genes.likeness)
        self.together = edges_of(genes.coexpression, has_loops=True)
        self.is_trained = torch.from_numpy(genes.is_trained)
        self.vectors = nn.Embedding(n_labels, width)
        self.smoothing = Smoothing(hops)
        self.compose = mlp((width, width, width))
        self.readouts = nn.Embedding(n_readouts, width)
        attends = layer == "attention"
        self.convolution = GraphAttention(width) if attends else GraphConvolution(width)
        self.context = nn.Parameter(torch.randn(width) / width**0.5)
        self.joined = nn.Sequential(nn.Linear(width, width), nn.LayerNorm(width), nn.SiLU())
        self.own = nn.Parameter(0.1 * torch.randn(n_readouts, width) / width**0.5)
        self.across = mlp((n_readouts, width, width))
        self.of_all = nn.Parameter(torch.zeros(n_readouts, width))

    def forward(self, questions: Questions, shown: Tensor | None = None) -> Tensor:
        """shown: (labels,) whose own vector may be seen, None for all."""
        device = questions.context.device
        is_known = self.is_trained.to(device)
        if shown is not None:
            is_known = is_known & shown
        told = self.smoothing(self.vectors.weight, is_known, self.ties.to(device))
        is_there = (questions.place >= 0).unsqueeze(-1)
        pooled = (told[questions.place.clamp_min(0)] * is_there).sum(dim=1)
        readouts = self.convolution(self.readouts.weight, self.together.to(device))
        base = readouts + questions.context.unsqueeze(-1) * self.context
        composed = self.compose(torch.stack([pooled, torch.zeros_like(pooled)])).unsqueeze(2)
        told_of, nothing = self._decoded(base + composed)
        found: Tensor = told_of - nothing
        return found

    def _decoded(self, moved: Tensor) -> Tensor:
        """Readouts from their vectors: (..., readouts, width) to (..., readouts)."""
        hidden = moved + self.joined(moved)
        first = (hidden * self.own).sum(dim=-1)
        found: Tensor = first + self.across(first) @ self.of_all.T
        return found
