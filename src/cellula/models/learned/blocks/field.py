"""A field on the latent space: a vector for every point, time and condition."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor, nn

from cellula.models.learned.blocks.condition_encoder import ConditionEncoder
from cellula.models.learned.blocks.conditions import Conditions
from cellula.models.learned.blocks.layers import mlp

__all__ = ["Field"]

#: Periods of time whose sine and cosine enter beside it: 1, 1/2, 1/4.
PERIODS = (1.0, 2.0, 4.0)


@final
class Field(nn.Module):
    """f(x, t, condition): (cells, outputs); 0 before training, so that nothing moves."""

    def __init__(
        self, conditions: Conditions, inputs: int, outputs: int, width: int, *, uses_context: bool
    ) -> None:
        super().__init__()
        self.condition = ConditionEncoder(conditions, width, uses_context=uses_context)
        self.hidden = mlp((inputs + 1 + 2 * len(PERIODS) + width, width, width))
        self.last = nn.Linear(width, outputs)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)

    def forward(self, x: Tensor, t: Tensor, condition: Tensor) -> Tensor:
        """x: (cells, inputs), t: (cells, 1) from 0 to 1, condition: (cells, width)."""
        angles = [2.0 * torch.pi * period * t for period in PERIODS]
        waves = [wave(angle) for angle in angles for wave in (torch.sin, torch.cos)]
        found: Tensor = self.last(
            nn.functional.silu(self.hidden(torch.cat([x, t, *waves, condition], dim=1)))
        )
        return found
