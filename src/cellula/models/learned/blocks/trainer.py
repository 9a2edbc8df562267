"""The one trainer: batches in a fixed order, early stopping, the best weights in the end."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar, final

import torch
from pydantic import Field
from torch import Tensor, nn

from cellula.core.errors import DataError, NotConverged
from cellula.core.model import Options
from cellula.core.run import RunContext
from cellula.models.learned.blocks.checkpoint import (
    Checkpoint,
    Snapshot,
    fingerprint,
    module_fingerprint,
)
from cellula.models.learned.blocks.scope import TorchScope

__all__ = [
    "Batches",
    "History",
    "Positions",
    "TrainOptions",
    "Training",
    "fit_network",
    "fit_then_refit",
]

BatchT = TypeVar("BatchT", covariant=True)
Batch = TypeVar("Batch")


class TrainOptions(Options):
    """Options of the trainer."""

    epochs: int = Field(default=100, ge=1)
    """The most passes through the training cells."""
    batch: int = Field(default=256, ge=1)
    """Cells of a step."""
    learning_rate: float = Field(default=1e-3, gt=0)
    """Of AdamW at the start; it falls along half a cosine, to 0 after the last epoch."""
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


@final
@dataclass(frozen=True, slots=True)
class Training(Generic[Batch]):
    """A fresh network and what it is fitted to.

    loss, batches, error, inputs: as :func:`fit_network` takes them.
    """

    module: nn.Module
    loss: Callable[[Batch, torch.Generator], Tensor]
    batches: Batches[Batch]
    error: Callable[[], float] | None = None
    inputs: str = ""


def fit_network(
    module: nn.Module,
    loss: Callable[[Batch, torch.Generator], Tensor],
    batches: Batches[Batch],
    options: TrainOptions,
    scope: TorchScope,
    run: RunContext,
    *,
    error: Callable[[], float] | None = None,
    inputs: str = "",
    stop: int | None = None,
    label: str = "epochs",
) -> History[Batch]:
    """Fit a network in place; within a :func:`torch_scope`.

    loss: the mean loss of a batch, its randomness from the generator alone; error: the validation
    error now, computed in evaluation mode, by which training stops early and the best weights are
    kept; None trains all epochs. stop: end after so many epochs of the same schedule. label: what
    the progress is called.

    inputs: the :func:`~cellula.models.learned.blocks.checkpoint.fingerprint` of everything that
    loss, batches and error read (data and options). Where it is given, a training that was killed
    goes on from the run's scratch, to the same bits; loss and error then must have no memory of
    their own from epoch to epoch but buffers of the network.

    Raises NotConverged when a loss or an error is no number, DataError without a batch.
    """
    fit = _Fit(module, loss, batches, options, scope, error)
    n = options.epochs if stop is None else min(stop, options.epochs)
    key = inputs and fingerprint(
        inputs, module_fingerprint(module), options, scope.seed, n, torch.__version__
    )
    checkpoint = Checkpoint.of(run.scratch, key)
    written = checkpoint.read()
    if written is not None:
        fit.go_on(written)
        run.progress.say(f"training goes on after {len(fit.told)} of {n} {label}")
    try:
        for epoch in run.progress.track(range(n), label):
            if epoch < len(fit.told):
                continue
            if fit.is_over:
                break
            fit.step(epoch)
            if checkpoint.is_due:
                checkpoint.write(fit.snapshot())
    except (DataError, NotConverged):
        checkpoint.remove()  # it would end in the same way again
        raise
    checkpoint.remove()
    return fit.end()


def fit_then_refit(
    tune: Callable[[], Training[Batch]] | None,
    everything: Callable[[], Training[Batch]],
    options: TrainOptions,
    scope: TorchScope,
    run: RunContext,
) -> tuple[Training[Batch], History[Batch]]:
    """Tune on validation, then refit on all: the contract of :meth:`Model.fit`, for every network.

    tune: makes a fresh network on the training part, with an error on the validation part; None
    where there is none. everything: makes a fresh network on both. Both begin from the weights of
    one seed. The first is trained until its error no longer falls; the second for as many epochs
    as were best, on the same schedule, and is returned with the history of the first (of its own
    without ``tune``).
    """
    history: History[Batch] | None = None
    if tune is not None:
        torch.manual_seed(scope.seed)
        first = tune()
        history = fit_network(
            first.module,
            first.loss,
            first.batches,
            options,
            scope,
            run,
            error=first.error,
            inputs=first.inputs and f"tune {first.inputs}",
            label="epochs to tune",
        )
    torch.manual_seed(scope.seed)
    last = everything()
    own = fit_network(
        last.module,
        last.loss,
        last.batches,
        options,
        scope,
        run,
        inputs=last.inputs,
        stop=None if history is None else history.best + 1,
    )
    return last, own if history is None else history


@final
class _Fit(Generic[Batch]):
    """A training under way: all that changes from epoch to epoch is here."""

    def __init__(
        self,
        module: nn.Module,
        loss: Callable[[Batch, torch.Generator], Tensor],
        batches: Batches[Batch],
        options: TrainOptions,
        scope: TorchScope,
        error: Callable[[], float] | None,
    ) -> None:
        self.module, self.loss, self.batches = module, loss, batches
        self.options, self.scope, self.error = options, scope, error
        self.optimiser = torch.optim.AdamW(
            module.parameters(), lr=options.learning_rate, weight_decay=options.weight_decay
        )
        self.told: list[float] = []
        self.valid: list[float] = []
        self.best = 0
        self.kept: dict[str, Tensor] | None = None

    @property
    def is_over(self) -> bool:
        """Whether the error has not fallen for as long as patience lasts."""
        return bool(self.valid) and len(self.valid) - 1 - self.best >= self.options.patience

    def step(self, epoch: int) -> None:
        """One epoch, then the error."""
        _reseed(self.scope, epoch)
        share = epoch / self.options.epochs
        for group in self.optimiser.param_groups:
            group["lr"] = self.options.learning_rate * 0.5 * (1.0 + math.cos(math.pi * share))
        self.told.append(self._epoch(epoch))
        if self.error is None:
            self.best = epoch
            return
        self.module.eval()
        with torch.no_grad():
            found = float(self.error())
        if not math.isfinite(found):
            raise NotConverged(f"the validation error is {found} in epoch {epoch + 1}")
        self.valid.append(found)
        if self.kept is None or found < self.valid[self.best]:
            self.best = epoch
            self.kept = {n: t.detach().clone() for n, t in self.module.state_dict().items()}

    def _epoch(self, epoch: int) -> float:
        """One pass; the mean loss of its steps."""
        self.module.train()
        total, n = 0.0, 0
        for batch in self.batches.epoch(epoch):
            self.optimiser.zero_grad(set_to_none=True)
            value = self.loss(batch, self.scope.generator)
            told = float(value.detach())
            if not math.isfinite(told):
                raise NotConverged(
                    f"the loss is {told} in epoch {epoch + 1}; lower the learning rate (now "
                    f"{self.options.learning_rate:g}) or look for extreme values in the data"
                )
            torch.autograd.backward(value)
            nn.utils.clip_grad_norm_(self.module.parameters(), self.options.clip)
            self.optimiser.step()
            total, n = total + told, n + 1
        if n == 0:
            raise DataError(
                "there is no batch to train on: the training part holds no treated cell"
            )
        return total / n

    def end(self) -> History[Batch]:
        """The best weights, in evaluation mode."""
        if self.kept is not None:
            self.module.load_state_dict(self.kept)
        self.module.eval()
        _reseed(self.scope, self.options.epochs)  # what is drawn next knows no interruption
        return History(tuple(self.told), tuple(self.valid), self.best)

    def snapshot(self) -> Snapshot:
        """All that the next epoch depends on."""
        parts = {"now": self.module.state_dict(), "best": self.kept or {}}
        tensors = {f"{p}.{n}": t.detach().cpu() for p, own in parts.items() for n, t in own.items()}
        for place, moments in self.optimiser.state_dict()["state"].items():
            for name, tensor in moments.items():
                tensors[f"optimiser.{place}.{name}"] = tensor.detach().cpu()
        return Snapshot(tensors, {"train": self.told, "valid": self.valid, "best": self.best})

    def go_on(self, written: Snapshot) -> None:
        """Be as :meth:`snapshot` was written."""
        device = self.scope.device
        parts: dict[str, dict[str, Tensor]] = {"now": {}, "best": {}, "optimiser": {}}
        for name, tensor in written.tensors.items():
            part, _, own = name.partition(".")
            parts[part][own] = tensor
        self.module.load_state_dict(parts["now"])
        self.kept = {n: t.to(device) for n, t in parts["best"].items()} or None
        moments: dict[int, dict[str, Tensor]] = {}
        for name, tensor in parts["optimiser"].items():
            place, _, own = name.partition(".")
            moments.setdefault(int(place), {})[own] = tensor
        state = self.optimiser.state_dict()
        self.optimiser.load_state_dict({"state": moments, "param_groups": state["param_groups"]})
        self.told, self.valid = list(written.meta["train"]), list(written.meta["valid"])
        self.best = int(written.meta["best"])


def _reseed(scope: TorchScope, epoch: int) -> None:
    """Every epoch begins its streams anew, so that a resumed training draws the same numbers."""
    own = (scope.seed + 7_919 * (epoch + 1)) % 2**63
    scope.generator.manual_seed(own)
    torch.manual_seed(own)
