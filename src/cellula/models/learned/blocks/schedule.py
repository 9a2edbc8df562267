"""How much noise a diffused cell holds at a time from 0 (none) to 1 (nothing else)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["CosineSchedule"]


@dataclass(frozen=True, slots=True)
class CosineSchedule:
    """x_t = signal(t) x + noise(t) e, signal^2 + noise^2 = 1, e standard normal [nichol2021]_.

    signal(t)^2 = f(t) / f(0), f(t) = cos^2(pi/2 (t + s) / (1 + s)): it falls slowly at both ends.
    offset: s, so that the noise of the first step is not nothing.
    """

    offset: float = 0.008

    def signal(self, t: Tensor) -> Tensor:
        """The factor of the cell at times (n, 1) in [0, 1]: falls from 1 to 0."""
        first = self._angle(torch.zeros_like(t))
        return (torch.cos(self._angle(t)) / torch.cos(first)).clamp(0.0, 1.0)

    def noise(self, t: Tensor) -> Tensor:
        """The factor of the noise at times (n, 1): rises from 0 to 1."""
        return torch.sqrt((1.0 - self.signal(t) ** 2).clamp(min=0.0))

    def noised(self, x: Tensor, t: Tensor, e: Tensor) -> Tensor:
        """x_t of cells (n, dimensions) at times (n, 1) with the noise e, shaped like x."""
        return self.signal(t) * x + self.noise(t) * e

    def back(self, x: Tensor, t: Tensor, to: Tensor, end: Tensor) -> Tensor:
        """One deterministic step of x_t to an earlier time ``to``, x being thought to be ``end``.

        The noise that x_t then holds, (x_t - signal(t) end) / noise(t), is kept [song2021]_.
        """
        noise = (x - self.signal(t) * end) / self.noise(t).clamp(min=1e-6)
        return self.noised(end, to, noise)

    def _angle(self, t: Tensor) -> Tensor:
        return 0.5 * torch.pi * (t + self.offset) / (1.0 + self.offset)
