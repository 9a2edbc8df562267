"""Training as scvi-tools does it, in a scope of its own: silent, to the same bits, no files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from pydantic import Field

from cellula.core.errors import DataError
from cellula.core.model import Options
from cellula.core.run import RunContext
from cellula.engines.scvi.network import Network
from cellula.engines.scvi.package import LambdaCallback
from cellula.engines.scvi.scope import foreign_scope

__all__ = ["Recipe", "Schedule", "TrainOptions", "fit", "forget", "trained"]

#: What ``train`` of a model is told, from the learning rate and the epochs of warm-up.
Schedule: TypeAlias = Callable[[float, int], Mapping[str, Any]]
#: How many passes scvi-tools makes through so many cells, and at most.
CELLS, MOST = 20_000, 400


class TrainOptions(Options):
    """How a network is trained: on all cells, for a number of epochs that is fixed before."""

    epochs: int = Field(default=0, ge=0)
    """Passes through the cells; 0: as scvi-tools chooses, 400 * 20,000 / cells, at most 400."""
    batch: int = Field(default=128, ge=2)
    """Cells of a step."""
    learning_rate: float = Field(default=1e-3, gt=0)
    """Of Adam, constant."""
    warm_up: float = Field(default=1.0, ge=0, le=1)
    """Share of the epochs in which the weight of the divergence rises from 0 to 1."""

    def passes(self, n: int) -> int:
        """Epochs for n cells."""
        return self.epochs or max(1, min(round(CELLS / n * MOST), MOST))


@dataclass(frozen=True, slots=True)
class Recipe:
    """How one kind of network comes to be.

    make: registers a copy of the data and makes the untrained model of scvi-tools, for a device;
    kind, arguments: as :class:`Network` has them.
    """

    kind: str
    arguments: Mapping[str, Any]
    make: Callable[[torch.device], Any]
    schedule: Schedule
    n_cells: int


def trained(recipe: Recipe, options: TrainOptions, run: RunContext, key: str) -> Network:
    """The network of a recipe, trained on the run's device; nothing else of scvi-tools is kept.

    The same seed gives the same weights; the run's threads are not used. Raises DataError on
    fewer than two cells, NotConverged where a weight is no number.
    """
    if recipe.n_cells < 2:
        raise DataError(f"{key} was given {recipe.n_cells} cell(s) to learn from; give 2 or more")
    seed = int(run.child(key).rng.integers(2**31))
    with foreign_scope(seed, run.device) as device:
        model = recipe.make(device)
        try:
            fit(model, options, recipe.schedule, run, device)
            return Network.of(recipe.kind, recipe.arguments, model.module)
        finally:
            forget(model)


def fit(
    model: Any, options: TrainOptions, schedule: Schedule, run: RunContext, device: torch.device
) -> None:
    """Train a model of scvi-tools in place, as :func:`trained` describes; within its scope."""
    n = int(model.adata.n_obs)
    epochs = options.passes(n)
    is_lonely = n % options.batch == 1 and n > options.batch  # one cell has no batch statistics
    warm_up = max(1, round(options.warm_up * epochs))
    model.train(
        max_epochs=epochs,
        accelerator="gpu" if device.type == "cuda" else "cpu",
        devices=[device.index or 0] if device.type == "cuda" else 1,
        train_size=1.0,
        shuffle_set_split=False,
        batch_size=options.batch,
        datasplitter_kwargs={"drop_last": is_lonely},
        early_stopping=False,
        enable_progress_bar=False,
        logger=False,
        enable_checkpointing=False,
        benchmark=False,
        default_root_dir=str(run.scratch),
        callbacks=[_told(run.progress.track(range(epochs), "epochs"))],
        **schedule(options.learning_rate, warm_up),
    )
    model.module.to("cpu")


def forget(model: Any) -> None:
    """Take a model off the lists in which scvi-tools keeps all data and models it has seen."""
    model._setup_adata_manager_store.pop(model.adata_manager.adata_uuid, None)
    model._per_instance_manager_store.pop(model.id, None)


def _told(epochs: Iterator[int]) -> Any:
    """What tells the run's progress of every epoch."""
    return LambdaCallback(
        on_train_epoch_start=lambda *_: next(epochs, None),
        on_train_end=lambda *_: next(epochs, None),
    )
