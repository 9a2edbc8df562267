"""What every model has in common that carries cells through a latent space."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from cellula.core.query import QueryTable
from cellula.models.baselines.reference import Reference
from cellula.models.learned.blocks.conditions import ConditionBatch, Conditions
from cellula.models.learned.blocks.latent import LatentSpace
from cellula.models.learned.blocks.moved import MovedCells

__all__ = ["LatentMover"]


@runtime_checkable
class LatentMover(Protocol):
    """A fitted model that answers by where control cells are carried to, differentiably."""

    @property
    def base_name(self) -> str:
        """The simple answer that every cell is given before it is carried, "" for none."""

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

        cells: as the network takes them, with the base. condition: one question, for all cells.
        Differentiable in both; the same for the same.
        """

    def begin(self, query: QueryTable, reference: Reference) -> NDArray[np.float64]:
        """By how much the base moves the cells of a question first: (1 or 0-d, dimensions)."""
