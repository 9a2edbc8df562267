"""Conditional flow matching: control cells are carried along a learned velocity field."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, final

import torch
from pydantic import Field as Bounds
from torch import Tensor

from cellula.core.claim import ClaimKind
from cellula.core.dataset import Dataset
from cellula.core.model import Capabilities, Options, State
from cellula.core.run import RunContext
from cellula.models.learned.blocks.conditions import Conditions
from cellula.models.learned.blocks.field import Field
from cellula.models.learned.blocks.moving import FittedMover, MovingOptions
from cellula.models.learned.blocks.moving_fit import fit_moved
from cellula.models.learned.blocks.pairing import transported

__all__ = ["FlowMatching", "FlowMatchingOptions"]


class FlowMatchingOptions(MovingOptions):
    """Options of :class:`FlowMatching`."""

    steps: int = Bounds(default=10, ge=1)
    """Steps of the integration from t = 0 to 1, by the midpoint rule."""
    pairing: Literal["ot", "random"] = "ot"
    """Which control became which perturbed cell: by optimal transport in a batch, or any."""


@final
@dataclass(frozen=True, slots=True)
class FlowMatching:
    """Assumes that a perturbed cell was a control cell of its context that moved, as little as
    possible, from where a simple model would put it.

    In principal components, x_t = (1 - t) x_0 + t x_1 for a control cell x_0, given the response
    that the base model expects, and the perturbed cell x_1 that optimal transport pairs with it
    within their context [tong2024]_; the network is fitted to the velocity x_1 - x_0 given x_t,
    t and the condition [lipman2023]_. A control cell is carried by dx/dt = v(x, t, condition) from
    0 to 1, and a share of its way is added to the base.
    """

    options: FlowMatchingOptions

    name: ClassVar[str] = "flow_matching"
    options_type: ClassVar[type[Options]] = FlowMatchingOptions
    capabilities: ClassVar[Capabilities] = Capabilities(
        frozenset(ClaimKind), needs_control=True, predicts_cells=True
    )
    references: ClassVar[tuple[str, ...]] = ("lipman2023", "tong2024", "gal2016")

    def fit(self, train: Dataset, valid: Dataset | None, run: RunContext) -> FittedMover:
        """Fit on both; epochs and share are tuned where there is valid.

        Raises DataError without controls or where the values are absolute.
        """
        mover = _Flow(self.options)
        return fit_moved(mover, self.options, self.name, (train, valid), run)

    def restore(self, state: State) -> FittedMover:
        """See :meth:`cellula.core.model.Model.restore`."""
        return FittedMover.restore(self.name, _Flow(self.options), state)


@final
@dataclass(frozen=True, slots=True)
class _Flow:
    """See :class:`cellula.models.learned.blocks.moving.Mover`."""

    options: FlowMatchingOptions

    def network(self, conditions: Conditions, dimensions: int) -> Field:
        own = self.options
        return Field(conditions, dimensions, dimensions, own.width, uses_context=own.context)

    def pairs(self, start: Tensor, end: Tensor) -> Tensor:
        if self.options.pairing == "ot":
            return transported(start, end)
        return torch.arange(start.shape[1]).expand(start.shape[:2])

    def loss(
        self, network: Field, condition: Tensor, start: Tensor, end: Tensor, rng: torch.Generator
    ) -> Tensor:
        t = torch.rand(len(end), 1, generator=rng).to(end.device)
        velocity = network(start + t * (end - start), t, condition)
        found: Tensor = ((velocity - (end - start)) ** 2).mean()
        return found

    def carry(
        self, network: Field, condition: Tensor, start: Tensor, rng: torch.Generator
    ) -> Tensor:
        n, x = self.options.steps, start
        for step in range(n):
            t = torch.full((len(x), 1), step / n, device=x.device)
            half = x + network(x, t, condition) / (2 * n)
            x = x + network(half, t + 0.5 / n, condition) / n
        return x
