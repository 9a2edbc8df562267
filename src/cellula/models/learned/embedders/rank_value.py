"""Cells as sentences: genes in the order of their expression, read by a BERT."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, final

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor, nn

from cellula.core.dataset import Dataset
from cellula.core.embedding import Checkpoint, Embedding
from cellula.core.errors import DataError
from cellula.core.model import Options
from cellula.core.run import RunContext
from cellula.models.learned.blocks.scope import torch_scope
from cellula.models.learned.blocks.transformer import (
    TransformerEncoder,
    TransformerForm,
    mean_of,
)
from cellula.models.learned.embedders.checkpoint_folder import CheckpointFolder, fill, whole
from cellula.models.learned.embedders.known_genes import (
    CheckpointOptions,
    ExpressedGenes,
    embedding_of_rows,
    in_blocks,
)

__all__ = ["Bert", "RankValue", "RankValueOptions"]

MEDIANS = "medians.json"
PAD, CLS, END = "<pad>", "<cls>", "<eos>"
#: Names of BERT's weights -> ours; a layer's begin with ``encoder.layer.N.``.
OUTER = {
    "embeddings.word_embeddings": "tokens",
    "embeddings.position_embeddings": "places",
    "embeddings.token_type_embeddings": "kinds",
    "embeddings.LayerNorm": "norm",
}
INNER = {
    "attention.self.query": "query",
    "attention.self.key": "key",
    "attention.self.value": "value",
    "attention.output.dense": "attended",
    "attention.output.LayerNorm": "attended_norm",
    "intermediate.dense": "wide",
    "output.dense": "narrow",
    "output.LayerNorm": "narrow_norm",
}


class RankValueOptions(CheckpointOptions):
    """Options of :class:`RankValue`."""

    layer: int = Field(default=-2, le=-1)
    """Which hidden layer is pooled: -1 is the last, -2 the one before it."""
    max_length: int = Field(default=0, ge=0)
    """The most tokens of a cell, its highest ranks; 0: as many as the checkpoint has places."""


@final
class Bert(nn.Module):
    """The encoder of BERT [devlin2019]_: tokens, places and one kind, then layers of attention."""

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__()
        width, epsilon = whole(config, "hidden_size"), float(config.get("layer_norm_eps", 1e-12))
        act = str(config.get("hidden_act", "gelu"))
        if act not in ("gelu", "relu"):
            raise DataError(f"config.json: hidden_act is {act!r}; expected gelu or relu")
        self.tokens = nn.Embedding(whole(config, "vocab_size"), width)
        self.places = nn.Embedding(whole(config, "max_position_embeddings"), width)
        self.kinds = nn.Embedding(int(config.get("type_vocab_size", 2)), width)
        self.norm = nn.LayerNorm(width, eps=epsilon)
        heads, inner = whole(config, "num_attention_heads"), whole(config, "intermediate_size")
        form = TransformerForm(
            width, heads, inner, "relu" if act == "relu" else "gelu", epsilon=epsilon
        )
        self.encoder = TransformerEncoder(whole(config, "num_hidden_layers"), form)

    def forward(self, ids: Tensor, is_there: Tensor) -> list[Tensor]:
        """Hidden states (cells, tokens, width): after the embedding and after every layer."""
        place = torch.arange(ids.shape[1], device=ids.device)
        x = self.tokens(ids) + self.places(place) + self.kinds.weight[0]
        states: list[Tensor] = self.encoder(self.norm(x), is_there)
        return states


@final
@dataclass(frozen=True, slots=True)
class RankValue:
    """A checkpoint in the manner of Geneformer [theodoris2023]_.

    The counts of a cell are divided by the median of each gene over the corpus of the checkpoint
    (``medians.json``), the genes with a count are sorted, the highest first, and their tokens
    (``vocab.json``) are read by a BERT; a cell is the mean of a hidden layer over its genes. A
    gene is its input vector. Ties are broken by the token, so that the order of columns does not
    matter. Weights bear the names of the library transformers.
    """

    options: RankValueOptions

    name: ClassVar[str] = "rank_value"
    options_type: ClassVar[type[Options]] = RankValueOptions
    references: ClassVar[tuple[str, ...]] = ("theodoris2023", "devlin2019")

    def open(self, path: Path) -> OpenedRankValue:
        """See :meth:`cellula.core.embedding.Embedder.open`."""
        folder = CheckpointFolder(path)
        with torch.device("meta"):
            network = Bert(folder.json("config.json"))
        fill(network, {_own_name(n): t for n, t in folder.tensors().items()}, path)
        n_states = len(network.encoder.layers) + 1
        if -self.options.layer > n_states:
            raise DataError(
                f"layer is {self.options.layer} and the checkpoint has {n_states} hidden states; "
                f"expected -{n_states} to -1"
            )
        vocabulary = folder.vocabulary()
        if PAD not in vocabulary:
            raise DataError(f"vocab.json of {path} has no {PAD!r}; add the token that fills up")
        medians = _medians(folder)
        genes = {gene: token for gene, token in vocabulary.items() if gene in medians}
        return OpenedRankValue(
            self.options, folder.card(self.name), network, vocabulary, genes, medians
        )


@final
@dataclass(frozen=True, slots=True)
class OpenedRankValue:
    """A BERT with the tokens and medians of genes; see :class:`RankValue`."""

    options: RankValueOptions
    checkpoint: Checkpoint
    network: Bert
    vocabulary: dict[str, int]
    genes: dict[str, int]
    medians: dict[str, float]

    def embed_cells(self, data: Dataset, run: RunContext) -> Embedding:
        """See :meth:`cellula.core.embedding.CellEmbedder.embed_cells`."""
        cells = ExpressedGenes.of(data, self.genes, self.options, self.checkpoint)
        by_token = {token: self.medians[gene] for gene, token in self.genes.items()}
        median = np.array([by_token[token] for token in cells.known.token.tolist()])
        with torch_scope(run, "rank_value") as scope, torch.no_grad():
            network = self.network.to(scope.device)

            def embed(values: NDArray[np.float64]) -> Tensor:
                ids, is_there, is_gene = self._sentences(values / median, cells.known.token)
                ids, is_there = ids.to(scope.device), is_there.to(scope.device)
                state = network(ids, is_there)[self.options.layer]
                return mean_of(state, is_gene.to(scope.device))

            return cells.embedding(in_blocks(cells, embed), self.checkpoint)

    def embed_genes(self, genes: Sequence[str], run: RunContext) -> Embedding:
        """See :meth:`cellula.core.embedding.GeneEmbedder.embed_genes`."""
        rows = self.network.tokens.weight.detach().cpu().numpy()
        return embedding_of_rows(genes, self.genes, rows, self.options, self.checkpoint)

    def _sentences(
        self, values: NDArray[np.float64], token: NDArray[np.int64]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Tokens, whether they are there, whether they are genes: each (cells, longest)."""
        begin = [self.vocabulary[CLS]] if self._has_ends else []
        end = [self.vocabulary[END]] if self._has_ends else []
        most = self.options.max_length or self.network.places.num_embeddings
        room = min(most, self.network.places.num_embeddings) - len(begin) - len(end)
        sentences = []
        for row in values:
            expressed = np.flatnonzero(row > 0)
            order = np.lexsort((token[expressed], -row[expressed]))[:room]
            sentences.append([*begin, *token[expressed[order]].tolist(), *end])
        longest = max(map(len, sentences))
        ids = np.full((len(sentences), longest), self.vocabulary[PAD], np.int64)
        is_there = np.zeros(ids.shape, bool)
        is_gene = np.zeros(ids.shape, bool)
        for i, sentence in enumerate(sentences):
            ids[i, : len(sentence)] = sentence
            is_there[i, : len(sentence)] = True
            is_gene[i, len(begin) : len(sentence) - len(end)] = True
        return torch.from_numpy(ids), torch.from_numpy(is_there), torch.from_numpy(is_gene)

    @property
    def _has_ends(self) -> bool:
        return CLS in self.vocabulary and END in self.vocabulary


def _own_name(name: str) -> str:
    """Our name of a weight of BERT; others (the head that predicts tokens) keep theirs."""
    bare = name.removeprefix("bert.")
    stem, _, leaf = bare.rpartition(".")
    if stem in OUTER:
        return f"{OUTER[stem]}.{leaf}"
    parts = stem.split(".", 3)
    if parts[:2] == ["encoder", "layer"] and len(parts) == 4 and parts[3] in INNER:
        return f"encoder.layers.{parts[2]}.{INNER[parts[3]]}.{leaf}"
    return name


def _medians(folder: CheckpointFolder) -> dict[str, float]:
    """``medians.json``: gene -> its median over the corpus, positive."""
    found = folder.json(MEDIANS)
    for gene, median in found.items():
        if not isinstance(median, int | float) or not median > 0 or not np.isfinite(median):
            raise DataError(f"{MEDIANS} gives {gene!r} the median {median!r}; expected one above 0")
    return {gene: float(median) for gene, median in found.items()}
