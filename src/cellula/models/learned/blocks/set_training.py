"""Training a network that moves sets: towards observed sets, until held-out ones get no nearer."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import torch
from torch import Tensor

from cellula.core.run import RunContext
from cellula.models.learned.blocks.cell_sets import CellSets, SetBatch
from cellula.models.learned.blocks.checkpoint import fingerprint
from cellula.models.learned.blocks.conditions import ConditionBatch
from cellula.models.learned.blocks.discrepancy import energy_distances, least_gammas, squared_mmds
from cellula.models.learned.blocks.scope import TorchScope
from cellula.models.learned.blocks.set_network import SetNetwork
from cellula.models.learned.blocks.trainer import History, Positions, TrainOptions, fit_network

__all__ = ["LOSSES", "SetTraining"]

#: Predicted cells (sets, n, d), which of them are there, and the drawn sets -> (sets,).
SetLoss: TypeAlias = Callable[[Tensor, SetBatch], Tensor]
#: Held-out sets that are moved together, and the most cells of one.
CHUNK, HELD_SIZE = 8, 256


def energy_loss(moved: Tensor, batch: SetBatch) -> Tensor:
    """Energy distance of every predicted from its observed set, unbiased: (sets,)."""
    return energy_distances(
        moved, batch.observed, batch.has_control, batch.has_observed, is_unbiased=True
    )


def mmd_loss(moved: Tensor, batch: SetBatch) -> Tensor:
    """Mean over five kernels of the squared MMD of predicted and observed sets: (sets,)."""
    gamma = least_gammas(batch.observed, batch.has_observed)
    squared = squared_mmds(moved, batch.observed, gamma, batch.has_control, batch.has_observed)
    return squared.mean(dim=1)


#: Losses by their name.
LOSSES = {"energy": energy_loss, "mmd": mmd_loss}


@dataclass(frozen=True, slots=True)
class SetTraining:
    """What training needs besides the network.

    sets: where sets come from; shift: (questions, dimensions) what the simple answer adds to the
    cells of a question; loss: of predicted sets; least: the fewest sets of an epoch; options: of
    the trainer, whose batch counts cells.
    """

    sets: CellSets
    shift: Tensor
    loss: SetLoss
    least: int
    options: TrainOptions

    def fit(
        self,
        network: SetNetwork,
        questions: Tensor,
        held: Tensor | None,
        scope: TorchScope,
        run: RunContext,
    ) -> History[Tensor]:
        """Fit the network, in place, on sets of ``questions``; stop early by those of ``held``."""
        table = self.sets.cells.batch.to(scope.device)
        items = self.sets.repeated(questions, self.least)
        steps = max(1, self.options.batch // self.sets.size)

        def loss(rows: Tensor, generator: torch.Generator) -> Tensor:
            batch = self.sets.draw(items[rows], generator).to(scope.device)
            return self.loss(self._moved(network, table, batch, 1.0), batch).mean()

        inputs = fingerprint(
            self.loss.__name__, self.sets.size, self.least, self.shift, questions, held
        )
        return fit_network(
            network,
            loss,
            Positions(len(items), steps, self.sets.cells.seed),
            self.options,
            scope,
            run,
            error=None if held is None else lambda: self.errors(network, held, (1.0,), scope)[0],
            inputs=fingerprint(inputs, self.sets.cells.digest()),
        )

    def errors(
        self, network: SetNetwork, questions: Tensor, strengths: Sequence[float], scope: TorchScope
    ) -> list[float]:
        """Mean loss over sets of the questions, by how much of the network counts.

        The same sets whenever it is asked.
        """
        table = self.sets.cells.batch.to(scope.device)
        generator = torch.Generator().manual_seed(self.sets.cells.seed)
        totals = [0.0] * len(strengths)
        for part in torch.split(questions, CHUNK):
            size = max(self.sets.size, HELD_SIZE)
            batch = self.sets.draw(part, generator, size).to(scope.device)
            with torch.no_grad():
                for i, strength in enumerate(strengths):
                    moved = self._moved(network, table, batch, strength)
                    totals[i] += float(self.loss(moved, batch).sum())
        return [total / len(questions) for total in totals]

    def shortened(self, epochs: int) -> SetTraining:
        """The same with so many epochs."""
        return replace(self, options=self.options.model_copy(update={"epochs": epochs}))

    def as_long(self, best: int) -> int:
        """Epochs of a whole schedule whose learning rates sum to those of this one up to ``best``.

        A training that is repeated so long ends at a rate of 0, after as much learning.
        """
        n = self.options.epochs
        total = sum(1.0 + math.cos(math.pi * epoch / n) for epoch in range(best + 1))
        return max(1, min(n, round(total)))

    def _moved(
        self, network: SetNetwork, table: ConditionBatch, batch: SetBatch, strength: float
    ) -> Tensor:
        shift = self.shift[batch.question.cpu()].to(batch.control.device).unsqueeze(1)
        base = batch.control + shift
        if strength == 0.0:
            return base
        condition = network.condition(table.take(batch.question))
        found: Tensor = base + strength * network(batch.control, condition, batch.has_control)
        return found
