"""The one trainer: batches in a fixed order, early stopping, the best weights in the end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import torch
from pydantic import Field
from torch import Tensor, nn

from cellula.core.errors import NotConverged
from cellula.core.model import Options
from cellula.core.run import RunContext
from cellula.models.learned.blocks.scope import TorchScope

__all__ = ["Batches", "History", "Positions", "TrainOptions", "fit_network"]

BatchT = TypeVar("BatchT", covariant=True)
Batch = TypeVar("Batch")


class TrainOptions(Options):
    """Options of the trainer."""

    epochs: int = Field(default=100, ge=1)
    """The most passes through the training cells."""
    batch: int = Field(default=256, ge=1)
    """Cells of a step."""
    learning_rate: float = Field(default=1e-3, gt=0)
    """Of AdamW at the start; it falls to 0 along half a cosine."""
    weight_decay: float = Field(default=1e-4, ge=0)
    """Of AdamW."""
    patience: int = Field(default=15, ge=1)
    """Epochs without a better validation error after which training stops."""
    clip: float = Field(default=1.0, gt=0)
    """The largest norm of a gradient."""


class Batches(Protocol[BatchT]):
    """Where batches come from."""

    def epoch(self, number: int) -> Iterator[BatchT]:
        """The batches of one pass, the same for the same number."""


@dataclass(frozen=True, slots=True)
class Positions:
    """Shuffled positions of n items in batches of ``size``; seed: of the order of every pass."""

    n: int
    size: int
    seed: int

    def epoch(self, number: int) -> Iterator[Tensor]:
        """Positions (size,), the last batch what is left."""
        generator = torch.Generator().manual_seed((self.seed + 1_000_003 * number) % 2**63)
        order = torch.randperm(self.n, generator=generator)
        for start in range(0, self.n, self.size):
            yield order[start : start + self.size]


@dataclass(frozen=True, slots=True)
class History(Generic[Batch]):
    """Mean loss of every epoch on training cells, and on validation where there is any.

    best: the epoch whose weights the network has now.
    """

    train: tuple[float, ...]
    valid: tuple[float, ...]
    best: int


def fit_network(
    module: nn.Module,
    loss: Callable[[Batch, torch.Generator], Tensor],
    batches: Batches[Batch],
    options: TrainOptions,
    scope: TorchScope,
    run: RunContext,
    *,
    error: Callable[[], float] | None = None,
    stop: int | None = None,
) -> History[Batch]:
    """Fit a network in place; within a :func:`torch_scope`.

    loss: the mean loss of a batch, its randomness from the generator alone; error: the validation
    error now, computed in evaluation mode, by which training stops early and the best weights are
    kept; None trains all epochs. stop: end after so many epochs of the same schedule. Raises
    NotConverged when a loss is no number.
    """
    optimiser = torch.optim.AdamW(
        module.parameters(), lr=options.learning_rate, weight_decay=options.weight_decay
    )
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, options.epochs)
    seed = scope.generator.initial_seed()
    told, valid, best = [], [], 0
    kept: dict[str, Tensor] | None = None
    for epoch in run.progress.track(range(options.epochs)[:stop], "epochs"):
        _reseed(scope, seed, epoch)
        told.append(_epoch(module, loss, batches, epoch, options, scope, optimiser))
        schedule.step()
        if error is None:
            best = epoch
            continue
        module.eval()
        with torch.no_grad():
            valid.append(error())
        if kept is None or valid[-1] < valid[best]:
            best, kept = epoch, {n: t.detach().clone() for n, t in module.state_dict().items()}
        elif epoch - best >= options.patience:
            break
    if kept is not None:
        module.load_state_dict(kept)
    module.eval()
    return History(tuple(told), tuple(valid), best)


def _epoch(
    module: nn.Module,
    loss: Callable[[Batch, torch.Generator], Tensor],
    batches: Batches[Batch],
    epoch: int,
    options: TrainOptions,
    scope: TorchScope,
    optimiser: torch.optim.Optimizer,
) -> float:
    """One pass; the mean loss of its steps."""
    module.train()
    total, n = 0.0, 0
    for batch in batches.epoch(epoch):
        optimiser.zero_grad(set_to_none=True)
        value = loss(batch, scope.generator)
        if not torch.isfinite(value):
            raise NotConverged(
                f"the loss is {float(value.detach())} in epoch {epoch + 1}; lower the learning "
                f"rate (now {options.learning_rate:g}) or look for extreme values in the data"
            )
        torch.autograd.backward(value)
        nn.utils.clip_grad_norm_(module.parameters(), options.clip)
        optimiser.step()
        total, n = total + float(value.detach()), n + 1
    return total / max(n, 1)


def _reseed(scope: TorchScope, seed: int, epoch: int) -> None:
    """Every epoch begins its streams anew, so that a resumed training draws the same numbers."""
    own = (seed + 7_919 * (epoch + 1)) % 2**63
    scope.generator.manual_seed(own)
    torch.manual_seed(own)
