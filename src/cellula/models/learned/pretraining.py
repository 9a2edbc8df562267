"""Masked-expression pretraining: values of cells are hidden and told from the others."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, model_validator
from safetensors.torch import save as safetensors_bytes
from torch import Tensor

from cellula.core.dataset import Dataset
from cellula.core.embedding import Checkpoint
from cellula.core.errors import DataError
from cellula.core.model import Options
from cellula.core.run import RunContext
from cellula.io.atomic import write_atomically
from cellula.models.learned.blocks.scope import torch_scope
from cellula.models.learned.blocks.trainer import Positions, TrainOptions, fit_network
from cellula.models.learned.embedders.known_genes import CheckpointOptions, ExpressedGenes
from cellula.models.learned.embedders.masked_expression import MaskedReader
from cellula.models.learned.embedders.modalities import one_matrix

__all__ = ["PretrainOptions", "Pretrained", "pretrain"]

#: Cells that are dense together.
BLOCK = 1024
#: Stands in for the provenance while a checkpoint is made.
UNMADE = Checkpoint("masked_expression", "the pretraining", "", "unknown", "0" * 64)


class PretrainOptions(Options):
    """Options of :func:`pretrain`."""

    genes: int = Field(default=512, ge=2)
    """The most variable genes that the network reads."""
    width: int = Field(default=64, ge=1)
    """Numbers of a cell and of a gene."""
    layers: int = Field(default=2, ge=0)
    """Layers of attention; 0: a linear network, the ablation."""
    heads: int = Field(default=4, ge=1)
    """Heads of attention; the width is a multiple of them."""
    tokens: int = Field(default=256, ge=2)
    """Genes of a step, drawn anew each time."""
    hidden: float = Field(default=0.3, gt=0, lt=1)
    """The share of the genes of a step that is hidden in each cell."""
    train: TrainOptions = TrainOptions(epochs=40, batch=32, learning_rate=2e-3)
    """How the network is trained."""

    @model_validator(mode="after")
    def _heads_divide(self) -> PretrainOptions:
        if self.width % self.heads:
            raise ValueError(f"width {self.width} is no multiple of heads {self.heads}")
        return self


@final
@dataclass(frozen=True, slots=True)
class Pretrained:
    """A trained network and its genes: what :meth:`write` makes a checkpoint of.

    error: the mean squared error of hidden values of validation cells, in units of the mean
    variance of a gene, NaN without such cells; trained_on: SHA-256 by name of the files.
    """

    options: PretrainOptions
    genes: tuple[str, ...]
    network: MaskedReader
    error: float
    trained_on: Mapping[str, str]

    def write(
        self, folder: Path, *, name: str, version: str = "", license: str = "unknown"
    ) -> None:
        """A checkpoint that :class:`MaskedExpression` opens; its licence may follow the data's.

        Raises StorageError where the folder cannot be written.
        """
        folder.mkdir(parents=True, exist_ok=True)
        kept = ("width", "layers", "heads")
        files: dict[str, Any] = {
            "config": {key: getattr(self.options, key) for key in kept},
            "vocab": {gene: i for i, gene in enumerate(self.genes)},
            "source": {
                "name": name,
                "version": version,
                "license": license,
                "trained_on": dict(self.trained_on),
            },
        }
        for file, content in files.items():
            text = json.dumps(content, indent=1, ensure_ascii=False)
            write_atomically(folder / f"{file}.json", text.encode())
        weights = {n: t.detach().cpu().contiguous() for n, t in self.network.state_dict().items()}
        write_atomically(folder / "model.safetensors", safetensors_bytes(weights))


def pretrain(
    data: Dataset, valid: Dataset | None, options: PretrainOptions, run: RunContext
) -> Pretrained:
    """Train a :class:`MaskedReader` to tell hidden values of cells, counts or log1p.

    In every step ``tokens`` genes are drawn, and in each cell a share of them is hidden; the loss
    is the squared error of the hidden values told with the token and, again, by the cell's vector
    alone. Of several modalities every readout is a token. Early stopping on ``valid`` where it is
    given. No label of a cell is read. Raises
    DataError on other values than counts or log1p and on fewer than 10 cells.
    """
    if data.n_profiles < 10:
        raise DataError(f"{data.n_profiles} cells; a pretraining needs at least 10, better 1,000")
    data, valid = one_matrix(data), None if valid is None else one_matrix(valid)
    every = {gene: i for i, gene in enumerate(data.readouts)}
    whole = _values(data, every)
    order = np.argsort(-whole.var(axis=0), kind="stable")[: options.genes]
    genes = tuple(data.readouts[i] for i in sorted(order.tolist()))
    vocabulary = {gene: i for i, gene in enumerate(genes)}
    values = torch.from_numpy(whole[:, np.sort(order)]).float()
    held = None if valid is None else torch.from_numpy(_values(valid, vocabulary)).float()
    with torch_scope(run, "pretrain") as scope:
        network = MaskedReader(len(genes), options.width, options.layers, options.heads)
        network.mean.copy_(values.mean(dim=0))
        network.scale.fill_(max(float(values.var(dim=0).mean()) ** 0.5, 1e-12))
        network.to(scope.device)
        values = values.to(scope.device)

        def loss(rows: Tensor, generator: torch.Generator) -> Tensor:
            return _loss(network, values[rows.to(scope.device)], options, generator)

        def error() -> float:
            fixed = torch.Generator().manual_seed(0)
            return 0.0 if held is None else _error(network, held.to(scope.device), options, fixed)

        positions = Positions(len(values), options.train.batch, scope.generator.initial_seed())
        fit_network(
            network,
            loss,
            positions,
            options.train,
            scope,
            run,
            error=None if held is None else error,
        )
        with torch.no_grad():
            told = float("nan") if held is None else error()
        network.cpu()
        network.requires_grad_(False)
    return Pretrained(options, genes, network, told, dict(data.provenance.sources))


def _values(data: Dataset, vocabulary: Mapping[str, int]) -> NDArray[np.float32]:
    """log1p values of the genes of a vocabulary, in its order: (cells, genes)."""
    cells = ExpressedGenes.of(data, vocabulary, CheckpointOptions(min_coverage=0.0), UNMADE)
    if lost := len(vocabulary) - len(cells.known.token):
        raise DataError(
            f"the validation cells lack {lost} of {len(vocabulary)} genes; give both parts the "
            "same readouts"
        )
    order = np.argsort(cells.known.token)
    blocks = [
        cells.log_block(slice(start, start + BLOCK))[:, order].astype(np.float32)
        for start in range(0, len(cells), BLOCK)
    ]
    return np.concatenate(blocks)


def _loss(
    network: MaskedReader, values: Tensor, options: PretrainOptions, generator: torch.Generator
) -> Tensor:
    both, alone = _hidden_errors(network, values, options, generator)
    return both + alone


def _hidden_errors(
    network: MaskedReader, values: Tensor, options: PretrainOptions, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Mean squared errors of hidden scaled values: with their tokens, and by the cell alone."""
    n = values.shape[1]
    genes = torch.randperm(n, generator=generator)[: options.tokens].sort().values
    is_shown = torch.rand(len(values), len(genes), generator=generator) >= options.hidden
    genes, is_shown = genes.to(values.device), is_shown.to(values.device)
    v = network.scaled(values[:, genes], genes)
    cell, state = network(v, genes, is_shown)
    alone = network.by_cell(cell, genes)
    both = alone + network.by_token(state)
    is_hidden = (~is_shown).float()
    size = torch.clamp(is_hidden.sum(), min=1.0)
    return (
        ((both - v) ** 2 * is_hidden).sum() / size,
        ((alone - v) ** 2 * is_hidden).sum() / size,
    )


def _error(
    network: MaskedReader, values: Tensor, options: PretrainOptions, generator: torch.Generator
) -> float:
    """The error of hidden values over all cells, with fixed draws."""
    parts = [
        float(_hidden_errors(network, block, options, generator)[0]) * len(block)
        for block in torch.split(values, options.train.batch)
    ]
    return sum(parts) / len(values)
