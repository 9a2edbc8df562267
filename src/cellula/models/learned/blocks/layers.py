"""Fully connected networks with layer normalisation, which no cell of the batch changes."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from torch import nn

from cellula.models.learned.blocks.dropout import Dropout

__all__ = ["mlp"]


def mlp(sizes: Sequence[int], *, dropout: float = 0.0) -> nn.Sequential:
    """Linear, LayerNorm, SiLU, dropout between the sizes; the last layer is linear alone.

    sizes: widths of input, hidden layers and output, at least two. LayerNorm, never BatchNorm:
    an answer does not depend on the other cells of its batch, and a gradient belongs to one cell.
    """
    parts: list[nn.Module] = []
    for wide, narrow in pairwise(sizes[:-1]):
        parts += [nn.Linear(wide, narrow), nn.LayerNorm(narrow), nn.SiLU()]
        if dropout > 0:
            parts.append(Dropout(dropout, narrow))
    parts.append(nn.Linear(sizes[-2], sizes[-1]))
    return nn.Sequential(*parts)
