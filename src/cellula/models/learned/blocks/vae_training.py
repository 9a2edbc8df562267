"""How a variational autoencoder of counts is trained: its loss, its steps, its validation error."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil
from typing import final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cellula.models.baselines.pseudobulk import Pseudobulk
from cellula.models.baselines.reference import Reference
from cellula.models.learned.blocks.conditions import ConditionBatch
from cellula.models.learned.blocks.count_cells import CountCells
from cellula.models.learned.blocks.count_vae import CountVae, divergence
from cellula.models.learned.blocks.gradient_reversal import ramp
from cellula.models.learned.blocks.latent_moves import LatentMoves
from cellula.models.learned.blocks.trainer import Positions

__all__ = ["ResponseError", "Step", "Steps", "VaeLoss"]

#: Groups and controls of a validation, and values of them at most.
MOST_GROUPS, MOST_CELLS, MOST_VALUES = 16, 64, 2**20


@dataclass(frozen=True, slots=True)
class Step:
    """rows: (cells,) positions of a batch; share: of the training that is done, from 0 to 1."""

    rows: Tensor
    share: float


@dataclass(frozen=True, slots=True)
class Steps:
    """Shuffled batches that know how far the training is; epochs: what a share of 1 is."""

    positions: Positions
    epochs: int

    def epoch(self, number: int) -> Iterator[Step]:
        """The steps of one pass."""
        n = ceil(self.positions.n / self.positions.size)
        for i, rows in enumerate(self.positions.epoch(number)):
            yield Step(rows, (number + i / n) / self.epochs)


@final
@dataclass(frozen=True, slots=True)
class VaeLoss:
    """-log p(x | z, condition) + w KL, a readout, and what discriminators tell of z.

    table: the questions of ``cells``; treatment, context: (questions,) their codes; kl_weight: w
    after ``warm_up``, a share of the training in which it rises from 0; adversary: the strength
    of the reversed gradient in the end [ganin2016]_.
    """

    network: CountVae
    cells: CountCells
    table: ConditionBatch
    treatment: Tensor
    context: Tensor
    kl_weight: float
    warm_up: float
    adversary: float
    responses: Tensor | None

    def __call__(self, step: Step, generator: torch.Generator) -> Tensor:
        """The mean loss of the cells of a step, in nats a readout."""
        network, device = self.network, self.table.context.device
        reading = self.cells.take(step.rows).to(device)
        question = self.cells.question[step.rows].to(device)
        taken = None if self.responses is None else self.responses[question]
        mean, log_variance = network.posterior(reading, taken)
        noise = torch.randn(mean.shape, generator=generator).to(device)
        state = mean + noise * torch.exp(0.5 * log_variance)
        expected = network.decode(state, network.conditions(self.table, question))
        weight = self.kl_weight * min(1.0, step.share / max(self.warm_up, 1e-9))
        cost = weight * divergence(mean, log_variance) - network.log_likelihood(reading, expected)
        loss = cost.mean() / reading.target.shape[1]
        if self.adversary <= 0:
            return loss
        strength = self.adversary * ramp(step.share)
        return loss + network.told(
            state, self.treatment[question], self.context[question], strength
        )


@final
@dataclass(frozen=True, slots=True)
class ResponseError:
    """Mean square of what a network misses of held-out mean responses, in units of the values.

    Of at most 16 groups and 64 controls a group. held: the groups, relative to their controls;
    table: their questions; cells, bulk, reference: of training.
    """

    network: CountVae
    held: Pseudobulk
    table: ConditionBatch
    cells: CountCells
    bulk: Pseudobulk
    reference: Reference

    def __call__(self) -> float:
        """The error now; in evaluation mode and without gradients."""
        network, held = self.network, self.held
        moves = None
        if network.condition is None:
            moves = LatentMoves.of(network, self.cells, self.bulk, self.reference).at(
                held.queries()
            )
        groups = np.unique(np.linspace(0, len(held.values) - 1, MOST_GROUPS).round().astype(int))
        n_values = len(groups) * held.values.shape[1]
        n_cells = int(np.clip(MOST_VALUES // n_values, 8, MOST_CELLS))
        errors = []
        for group in groups:
            change = self._change(int(group), n_cells, moves)
            errors.append(np.mean((change - held.values[group]) ** 2))
        return float(np.mean(errors))

    def _change(
        self, group: int, n_cells: int, moves: NDArray[np.float64] | None
    ) -> NDArray[np.float64]:
        """The mean change of at most ``n_cells`` controls of the group's context."""
        network, device = self.network, self.table.context.device
        name = self.held.contexts[self.held.context[group]]
        own = len(self.bulk.values) + self.reference.contexts.index(name)
        rows = torch.nonzero(self.cells.question == own).squeeze(1)
        if len(rows) == 0:  # its controls are in the validation part alone
            rows = torch.nonzero(self.cells.question >= len(self.bulk.values)).squeeze(1)
        rows = rows[:: max(1, len(rows) // n_cells)][:n_cells]
        one = self.table.take(torch.tensor([group], device=device))
        none = one.untreated(torch.ones(1, dtype=torch.bool, device=device))
        first = torch.zeros(1, dtype=torch.long, device=device)
        move = None if moves is None else torch.from_numpy(moves[group : group + 1]).float()
        change = network.change(
            self.cells.take(rows).to(device),
            network.conditions(one, first),
            network.conditions(none, first),
            None if move is None else move.to(device),
        )
        return np.asarray(change.double().mean(dim=0).cpu().numpy())
