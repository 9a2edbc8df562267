"""The network of a set transformer: what is added to every cell, given its population."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor, nn

from cellula.models.learned.blocks.condition_encoder import ConditionEncoder
from cellula.models.learned.blocks.conditions import Conditions
from cellula.models.learned.blocks.layers import mlp
from cellula.models.learned.blocks.set_attention import SetStack

__all__ = ["SetNetwork"]


@final
class SetNetwork(nn.Module):
    """What is added to every cell of a set, given all of them and the condition.

    The context enters by its cells alone. The last layer begins at 0: an untrained network moves
    nothing. has_attention: whether a cell sees the others.
    """

    def __init__(
        self,
        conditions: Conditions,
        dimensions: int,
        width: int,
        layers: int,
        heads: int,
        *,
        has_attention: bool = True,
    ) -> None:
        super().__init__()
        self.condition = ConditionEncoder(conditions, width, uses_context=False)
        self.cell = mlp((dimensions, width, width))
        self.stack = SetStack(width, layers, heads, has_attention=has_attention)
        self.change = nn.Linear(width + dimensions, dimensions)
        nn.init.zeros_(self.change.weight)
        nn.init.zeros_(self.change.bias)

    def forward(self, x: Tensor, condition: Tensor, is_there: Tensor | None = None) -> Tensor:
        """x: (sets, cells, dimensions); condition: (sets, width); the shape of x."""
        token = self.stack(self.cell(x) + condition.unsqueeze(1), is_there)
        found: Tensor = self.change(torch.cat([token, x], dim=2))
        return found
