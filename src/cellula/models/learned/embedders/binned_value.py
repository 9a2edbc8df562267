"""Cells as sets of genes with binned values, read by a transformer without places."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, final

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

__all__ = ["BinnedValue", "BinnedValueOptions", "SetReader", "binned"]

PAD, CLS = "<pad>", "<cls>"
#: The largest value that enters the network.
LARGEST = 512.0
#: Names of a layer's weights in ``torch.nn.TransformerEncoder`` -> ours.
INNER = {
    "self_attn.out_proj": "attended",
    "norm1": "attended_norm",
    "norm2": "narrow_norm",
    "linear1": "wide",
    "linear2": "narrow",
}
#: What holds query, key and value together, in that order.
TOGETHER = ("self_attn.in_proj_", "self_attn.Wqkv.")


class BinnedValueOptions(CheckpointOptions):
    """Options of :class:`BinnedValue`."""

    pooling: Literal["cls", "mean"] = "cls"
    """A cell is the state of the token ``<cls>``, or the mean of those of its genes."""
    max_length: int = Field(default=1200, ge=2)
    """The most tokens of a cell, ``<cls>`` among them: its highest values."""
    is_normed: bool = True
    """Whether the vector of a cell is divided by its length."""


@final
class SetReader(nn.Module):
    """Gene vectors plus vectors of values, then layers of attention without places."""

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__()
        width = whole(config, "embsize")
        self.genes = nn.Embedding(whole(config, "n_tokens"), width)
        self.gene_norm = nn.LayerNorm(width)
        self.value_wide = nn.Linear(1, width)
        self.value_narrow = nn.Linear(width, width)
        self.value_norm = nn.LayerNorm(width)
        form = TransformerForm(
            width, whole(config, "nheads"), whole(config, "d_hid"), "relu", epsilon=1e-5
        )
        self.encoder = TransformerEncoder(whole(config, "nlayers"), form)

    def forward(self, ids: Tensor, values: Tensor, is_there: Tensor) -> Tensor:
        """ids, values, is_there: (cells, tokens); the tokens after the last layer."""
        shown = torch.clamp(values, max=LARGEST).unsqueeze(-1)
        value = self.value_narrow(torch.relu(self.value_wide(shown)))
        x = self.gene_norm(self.genes(ids)) + self.value_norm(value)
        states: list[Tensor] = self.encoder(x, is_there)
        return states[-1]


@final
@dataclass(frozen=True, slots=True)
class BinnedValue:
    """A checkpoint in the manner of scGPT [cui2024]_.

    The values above 0 of a cell are cut into ``n_bins`` - 1 bins of equal counts (a value on a
    border goes into the higher bin), and a transformer reads the set of genes, each its vector
    plus a vector of its bin, beside a token ``<cls>``. ``config.json`` has embsize, nheads, d_hid,
    nlayers, n_bins (51) and pad_value (-2), as ``args.json`` of the original. A gene is its
    normalised input vector. Where a cell has more genes than there is room for, the highest
    values are read (the original draws some).
    """

    options: BinnedValueOptions

    name: ClassVar[str] = "binned_value"
    options_type: ClassVar[type[Options]] = BinnedValueOptions
    references: ClassVar[tuple[str, ...]] = ("cui2024", "vaswani2017")

    def open(self, path: Path) -> OpenedBinnedValue:
        """See :meth:`cellula.core.embedding.Embedder.open`."""
        folder = CheckpointFolder(path)
        config, tensors = folder.json("config.json"), _own_names(folder.tensors())
        if strange := [n for n in tensors if n.startswith(("bn.", "dsbn.", "batch_norm."))]:
            raise DataError(
                f"{path} normalises batches ({strange[0]}): the vector of a cell would depend on "
                "the other cells of its batch; use a checkpoint without"
            )
        tokens = tensors.get("genes.weight")
        with torch.device("meta"):
            network = SetReader({**config, "n_tokens": 1 if tokens is None else len(tokens)})
        fill(network, tensors, path)
        vocabulary = folder.vocabulary()
        if missing := [token for token in (PAD, CLS) if token not in vocabulary]:
            raise DataError(f"vocab.json of {path} has no {' and no '.join(missing)}")
        genes = {gene: token for gene, token in vocabulary.items() if not gene.startswith("<")}
        return OpenedBinnedValue(
            self.options,
            folder.card(self.name),
            network,
            vocabulary,
            genes,
            whole({"n_bins": 51, **config}, "n_bins"),
            float(config.get("pad_value", -2)),
        )


@final
@dataclass(frozen=True, slots=True)
class OpenedBinnedValue:
    """A transformer with the tokens of genes; see :class:`BinnedValue`."""

    options: BinnedValueOptions
    checkpoint: Checkpoint
    network: SetReader
    vocabulary: dict[str, int]
    genes: dict[str, int]
    n_bins: int
    pad_value: float

    def embed_cells(self, data: Dataset, run: RunContext) -> Embedding:
        """See :meth:`cellula.core.embedding.CellEmbedder.embed_cells`."""
        cells = ExpressedGenes.of(data, self.genes, self.options, self.checkpoint)
        with torch_scope(run, "binned_value") as scope, torch.no_grad():
            network = self.network.to(scope.device)

            def embed(values: NDArray[np.float64]) -> Tensor:
                ids, shown, is_there = (
                    part.to(scope.device) for part in self._sets(values, cells.known.token)
                )
                state = network(ids, shown, is_there)
                found = state[:, 0] if self.options.pooling == "cls" else _genes(state, is_there)
                return nn.functional.normalize(found) if self.options.is_normed else found

            return cells.embedding(in_blocks(cells, embed), self.checkpoint)

    def embed_genes(self, genes: Sequence[str], run: RunContext) -> Embedding:
        """See :meth:`cellula.core.embedding.GeneEmbedder.embed_genes`."""
        with torch_scope(run, "binned_value"), torch.no_grad():
            network = self.network.cpu()
            rows = network.gene_norm(network.genes.weight).numpy()
        return embedding_of_rows(genes, self.genes, rows, self.options, self.checkpoint)

    def _sets(
        self, values: NDArray[np.float64], token: NDArray[np.int64]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Tokens, their binned values, whether they are there: each (cells, longest)."""
        sets = []
        for row in values:
            expressed = np.flatnonzero(row > 0)
            order = np.lexsort((token[expressed], -row[expressed]))
            kept = expressed[order[: self.options.max_length - 1]]
            bins = binned(row[expressed], self.n_bins)[order[: self.options.max_length - 1]]
            sets.append((token[kept], bins))
        longest = 1 + max(len(tokens) for tokens, _ in sets)
        ids = np.full((len(sets), longest), self.vocabulary[PAD], np.int64)
        shown = np.full(ids.shape, self.pad_value, np.float32)
        is_there = np.zeros(ids.shape, bool)
        ids[:, 0], is_there[:, 0] = self.vocabulary[CLS], True
        for i, (tokens, bins) in enumerate(sets):
            place = slice(1, 1 + len(tokens))
            ids[i, place], shown[i, place], is_there[i, place] = tokens, bins, True
        return torch.from_numpy(ids), torch.from_numpy(shown), torch.from_numpy(is_there)


def binned(values: NDArray[np.float64], n_bins: int) -> NDArray[np.int64]:
    """The bin of every value above 0, from 1 to ``n_bins`` - 1: (values,).

    The borders are quantiles of these values, so any monotone scale gives nearly the same bins.
    """
    borders = np.quantile(values, np.linspace(0, 1, n_bins - 1))
    return np.asarray(np.digitize(values, borders), np.int64)


def _genes(state: Tensor, is_there: Tensor) -> Tensor:
    """The mean over the genes, without ``<cls>``."""
    return mean_of(state[:, 1:], is_there[:, 1:])


def _own_names(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The weights by our names; query, key and value apart."""
    outer = {
        "encoder.embedding": "genes",
        "encoder.enc_norm": "gene_norm",
        "value_encoder.linear1": "value_wide",
        "value_encoder.linear2": "value_narrow",
        "value_encoder.norm": "value_norm",
    }
    found: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        stem, _, leaf = name.rpartition(".")
        _, _, rest = name.partition("transformer_encoder.layers.")
        number, _, part = rest.partition(".")
        if together := next((t for t in TOGETHER if part.startswith(t)), None):
            leaf = part.removeprefix(together)
            for own, piece in zip(("query", "key", "value"), tensor.chunk(3), strict=True):
                found[f"encoder.layers.{number}.{own}.{leaf}"] = piece
        elif rest and part.rpartition(".")[0] in INNER:
            found[f"encoder.layers.{number}.{INNER[part.rpartition('.')[0]]}.{leaf}"] = tensor
        else:
            found[f"{outer[stem]}.{leaf}" if stem in outer else name] = tensor
    return found
