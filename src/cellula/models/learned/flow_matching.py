"""Conditional flow matching: control cells are carried along a learned velocity field."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor, nn

from cellula.core.claim import ClaimKind
from cellula.core.dataset import Dataset
from cellula.core.model import Capabilities, Options, State
from cellula.core.prediction import Prediction
from cellula.core.query import QueryTable
from cellula.core.run import RunContext
from cellula.models.baselines.answer import Answer, joined
from cellula.models.baselines.reference import Reference
from cellula.models.learned.blocks.checkpoint import fingerprint
from cellula.models.learned.blocks.condition_encoder import ConditionEncoder
from cellula.models.learned.blocks.conditions import ConditionBatch, Conditions
from cellula.models.learned.blocks.latent import LatentSpace
from cellula.models.learned.blocks.layers import mlp
from cellula.models.learned.blocks.moved import MovedCells
from cellula.models.learned.blocks.scope import torch_scope
from cellula.models.learned.blocks.trainer import Positions, TrainOptions, fit_network
from cellula.models.learned.blocks.training_cells import TrainingCells
from cellula.models.learned.blocks.weights import load_weights, weights_of

__all__ = ["FittedFlowMatching", "FlowMatching", "FlowMatchingOptions"]


class FlowMatchingOptions(Options):
    """Options of :class:`FlowMatching`."""

    dimensions: int = Field(default=50, ge=1)
    """Principal components in which cells move."""
    width: int = Field(default=256, ge=1)
    """Units of a hidden layer."""
    steps: int = Field(default=20, ge=1)
    """Steps of the integration from t = 0 to 1."""
    cells: int = Field(default=300, ge=0)
    """The most cells of a predicted population; 0: means only."""
    train: TrainOptions = TrainOptions()
    """How the network is trained."""


@final
class _Velocity(nn.Module):
    """v(x, t, condition): (cells, dimensions)."""

    def __init__(self, conditions: Conditions, dimensions: int, width: int) -> None:
        super().__init__()
        self.condition = ConditionEncoder(conditions, width)
        self.field = mlp((dimensions + 1 + width, width, width, dimensions))

    def forward(self, x: Tensor, t: Tensor, condition: Tensor) -> Tensor:
        found: Tensor = self.field(torch.cat([x, t, condition], dim=1))
        return found


@final
@dataclass(frozen=True, slots=True)
class FlowMatching:
    """Assumes that a perturbed cell was a control cell of its context that moved.

    In principal components, x_t = (1 - t) x_0 + t x_1 for a control cell x_0 and a perturbed cell
    x_1, and the network is fitted to the velocity x_1 - x_0 given x_t, t and the condition
    [lipman2023]_. A control cell is carried by dx/dt = v(x, t, condition) from 0 to 1.
    """

    options: FlowMatchingOptions

    name: ClassVar[str] = "flow_matching"
    options_type: ClassVar[type[Options]] = FlowMatchingOptions
    capabilities: ClassVar[Capabilities] = Capabilities(
        frozenset(ClaimKind), needs_control=True, predicts_cells=True
    )
    references: ClassVar[tuple[str, ...]] = ("lipman2023",)

    def fit(self, train: Dataset, valid: Dataset | None, run: RunContext) -> FittedFlowMatching:
        """Fit on train and stop on valid where it is given.

        Raises DataError without controls or where the values are absolute.
        """
        cells = TrainingCells.of(train, valid, self.options.dimensions, "flow_matching", run)
        with torch_scope(run, "flow_matching") as scope:
            network = _Velocity(cells.conditions, cells.space.n_dimensions, self.options.width)
            network.to(scope.device)
            table = cells.batch.to(scope.device)

            def loss(rows: Tensor, generator: torch.Generator) -> Tensor:
                x1 = cells.treated[rows]
                x0 = cells.control[cells.paired_controls(rows, generator)]
                t = torch.rand(len(rows), 1, generator=generator)
                condition = network.condition(table)[cells.question[rows]]
                velocity = network(x0 + t * (x1 - x0), t, condition)
                found: Tensor = ((velocity - (x1 - x0)) ** 2).mean()
                return found

            positions = Positions(len(cells.treated), self.options.train.batch, cells.seed)
            inputs = fingerprint(self.name, self.options, cells.digest())
            fit_network(network, loss, positions, self.options.train, scope, run, inputs=inputs)
        answer = MovedCells(Answer.of(train, cells.reference, self.options.cells))
        return FittedFlowMatching(self.options, network, cells.space, cells.conditions, answer)

    def restore(self, state: State) -> FittedFlowMatching:
        """See :meth:`cellula.core.model.Model.restore`."""
        space = LatentSpace.restore(state.arrays, state.meta)
        conditions = Conditions.restore(state.arrays, state.meta)
        network = _Velocity(conditions, space.n_dimensions, self.options.width)
        load_weights(network, state.arrays)
        network.eval()
        answer = MovedCells.restore(state.arrays, state.meta)
        return FittedFlowMatching(self.options, network, space, conditions, answer)


@final
@dataclass(frozen=True, slots=True)
class FittedFlowMatching:
    """The velocity field, the space of the cells and how questions enter."""

    options: FlowMatchingOptions
    network: _Velocity
    space: LatentSpace
    conditions: Conditions
    answer: MovedCells

    def carry(self, cells: Tensor, condition: ConditionBatch) -> Tensor:
        """See :class:`~cellula.models.learned.blocks.mover.LatentMover`; by the midpoint rule."""
        encoded = self.network.condition(condition).expand(len(cells), -1)
        x, n = cells, self.options.steps
        for step in range(n):
            t = torch.full((len(x), 1), step / n, device=x.device)
            half = x + self.network(x, t, encoded) / (2 * n)
            x = x + self.network(half, t + 0.5 / n, encoded) / n
        return x

    def move(
        self,
        query: QueryTable,
        reference: Reference,
        cells: NDArray[np.float64],
        rng: np.random.Generator,
        run: RunContext,
    ) -> NDArray[np.float64]:
        """The change of every cell (cells, readouts) along the field."""
        start = self.space.encode(cells)
        with torch_scope(run, "flow_matching") as scope, torch.no_grad():
            self.network.to(scope.device)
            batch = self.conditions.encode(query, reference, self.space).to(scope.device)
            x = torch.from_numpy(start).float().to(scope.device)
            end = self.carry(x, batch).cpu().numpy().astype(np.float64)
        return self.space.change(end - start)

    def predict(
        self, queries: QueryTable, control: Dataset | None, run: RunContext
    ) -> Iterator[Prediction]:
        """See :meth:`cellula.core.model.Fitted.predict`."""

        def move(
            query: QueryTable,
            reference: Reference,
            cells: NDArray[np.float64],
            rng: np.random.Generator,
        ) -> NDArray[np.float64]:
            return self.move(query, reference, cells, rng, run)

        return self.answer.stream(queries, move, self.conditions.in_domain, control, run)

    def state(self) -> State:
        """See :meth:`cellula.core.model.Fitted.state`."""
        own = State(weights_of(self.network))
        return joined(own, self.space.state(), self.conditions.state(), self.answer.state())
