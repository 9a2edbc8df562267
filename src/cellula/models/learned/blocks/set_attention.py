"""Transformer layers on sets: every cell sees the others, and no cell has a place."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor, nn

from cellula.core.errors import DataError

__all__ = ["SetLayer", "SetStack"]


@final
class SetLayer(nn.Module):
    """x + attention(LayerNorm x), then x + feed-forward(LayerNorm x) [vaswani2017]_.

    Without a positional encoding, so that a permutation of the cells permutes the answer
    [lee2019]_. has_attention: False leaves the first half out: every cell is then alone.
    """

    def __init__(self, width: int, heads: int, *, has_attention: bool = True) -> None:
        super().__init__()
        if width % heads:
            raise DataError(
                f"{heads} heads do not share a width of {width}; give a width that is a multiple"
            )
        self.heads = heads
        self.mixed = _Mixed(width) if has_attention else None
        self.own = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, 2 * width), nn.SiLU(), nn.Linear(2 * width, width)
        )

    def forward(self, x: Tensor, is_there: Tensor | None = None) -> Tensor:
        """x: (sets, cells, width); is_there: (sets, cells), None for all. The same shape."""
        if self.mixed is not None:
            x = x + self.mixed(x, self.heads, is_there)
        found: Tensor = x + self.own(x)
        return found


@final
class SetStack(nn.Module):
    """Several :class:`SetLayer`, and a LayerNorm in the end."""

    def __init__(self, width: int, layers: int, heads: int, *, has_attention: bool = True) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            SetLayer(width, heads, has_attention=has_attention) for _ in range(layers)
        )
        self.last = nn.LayerNorm(width)

    def forward(self, x: Tensor, is_there: Tensor | None = None) -> Tensor:
        """x: (sets, cells, width); is_there: (sets, cells), None for all. The same shape."""
        for layer in self.layers:
            x = layer(x, is_there)
        found: Tensor = self.last(x)
        return found


@final
class _Mixed(nn.Module):
    """Attention of every cell to all cells of its set, by heads.

    Written out, since the fused kernels of a GPU have no deterministic gradient.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.three = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, x: Tensor, heads: int, is_there: Tensor | None) -> Tensor:
        sets, cells, width = x.shape
        parts = self.three(self.norm(x)).reshape(sets, cells, 3, heads, width // heads)
        query, key, value = parts.permute(2, 0, 3, 1, 4)  # each (sets, heads, cells, width / heads)
        score = query @ key.transpose(2, 3) / (width // heads) ** 0.5
        if is_there is not None:
            score = score.masked_fill(~is_there[:, None, None, :], torch.finfo(score.dtype).min)
        mixed = torch.softmax(score, dim=3) @ value
        found: Tensor = self.out(mixed.transpose(1, 2).reshape(sets, cells, width))
        return found
