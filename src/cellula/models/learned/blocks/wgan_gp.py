"""A critic that tells drawn from observed rows, its gradient held at length 1: WGAN-GP."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import torch
from torch import Tensor, nn
from torch.func import functional_call

__all__ = ["Critic", "critic_loss", "frozen", "generator_loss", "gradient_penalty"]

#: What gives every row of (rows, readouts) one number: (rows, 1).
Critic: TypeAlias = Callable[[Tensor], Tensor]


def gradient_penalty(
    critic: Critic, real: Tensor, fake: Tensor, generator: torch.Generator
) -> Tensor:
    """E (|grad D(x)| - 1)^2 at points x = u real + (1 - u) fake, u uniform [gulrajani2017]_.

    real, fake: (rows, readouts), as many of both; without a gradient towards either. The norm is
    Euclidean. The critic must treat rows one by one (LayerNorm, never BatchNorm).
    """
    share = torch.rand(len(real), 1, generator=generator).to(real)
    between = (share * real.detach() + (1.0 - share) * fake.detach()).requires_grad_(True)
    with torch.enable_grad():
        (gradient,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
    found: Tensor = ((gradient.norm(dim=1) - 1.0) ** 2).mean()
    return found


def critic_loss(
    critic: Critic, real: Tensor, fake: Tensor, generator: torch.Generator, *, weight: float = 10.0
) -> Tensor:
    """E D(fake) - E D(real) + weight * penalty, which the critic makes small [gulrajani2017]_.

    Less the penalty, minus this is at most the 1-Wasserstein distance of the two samples, for a
    critic whose slope is at most 1. real, fake: as in :func:`gradient_penalty`; only the critic
    has a gradient.
    """
    gap = critic(fake.detach()).mean() - critic(real.detach()).mean()
    return gap + weight * gradient_penalty(critic, real, fake, generator)


def generator_loss(critic: nn.Module, fake: Tensor) -> Tensor:
    """-E D(fake), which what made ``fake`` makes small; the critic has no gradient."""
    return -frozen(critic)(fake).mean()


def frozen(module: nn.Module) -> Critic:
    """The same function of rows whose weights have no gradient: the rows alone have one.

    So both sides of a game are stepped by one optimiser, each by its own loss.
    """
    weights = {name: weight.detach() for name, weight in module.named_parameters()}
    weights |= dict(module.named_buffers())

    def call(rows: Tensor) -> Tensor:
        found: Tensor = functional_call(module, weights, (rows,))
        return found

    return call
