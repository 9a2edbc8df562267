"""What models that move control cells share: a simple answer first, then what is left of it.

x_0 = control cell + base response; a network moves x_0 to x_1 in a latent space; the answer is the
control cell + base + share (x_1 - x_0). The base of a training question is what the simple model
says of it when it was not trained on it, so that the network learns what a NEW question lacks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, final

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field as Bounds
from torch import Tensor

from cellula.core.dataset import Dataset
from cellula.core.model import Options, State
from cellula.core.prediction import Prediction
from cellula.core.query import QueryTable
from cellula.core.run import RunContext
from cellula.models.baselines.answer import joined
from cellula.models.baselines.reference import Reference
from cellula.models.learned.blocks.base_response import Base, BaseResponse
from cellula.models.learned.blocks.conditions import ConditionBatch, Conditions
from cellula.models.learned.blocks.dropout import Passes, with_dropout
from cellula.models.learned.blocks.field import Field
from cellula.models.learned.blocks.latent import LatentSpace
from cellula.models.learned.blocks.moved import MovedCells
from cellula.models.learned.blocks.scope import torch_scope
from cellula.models.learned.blocks.trainer import TrainOptions
from cellula.models.learned.blocks.weights import load_weights, weights_of

__all__ = ["FittedMover", "Mover", "MovingOptions"]


class MovingOptions(Options):
    """Options of models that move control cells."""

    dimensions: int = Bounds(default=30, ge=1)
    """Principal components in which cells move."""
    width: int = Bounds(default=64, ge=1)
    """Units of a hidden layer."""
    base: Base = "context_transfer"
    """The simple answer that every control cell is given before it is moved."""
    share: float = Bounds(default=0.25, ge=0, le=1)
    """How much of what the network adds to the base is believed; tuned where there is valid."""
    context: bool = False
    """Whether the context's mean control enters beside the cell, whose own state tells it too."""
    cells: int = Bounds(default=300, ge=0)
    """The most cells of a predicted population; 0: means only."""
    group: int = Bounds(default=64, ge=1)
    """Cells of one question in a batch; among them cells are paired."""
    dropout: float = Bounds(default=0.0, ge=0.0, lt=1.0)
    """Share of hidden units that are dropped in a step of training."""
    passes: int = Bounds(default=0, ge=0)
    """Passes with dropout left on, whose spread becomes the interval; 0: no interval."""
    train: TrainOptions = TrainOptions(epochs=60)
    """How the network is trained; the number of epochs is tuned where there is valid."""


class Mover(Protocol):
    """How a network moves cells: what differs between models. start, end: (cells, dimensions)."""

    @property
    def options(self) -> MovingOptions:
        """Of the model."""

    def network(self, conditions: Conditions, dimensions: int) -> Field:
        """An untrained network, without dropout."""

    def pairs(self, start: Tensor, end: Tensor) -> Tensor:
        """Which start belongs to which end, in groups: (groups, cells) positions."""

    def loss(
        self, network: Field, condition: Tensor, start: Tensor, end: Tensor, rng: torch.Generator
    ) -> Tensor:
        """The loss of pairs of cells; condition: (cells, width)."""

    def carry(
        self, network: Field, condition: Tensor, start: Tensor, rng: torch.Generator
    ) -> Tensor:
        """Where the cells end."""


@final
@dataclass(frozen=True, slots=True)
class FittedMover:
    """A fitted mover: the network, the space of the cells, the base and how questions enter.

    share: how much of the network's change is applied to the base.
    """

    name: str
    mover: Mover
    network: Field
    space: LatentSpace
    conditions: Conditions
    base: BaseResponse
    share: float
    answer: MovedCells

    def move(
        self,
        query: QueryTable,
        reference: Reference,
        cells: NDArray[np.float64],
        rng: np.random.Generator,
        run: RunContext,
    ) -> NDArray[np.float64]:
        """The change of every cell (cells, readouts): base and what the network adds."""
        base = self.base.effects(query, reference)
        start = self.space.encode(cells + base)
        if self.share == 0.0:
            return np.asarray(np.zeros_like(cells) + base)
        with torch_scope(run, self.name) as scope, torch.no_grad():
            network = self.network.to(scope.device)
            batch = self.conditions.encode(query, reference, self.space).to(scope.device)
            condition = network.condition(batch).expand(len(cells), -1)
            x = torch.from_numpy(start).float().to(scope.device)
            stream = torch.Generator().manual_seed(int(rng.integers(2**62)))
            end = self.mover.carry(network, condition, x, stream).cpu().numpy().astype(np.float64)
        return np.asarray(base + self.share * self.space.change(end - start))

    @property
    def base_name(self) -> str:
        """See :class:`~cellula.models.learned.blocks.mover.LatentMover`."""
        return self.base.name

    def begin(self, query: QueryTable, reference: Reference) -> NDArray[np.float64]:
        """See :class:`~cellula.models.learned.blocks.mover.LatentMover`."""
        effect = np.broadcast_to(self.base.effects(query, reference), (1, len(self.space.mean)))
        return self.space.shift(effect)

    def carry(self, cells: Tensor, condition: ConditionBatch) -> Tensor:
        """See :class:`~cellula.models.learned.blocks.mover.LatentMover`."""
        encoded = self.network.condition(condition).expand(len(cells), -1)
        end = self.mover.carry(self.network, encoded, cells, torch.Generator().manual_seed(0))
        return cells + self.share * (end - cells)

    def predict(
        self, queries: QueryTable, control: Dataset | None, run: RunContext
    ) -> Iterator[Prediction]:
        """See :meth:`cellula.core.model.Fitted.predict`, and :meth:`MovedCells.stream`."""
        return self.answer.stream(queries, self.move, self.conditions.in_domain, control, run)

    def state(self) -> State:
        """See :meth:`cellula.core.model.Fitted.state`."""
        own = State(weights_of(self.network), {"share": self.share})
        parts = (self.space, self.conditions, self.base, self.answer)
        return joined(own, *(part.state() for part in parts))

    @classmethod
    def restore(cls, name: str, mover: Mover, state: State) -> FittedMover:
        """The fitted mover of a state."""
        arrays: Mapping[str, NDArray[Any]] = state.arrays
        meta: Mapping[str, Any] = state.meta
        space = LatentSpace.restore(arrays, meta)
        conditions = Conditions.restore(arrays, meta)
        network = with_dropout(mover.network(conditions, space.n_dimensions), mover.options.dropout)
        load_weights(network, arrays)
        network.eval()
        base = BaseResponse.restore(arrays, meta)
        passes = Passes.of(network, mover.options.passes)
        answer = MovedCells.restore(arrays, meta, passes)
        return cls(name, mover, network, space, conditions, base, float(meta["share"]), answer)
