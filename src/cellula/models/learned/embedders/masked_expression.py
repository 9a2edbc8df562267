"""A small foundation model of our own: a transformer that fills in expression that is hidden."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, final

import numpy as np
import torch
from numpy.typing import NDArray
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
)
from cellula.models.learned.embedders.modalities import one_matrix

__all__ = ["MaskedExpression", "MaskedReader", "OpenedMaskedExpression"]

#: Cells that are read together.
BLOCK = 64


@final
class MaskedReader(nn.Module):
    """Every gene is a token e_g + v u_g of its scaled value v, or e_g + m where it is hidden.

    Layers of attention read the tokens (``layers`` 0: none do); a cell c is a linear map of the
    mean of the shown ones; a hidden value is told by c d_g + b_g plus a linear map of its token.
    v = (x - mean_g) / scale with one scale for all genes, so that genes count by their variance.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, genes: int, width: int, layers: int, heads: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(genes))
        self.register_buffer("scale", torch.ones(1))
        self.place = nn.Embedding(genes, width)
        self.slope = nn.Embedding(genes, width)
        self.hidden = nn.Parameter(torch.zeros(width))
        form = TransformerForm(width, heads, 2 * width, norm_first=True, epsilon=1e-5)
        self.encoder = TransformerEncoder(layers, form)
        self.cell = nn.Linear(width, width)
        self.direction = nn.Embedding(genes, width)
        self.offset = nn.Embedding(genes, 1)
        self.told = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, 1))
        for table in (self.place, self.slope, self.direction):
            nn.init.normal_(table.weight, 0.0, width**-0.5)
        nn.init.zeros_(self.offset.weight)

    def scaled(self, values: Tensor, genes: Tensor) -> Tensor:
        """log1p values (cells, genes) of the genes at these places, centred and scaled."""
        found: Tensor = (values - self.mean[genes]) / self.scale
        return found

    def forward(self, v: Tensor, genes: Tensor, is_shown: Tensor) -> tuple[Tensor, Tensor]:
        """Cells (cells, width) and tokens (cells, genes, width).

        v: scaled values (cells, genes); genes: (genes,) their places; is_shown: (cells, genes).
        """
        seen = v.unsqueeze(-1) * self.slope(genes)
        x = self.place(genes) + torch.where(is_shown.unsqueeze(-1), seen, self.hidden)
        state = self.encoder(x, torch.ones_like(is_shown))[-1]
        found: Tensor = self.cell(mean_of(state, is_shown))
        return found, state

    def by_cell(self, cell: Tensor, genes: Tensor) -> Tensor:
        """What a cell's vector alone tells of genes: scaled values (cells, genes)."""
        found: Tensor = cell @ self.direction(genes).T + self.offset(genes).squeeze(-1)
        return found

    def by_token(self, state: Tensor) -> Tensor:
        """What a token adds to that: scaled values (cells, genes)."""
        found: Tensor = self.told(state).squeeze(-1)
        return found


@final
@dataclass(frozen=True, slots=True)
class MaskedExpression:
    """A checkpoint of our own pretraining (:func:`cellula.models.learned.pretraining.pretrain`).

    A cell is the vector from which the network tells hidden genes; a gene is the direction in
    which that vector tells it. Of several modalities every readout is a token.
    """

    options: CheckpointOptions

    name: ClassVar[str] = "masked_expression"
    options_type: ClassVar[type[Options]] = CheckpointOptions
    references: ClassVar[tuple[str, ...]] = ("devlin2019", "vaswani2017")

    def open(self, path: Path) -> OpenedMaskedExpression:
        """See :meth:`cellula.core.embedding.Embedder.open`."""
        folder = CheckpointFolder(path)
        config, vocabulary = folder.json("config.json"), folder.vocabulary()
        layers = config.get("layers")
        if layers != 0:
            layers = whole(config, "layers")
        width, heads = whole(config, "width"), whole(config, "heads")
        if width % heads:
            raise DataError(f"config.json: width {width} is no multiple of heads {heads}")
        with torch.device("meta"):
            network = MaskedReader(len(vocabulary), width, layers, heads)
        fill(network, folder.tensors(), path)
        return OpenedMaskedExpression(self.options, folder.card(self.name), network, vocabulary)


@final
@dataclass(frozen=True, slots=True)
class OpenedMaskedExpression:
    """The network and its genes; see :class:`MaskedExpression`."""

    options: CheckpointOptions
    checkpoint: Checkpoint
    network: MaskedReader
    genes: dict[str, int]

    def embed_cells(self, data: Dataset, run: RunContext) -> Embedding:
        """See :meth:`cellula.core.embedding.CellEmbedder.embed_cells`."""
        cells = ExpressedGenes.of(one_matrix(data), self.genes, self.options, self.checkpoint)
        place = torch.from_numpy(cells.known.token)

        def embed(v: Tensor, genes: Tensor) -> Tensor:
            found: Tensor = self.network(v, genes, torch.ones_like(v, dtype=torch.bool))[0]
            return found

        return cells.embedding(self._read(cells, place, embed, run), self.checkpoint)

    def embed_genes(self, genes: Sequence[str], run: RunContext) -> Embedding:
        """See :meth:`cellula.core.embedding.GeneEmbedder.embed_genes`."""
        rows = self.network.direction.weight.detach().cpu().numpy()
        return embedding_of_rows(genes, self.genes, rows, self.options, self.checkpoint)

    def told(self, data: Dataset, hidden: Sequence[str], run: RunContext) -> NDArray[np.float32]:
        """log1p values (cells, hidden) of genes of the checkpoint, told from all other known ones.

        The data may lack them. Raises DataError on a gene that the checkpoint does not know.
        """
        if unknown := [gene for gene in hidden if gene not in self.genes]:
            raise DataError(f"{self.checkpoint.name} does not know {', '.join(unknown[:5])}")
        shown = {gene: token for gene, token in self.genes.items() if gene not in set(hidden)}
        cells = ExpressedGenes.of(one_matrix(data), shown, self.options, self.checkpoint)
        asked = [self.genes[gene] for gene in hidden]
        known = cells.known.token.tolist()
        # genes that the data lack are hidden too, as in training
        absent = sorted(set(self.genes.values()) - set(known) - set(asked))
        place, n = torch.tensor([*known, *absent, *asked]), len(asked)

        def tell(v: Tensor, genes: Tensor) -> Tensor:
            is_shown = torch.ones_like(v, dtype=torch.bool)
            is_shown[:, len(known) :] = False
            cell, state = self.network(v, genes, is_shown)
            value = self.network.by_cell(cell, genes[-n:]) + self.network.by_token(state[:, -n:])
            found: Tensor = value * self.network.scale + self.network.mean[genes[-n:]]
            return found

        return self._read(cells, place, tell, run)

    def _read(
        self, cells: ExpressedGenes, place: Tensor, read: Any, run: RunContext
    ) -> NDArray[np.float32]:
        """``read`` of the scaled values of blocks of cells; places without a value are 0."""
        parts = []
        with torch_scope(run, "masked_expression") as scope, torch.no_grad():
            self.network.to(scope.device)
            genes = place.to(scope.device)
            n = cells.known.token.size
            for start in range(0, len(cells), BLOCK):
                values = torch.from_numpy(cells.log_block(slice(start, start + BLOCK))).float()
                v = self.network.scaled(values.to(scope.device), genes[:n])
                v = nn.functional.pad(v, (0, len(genes) - n))
                parts.append(read(v, genes).cpu().numpy())
        return np.concatenate(parts).astype(np.float32)
