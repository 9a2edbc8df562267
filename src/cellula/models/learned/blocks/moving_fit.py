"""Fitting a mover: on all questions, after epochs and share were tuned on held-out ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cellula.core.dataset import Dataset
from cellula.core.run import RunContext
from cellula.models.learned.blocks.base_response import BaseResponse, Held, held_as
from cellula.models.learned.blocks.checkpoint import fingerprint
from cellula.models.learned.blocks.dropout import Passes, with_dropout
from cellula.models.learned.blocks.field import Field
from cellula.models.learned.blocks.moved import MovedCells
from cellula.models.learned.blocks.moving import FittedMover, Mover, MovingOptions
from cellula.models.learned.blocks.question_batches import (
    QuestionBatch,
    QuestionBatches,
    drawn_rows,
)
from cellula.models.learned.blocks.scope import TorchScope, torch_scope
from cellula.models.learned.blocks.trainer import fit_network
from cellula.models.learned.blocks.training_cells import TrainingCells

__all__ = ["fit_moved"]

#: Shares of the network's change that are tried, and in how many parts questions are held out.
SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
PARTS = 5
#: Looks at the error of held-out questions during a training; questions and cells of a look.
LOOKS = 12
MOST_QUESTIONS = 40
MOST_CELLS = 200


@dataclass(frozen=True, slots=True)
class _Material:
    """Cells, the base by which every question's controls begin, and how all of it is used."""

    mover: Mover
    own: MovingOptions
    cells: TrainingCells
    base: BaseResponse
    held: Held

    def shift(self, hidden: NDArray[np.int64]) -> Tensor:
        """The base of every question in the latent space, where contexts ``hidden`` are unknown."""
        response = self.base.left_out(self.cells.bulk, self.held, hidden)
        return torch.from_numpy(self.cells.space.shift(response)).float()


def fit_moved(
    mover: Mover,
    own: MovingOptions,
    name: str,
    parts: tuple[Dataset, Dataset | None],
    run: RunContext,
) -> FittedMover:
    """Fit on train and valid; epochs and share are tuned where there is valid.

    Tuned on both parts: questions are held out in up to five parts as ``valid`` was (contexts or
    perturbations), and the energy distance of moved and observed cells, against that of the base,
    decides. Raises DataError without controls.
    """
    train, valid = parts
    cells = TrainingCells.of(train, valid, own.dimensions, name, run)
    base = BaseResponse.of(own.base, train, valid, run.child("base"))
    material = _Material(mover, own, cells, base, held_as(train, valid, cells.bulk))
    epochs, share = own.train.epochs, 1.0 if own.base == "none" else own.share
    folds = _folds(material) if valid is not None else []
    if len(folds) > 1:
        epochs, share = _tuned(material, folds, name, run)
    asked = np.arange(len(cells.bulk.values))
    shift = material.shift(np.zeros(0, np.int64))
    with torch_scope(run, name) as scope:
        network = _trained(material, asked, shift, scope, run, stop=epochs)
    passes = Passes.of(network.eval(), own.passes)
    answer = MovedCells.of(train, valid, cells.reference, own.cells, passes)
    return FittedMover(name, mover, network, cells.space, cells.conditions, base, share, answer)


def _trained(
    material: _Material,
    asked: NDArray[np.int64],
    shift: Tensor,
    scope: TorchScope,
    run: RunContext,
    *,
    stop: int,
    look: Callable[[Field], float] | None = None,
) -> Field:
    """A network fitted on the questions ``asked``; look: called after every epoch."""
    own, cells, mover = material.own, material.cells, material.mover
    network = with_dropout(mover.network(cells.conditions, cells.space.n_dimensions), own.dropout)
    network.to(scope.device)
    table = cells.batch.to(scope.device)

    def loss(batch: QuestionBatch, rng: torch.Generator) -> Tensor:
        end = cells.treated[batch.rows]
        start = _controls(cells, batch.question, batch.rows.shape[1], rng)
        start = start + shift[batch.question][:, None]
        pairs = mover.pairs(start, end).unsqueeze(-1).expand_as(start)
        start = start.gather(1, pairs).flatten(0, 1).to(scope.device)
        condition = network.condition(table.take(batch.question.to(scope.device)))
        condition = condition.repeat_interleave(batch.rows.shape[1], dim=0)
        return mover.loss(network, condition, start, end.flatten(0, 1).to(scope.device), rng)

    size = min(own.group, own.train.batch)
    batches = QuestionBatches.of(cells.question, asked, size, own.train.batch, cells.seed)
    error = None if look is None else lambda: look(network)
    # a look records errors, which no checkpoint has: only a training without one goes on
    inputs = "" if look else fingerprint(own, repr(mover), cells.digest(), asked, shift)
    # nothing stops early here, and the last weights are kept
    patient = own.train.model_copy(update={"patience": own.train.epochs})
    fit_network(network, loss, batches, patient, scope, run, error=error, stop=stop, inputs=inputs)
    return network


def _controls(cells: TrainingCells, question: Tensor, n: int, rng: torch.Generator) -> Tensor:
    """As many control cells of the context of every question: (questions, n, dimensions)."""
    bounds = cells.of_context[question].tolist()
    rows = [drawn_rows(torch.arange(first, stop), n, rng) for first, stop in bounds]
    return cells.control[torch.stack(rows)]


def _folds(material: _Material) -> list[NDArray[np.int64]]:
    """Questions that are held out together."""
    bulk = material.cells.bulk
    label = {
        "context": bulk.context,
        "perturbation": bulk.treatments.perturbation[bulk.treatment],
        "nothing": np.arange(len(bulk.values)),
    }[material.held]
    part = np.unique(label, return_inverse=True)[1] % PARTS
    return [np.flatnonzero(part == number) for number in np.unique(part)]


def _tuned(
    material: _Material, folds: Sequence[NDArray[np.int64]], name: str, run: RunContext
) -> tuple[int, float]:
    """How many epochs, and which share of the change, are best on held-out questions.

    Of shares within a standard error (over the parts) of the best the smallest is taken.
    """
    tables = [
        _errors(material, fold, run.child("tuning", name, number))
        for number, fold in enumerate(folds)
    ]
    epochs = _looks(material.own.train.epochs)
    shares = (1.0,) if material.own.base == "none" else SHARES
    errors = np.array(tables)[:, :, [SHARES.index(share) for share in shares]]
    mean = errors.mean(axis=0)
    spread = errors.std(axis=0, ddof=1) / np.sqrt(len(errors))
    limit = mean.min() + spread.ravel()[mean.argmin()]
    share = int(np.flatnonzero((mean <= limit).any(axis=0))[0])
    return epochs[int(mean[:, share].argmin())], shares[share]


def _looks(epochs: int) -> list[int]:
    """After how many epochs the error is looked at: at most LOOKS times, the last among them."""
    return sorted({round(epochs * (i + 1) / LOOKS) for i in range(LOOKS)} - {0} | {epochs})


def _errors(material: _Material, held: NDArray[np.int64], run: RunContext) -> NDArray[np.float64]:
    """Mean log energy distance against the base: (looks, shares)."""
    asked = np.setdiff1d(np.arange(len(material.cells.bulk.values)), held)
    hidden = np.setdiff1d(material.cells.bulk.context[held], material.cells.bulk.context[asked])
    shift = material.shift(hidden)
    looks, found, epoch = _looks(material.own.train.epochs), [], 0
    chosen = held[np.linspace(0, len(held) - 1, min(len(held), MOST_QUESTIONS)).astype(int)]
    with torch_scope(run, "tuning") as scope:

        def look(network: Field) -> float:
            nonlocal epoch
            epoch += 1
            if epoch in looks:
                found.append(_distances(material, network, chosen, shift, scope))
            return -float(epoch)

        _trained(material, asked, shift, scope, run, stop=looks[-1], look=look)
    return np.array(found)


def _distances(
    material: _Material,
    network: Field,
    questions: NDArray[np.int64],
    shift: Tensor,
    scope: TorchScope,
) -> NDArray[np.float64]:
    """Mean over questions of log(energy distance / that of share 0): (shares,)."""
    cells = material.cells
    total = np.zeros(len(SHARES))
    for question in questions:
        rng = torch.Generator().manual_seed(int(question))
        observed = torch.nonzero(cells.question == int(question)).ravel()
        observed = cells.treated[drawn_rows(observed, min(len(observed), MOST_CELLS), rng)]
        first, stop = cells.of_context[int(question)].tolist()
        rows = drawn_rows(torch.arange(first, stop), min(stop - first, MOST_CELLS), rng)
        start = (cells.control[rows] + shift[int(question)]).to(scope.device)
        table = cells.batch.take(torch.tensor([int(question)])).to(scope.device)
        condition = network.condition(table).expand(len(start), -1)
        change = (material.mover.carry(network, condition, start, rng) - start).cpu()
        ends = [start.cpu() + share * change for share in SHARES]
        errors = np.log([_energy(end.double(), observed.double()) + 1e-9 for end in ends])
        total += errors - errors[0]
    return total / len(questions)


def _energy(x: Tensor, y: Tensor) -> float:
    """Energy distance 2E|X-Y| - E|X-X'| - E|Y-Y'| [szekely2013]_ of cells (cells, dimensions)."""
    within = torch.cdist(x, x).mean() + torch.cdist(y, y).mean()
    return max(float(2.0 * torch.cdist(x, y).mean() - within), 0.0)
