"""What one part of a network must not tell another: gradients turned round."""

from __future__ import annotations

import math
from typing import Any, final

import torch
from torch import Tensor

__all__ = ["ramp", "reverse_gradient"]


@final
class _Reversal(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, strength: float) -> Tensor:
        ctx.strength = strength
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return -ctx.strength * gradient, None


def reverse_gradient(x: Tensor, strength: float) -> Tensor:
    """X itself, whose gradient is multiplied by -strength [ganin2016]_.

    What reads x behind this learns as it would; what makes x learns to hide it from that reader.
    """
    found: Tensor = _Reversal.apply(x, strength)  # type: ignore[no-untyped-call]
    return found


def ramp(share: float) -> float:
    """2 / (1 + exp(-10 share)) - 1: from 0 at the start of a training (share 0) to 1 at its end."""
    return 2.0 / (1.0 + math.exp(-10.0 * share)) - 1.0
