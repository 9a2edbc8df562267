"""What every model has in common that carries cells through a latent space."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from torch import Tensor, nn

from cellula.core.model import Fitted
from cellula.models.learned.blocks.conditions import ConditionBatch, Conditions
from cellula.models.learned.blocks.latent import LatentSpace
from cellula.models.learned.blocks.moved import MovedCells

__all__ = ["LatentMover"]


@runtime_checkable
class LatentMover(Fitted, Protocol):
    """A fitted model whose answer is where control cells are carried to, differentiably."""

    @property
    def network(self) -> nn.Module:
        """The trained network, in evaluation mode."""

    @property
    def space(self) -> LatentSpace:
        """The coordinates in which cells move."""

    @property
    def conditions(self) -> Conditions:
        """How questions become tensors."""

    @property
    def answer(self) -> MovedCells:
        """What every answer shares."""

    def carry(self, cells: Tensor, condition: ConditionBatch) -> Tensor:
        """Coordinates (cells, dimensions) of control cells after what ``condition`` does.

        condition: one question, for all cells. Differentiable in both; no randomness.
        """
