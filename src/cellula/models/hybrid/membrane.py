"""Membranes whose unknown parts are networks, integrated so that gradients pass through time.

Several members (one a seed) are trained side by side: every weight has a leading axis of members,
and no member sees another.
"""

from __future__ import annotations

from typing import Protocol, final

import torch
from torch import Tensor, nn

from cellula.models.hybrid.squid_axon import CONSTANTS

__all__ = ["FreeMembrane", "LearnedGates", "Membrane", "simulated"]

#: What voltages and currents are divided by before a network sees them.
V_MIDDLE, V_SCALE, I_SCALE = -40.0, 40.0, 20.0


class Membrane(Protocol):
    """A membrane under a current: (members, cells) voltages in mV, and what else it remembers."""

    def start(self, v: Tensor) -> Tensor:
        """What it remembers at rest at v: (members, cells, memory)."""

    def step(
        self, v: Tensor, memory: Tensor, current: Tensor, open: Tensor, dt: float
    ) -> tuple[Tensor, Tensor]:
        """Voltage and memory after dt ms; open: (cells, 2), what is open of g_Na and g_K."""


@final
class LearnedGates(nn.Module):
    """Hodgkin and Huxley's currents with gates whose kinetics are learned.

    x_inf(V) and tau(V) of m, h and n are networks of the voltage; conductances, reversal
    potentials and exponents are known [hodgkin1952]_. m and n begin as rising with the voltage, h
    as falling. A step is exact for every gate at a held voltage, and for the voltage at held
    gates [rush1978]_.
    """

    def __init__(self, members: int, width: int, generator: torch.Generator) -> None:
        super().__init__()
        self.first = _weights(generator, members, 3, width, scale=1.5)
        self.shift = _weights(generator, members, 3, width, scale=1.0)
        self.last = _weights(generator, members, 3, width, 2, scale=0.3)
        offset = torch.tensor([[-1.0, -1.5], [0.0, 1.0], [0.0, 1.0]], dtype=torch.float64)
        self.offset = nn.Parameter(offset.repeat(members, 1, 1))
        self.register_buffer("slope", torch.tensor([3.0, -3.0, 2.0], dtype=torch.float64))

    def kinetics(self, v: Tensor) -> tuple[Tensor, Tensor]:
        """x_inf and tau in ms of m, h, n: (members, cells, 3) each."""
        u = ((v - V_MIDDLE) / V_SCALE)[..., None]
        hidden = torch.tanh(u[..., None] * self.first[:, None] + self.shift[:, None])
        out = torch.einsum("mcgw,mgwo->mcgo", hidden, self.last) + self.offset[:, None]
        return torch.sigmoid(out[..., 0] + self.get_buffer("slope") * u), torch.exp(out[..., 1])

    def start(self, v: Tensor) -> Tensor:
        """The gates at rest."""
        return self.kinetics(v)[0]

    def step(
        self, v: Tensor, memory: Tensor, current: Tensor, open: Tensor, dt: float
    ) -> tuple[Tensor, Tensor]:
        """Gates by Rush and Larsen, then the voltage, each exact with the other held."""
        rest, tau = self.kinetics(v)
        gates = rest + (memory - rest) * torch.exp(-dt / tau)
        m, h, n = gates.unbind(-1)
        na = CONSTANTS["g_Na"] * open[:, 0] * m * m * m * h
        square = n * n
        k = CONSTANTS["g_K"] * open[:, 1] * square * square
        total = na + k + CONSTANTS["g_L"]
        drive = na * CONSTANTS["E_Na"] + k * CONSTANTS["E_K"]
        target = (drive + CONSTANTS["g_L"] * CONSTANTS["E_L"] + current) / total
        return target + (v - target) * torch.exp(-dt * total / CONSTANTS["C"]), gates


@final
class FreeMembrane(nn.Module):
    """A neural differential equation of voltage and hidden states, without the prior [chen2018]_.

    It knows that current charges a capacitance, and nothing of channels: a block, of which it
    has no example, is nothing that it could be told. Steps of Runge and Kutta, fourth order.
    """

    def __init__(self, members: int, width: int, memory: int, generator: torch.Generator) -> None:
        super().__init__()
        self.first = _weights(generator, members, memory + 1, width, scale=0.7)
        self.shift = _weights(generator, members, 1, width, scale=0.5)
        self.middle = _weights(generator, members, width, width, scale=1.0 / width**0.5)
        self.middle_shift = _weights(generator, members, 1, width, scale=0.1)
        self.last = _weights(generator, members, width, memory + 1, scale=0.1)
        self.bias = nn.Parameter(torch.zeros(members, 1, memory + 1, dtype=torch.float64))
        self.rest = _weights(generator, members, 1, memory, scale=0.1)

    def start(self, v: Tensor) -> Tensor:
        """The hidden states at rest, learned."""
        return self.rest.expand(-1, v.shape[1], -1)

    def step(
        self, v: Tensor, memory: Tensor, current: Tensor, open: Tensor, dt: float
    ) -> tuple[Tensor, Tensor]:
        """One step of the classical method of Runge and Kutta."""
        now = torch.cat([((v - V_MIDDLE) / V_SCALE)[..., None], memory], dim=-1)
        push = current / CONSTANTS["C"] / V_SCALE
        a = self._slope(now, push)
        b = self._slope(now + 0.5 * dt * a, push)
        c = self._slope(now + 0.5 * dt * b, push)
        d = self._slope(now + dt * c, push)
        now = now + dt / 6 * (a + 2 * b + 2 * c + d)
        return V_MIDDLE + V_SCALE * now[..., 0], now[..., 1:]

    def _slope(self, now: Tensor, push: Tensor) -> Tensor:
        hidden = torch.tanh(torch.baddbmm(self.shift, now, self.first))
        hidden = torch.tanh(torch.baddbmm(self.middle_shift, hidden, self.middle))
        out = torch.baddbmm(self.bias, hidden, self.last)
        return torch.cat([out[..., :1] + push[..., None], out[..., 1:]], dim=-1)


def simulated(
    membrane: Membrane, v: Tensor, memory: Tensor, current: Tensor, open: Tensor, dt: float
) -> tuple[Tensor, Tensor]:
    """Voltages (members, cells, times) under currents (cells, times), and the last memory.

    v: (members, cells), memory: (members, cells, memory), both at the first time.
    """
    found = [v]
    for k in range(current.shape[1] - 1):
        v, memory = membrane.step(v, memory, current[:, k], open, dt)
        found.append(v)
    return torch.stack(found, dim=-1), memory


def _weights(generator: torch.Generator, *shape: int, scale: float) -> nn.Parameter:
    return nn.Parameter(scale * torch.randn(*shape, generator=generator, dtype=torch.float64))
