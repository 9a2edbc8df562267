"""Values pass, gradients turn round."""

from __future__ import annotations

import pytest
import torch

from cellula.models.learned.blocks.gradient_reversal import ramp, reverse_gradient


@pytest.mark.requirement("K12")
def test_the_gradient_turns_round() -> None:
    x = torch.tensor([1.0, -2.0], requires_grad=True)
    y = reverse_gradient(x, 0.5)
    assert torch.equal(y, x)
    torch.autograd.backward((y**2).sum())
    assert x.grad is not None
    torch.testing.assert_close(x.grad, -0.5 * 2 * x.detach())


def test_the_strength_rises_from_0_to_1() -> None:
    assert ramp(0.0) == 0.0
    assert ramp(0.1) == pytest.approx(0.4621, abs=1e-4)
    assert 0.9999 < ramp(1.0) < 1.0
