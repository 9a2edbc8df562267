"""The critic with gradient penalty: its value where it is known, and who learns from what."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from cellula.models.learned.blocks.layers import mlp
from cellula.models.learned.blocks.wgan_gp import (
    critic_loss,
    frozen,
    generator_loss,
    gradient_penalty,
)


def stream(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.requirement("K2")
def test_the_penalty_of_a_plane_is_known() -> None:
    plane = nn.Linear(4, 1)
    with torch.no_grad():
        plane.weight.copy_(torch.tensor([[0.0, 3.0, 0.0, 0.0]]))
    real, fake = torch.randn(8, 4, generator=stream()), torch.zeros(8, 4)
    assert gradient_penalty(plane, real, fake, stream()).item() == pytest.approx(4.0, abs=1e-5)
    with torch.no_grad():
        plane.weight.copy_(torch.tensor([[0.6, 0.0, 0.8, 0.0]]))
    assert gradient_penalty(plane, real, fake, stream()).item() == pytest.approx(0.0, abs=1e-9)


@pytest.mark.requirement("K2", "K12")
def test_a_trained_critic_tells_the_wasserstein_distance() -> None:
    torch.manual_seed(0)
    real = torch.randn(512, 3, generator=stream(1))
    fake = real + torch.tensor([2.0, 0.0, 0.0])
    critic, rng = mlp((3, 32, 1)), stream(2)
    optimiser = torch.optim.AdamW(critic.parameters(), lr=5e-3)
    for _ in range(200):
        optimiser.zero_grad()
        torch.autograd.backward(critic_loss(critic, real, fake, rng))
        optimiser.step()
    with torch.no_grad():
        gap = float(critic(real).mean() - critic(fake).mean())
    assert gap == pytest.approx(2.0, abs=0.3)


def test_each_side_learns_from_its_own_loss() -> None:
    critic = mlp((3, 8, 1))
    real = torch.randn(8, 3, generator=stream())
    fake = torch.zeros(8, 3, requires_grad=True)
    torch.autograd.backward(critic_loss(critic, real, fake, stream()))
    assert fake.grad is None
    assert all(weight.grad is not None for weight in critic[0].parameters())
    critic.zero_grad()
    torch.autograd.backward(generator_loss(critic, fake))
    assert fake.grad is not None
    assert all(weight.grad is None for weight in critic.parameters())
    torch.testing.assert_close(frozen(critic)(real), critic(real))
