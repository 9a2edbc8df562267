"""Questions as one vector each: components pooled by attention, beside dose, time and context."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor, nn

from cellula.models.learned.blocks.conditions import ConditionBatch, Conditions
from cellula.models.learned.blocks.layers import mlp

__all__ = ["ConditionEncoder"]

#: How often the name of a component is hidden in training, so that a new one is not nonsense.
HIDDEN_NAMES = 0.1
#: The score of a place without a component; finite, so that a set of none has a gradient too.
ABSENT = -1e9


@final
class ConditionEncoder(nn.Module):
    """A vector (questions, width) from a :class:`ConditionBatch`.

    The vector of a component is a function of its features plus a learned vector of its name, 0
    for a name that training did not have. Components are pooled by attention with learned
    questions, so that their order does not matter and a combination is more than a sum; a control
    has the pooled vector 0. Dose, time and context enter beside the pool.
    """

    def __init__(self, conditions: Conditions, width: int, *, uses_context: bool = True) -> None:
        super().__init__()
        self.uses_context = uses_context
        self.features = mlp((conditions.n_features, width, width))
        self.names = nn.Embedding(len(conditions.names) + 1, width, padding_idx=0)
        self.weight = nn.Linear(width, 1)
        n_context = conditions.n_context if uses_context else 0
        self.joined = mlp((width + 4 + n_context, width, width))

    def forward(self, batch: ConditionBatch) -> Tensor:
        """Vectors of the questions: (questions, width)."""
        ids = batch.ids
        if self.training:
            ids = torch.where(torch.rand(ids.shape, device=ids.device) < HIDDEN_NAMES, 0, ids)
        token = self.features(batch.vectors) + self.names(ids)
        is_there = batch.is_there.unsqueeze(-1)
        score = self.weight(token).masked_fill(~is_there, ABSENT)
        share = torch.softmax(score, dim=1) * is_there
        # the mean of a set, weighted, times its size: two knock-outs are not one
        pooled = (share * token).sum(dim=1) * is_there.sum(dim=1)
        parts = [pooled, batch.numbers]
        if self.uses_context:
            parts.append(batch.context)
        found: Tensor = self.joined(torch.cat(parts, dim=1))
        return found
