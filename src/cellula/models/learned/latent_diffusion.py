"""Latent diffusion: what a control cell becomes is drawn from noise, step by step."""

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
from cellula.models.learned.blocks.schedule import CosineSchedule

__all__ = ["LatentDiffusion", "LatentDiffusionOptions"]

SCHEDULE = CosineSchedule()


class LatentDiffusionOptions(MovingOptions):
    """Options of :class:`LatentDiffusion`."""

    steps: int = Bounds(default=10, ge=1)
    """Steps from noise to a cell."""
    begin: Literal["noise", "control"] = "noise"
    """From what a cell is made: from noise alone, or from the control cell with noise added."""
    strength: float = Bounds(default=0.6, gt=0, le=1)
    """How far towards noise the control cell is taken where ``begin`` is control; 1: wholly."""
    guidance: float = Bounds(default=1.0, ge=0)
    """w: from what holds without a condition (0) to what holds with it (1), or beyond."""
    dropped: float = Bounds(default=0.1, ge=0, lt=1)
    """How often the condition is hidden in training; 0 leaves nothing to be guided from."""


@final
@dataclass(frozen=True, slots=True)
class LatentDiffusion:
    """Assumes that a perturbed cell is drawn from a distribution that its control cell and the
    condition determine.

    In principal components, noise is added to a perturbed cell x_1 along a cosine schedule
    [nichol2021]_, and a network recovers the cell from x_t, t, the condition and the control
    cell x_0 of its context, given the response that the base model expects [ho2020]_: as
    x_0 + f(x_t, x_0, t, condition). Cells are made by deterministic steps from noise [song2021]_,
    or from the control cell with noise [meng2022]_. With guidance w the cell is taken to be
    g_0 + w (g - g_0), g_0 being what the network says without a condition [ho2022]_.
    """

    options: LatentDiffusionOptions

    name: ClassVar[str] = "latent_diffusion"
    options_type: ClassVar[type[Options]] = LatentDiffusionOptions
    capabilities: ClassVar[Capabilities] = Capabilities(
        frozenset(ClaimKind), needs_control=True, predicts_cells=True
    )
    references: ClassVar[tuple[str, ...]] = (
        "ho2020",
        "nichol2021",
        "song2021",
        "ho2022",
        "meng2022",
        "gal2016",
    )

    def fit(self, train: Dataset, valid: Dataset | None, run: RunContext) -> FittedMover:
        """Fit on both; epochs and share are tuned where there is valid.

        Raises DataError without controls or where the values are absolute.
        """
        mover = _Diffusion(self.options)
        return fit_moved(mover, self.options, self.name, (train, valid), run)

    def restore(self, state: State) -> FittedMover:
        """See :meth:`cellula.core.model.Model.restore`."""
        return FittedMover.restore(self.name, _Diffusion(self.options), state)


@final
@dataclass(frozen=True, slots=True)
class _Diffusion:
    """See :class:`cellula.models.learned.blocks.moving.Mover`."""

    options: LatentDiffusionOptions

    def network(self, conditions: Conditions, dimensions: int) -> Field:
        own = self.options
        return Field(conditions, 2 * dimensions, dimensions, own.width, uses_context=own.context)

    def pairs(self, start: Tensor, end: Tensor) -> Tensor:
        return transported(start, end)

    def loss(
        self, network: Field, condition: Tensor, start: Tensor, end: Tensor, rng: torch.Generator
    ) -> Tensor:
        t = torch.rand(len(end), 1, generator=rng).to(end.device)
        e = torch.randn(end.shape, generator=rng).to(end.device)
        is_told = torch.rand(len(end), 1, generator=rng) >= self.options.dropped
        x = torch.cat([SCHEDULE.noised(end, t, e), start], dim=1)
        made = start + network(x, t, condition * is_told.to(end.device))
        found: Tensor = ((made - end) ** 2).mean()
        return found

    def carry(
        self, network: Field, condition: Tensor, start: Tensor, rng: torch.Generator
    ) -> Tensor:
        own = self.options
        e = torch.randn(start.shape, generator=rng).to(start.device)
        first = 1.0 if own.begin == "noise" else own.strength
        times = [first * (1.0 - step / own.steps) for step in range(own.steps + 1)]
        t = torch.full((len(start), 1), first, device=start.device)
        x = e if own.begin == "noise" else SCHEDULE.noised(start, t, e)
        for later in times[1:]:
            end = self._end(network, condition, start, x, t)
            to = torch.full_like(t, later)
            x, t = SCHEDULE.back(x, t, to, end), to
        return x

    def _end(
        self, network: Field, condition: Tensor, start: Tensor, x: Tensor, t: Tensor
    ) -> Tensor:
        """What the cell is thought to be that x_t was made of, with guidance."""
        both = torch.cat([x, start], dim=1)
        found: Tensor = start + network(both, t, condition)
        w = self.options.guidance
        if w == 1.0:
            return found
        free = start + network(both, t, torch.zeros_like(condition))
        guided: Tensor = free + w * (found - free)
        return guided
