"""Layers on sets: a permutation of cells permutes the answer, and a mask hides."""

from __future__ import annotations

import pytest
import torch

from cellula.core.errors import DataError
from cellula.models.learned.blocks.set_attention import SetLayer, SetStack

pytestmark = pytest.mark.requirement("K12")


def stack(*, has_attention: bool = True) -> SetStack:
    torch.manual_seed(0)
    return SetStack(12, 2, 3, has_attention=has_attention).double()


def cells() -> torch.Tensor:
    return torch.randn(2, 9, 12, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def test_a_permutation_of_the_cells_permutes_the_answer() -> None:
    network, x = stack(), cells()
    order = torch.randperm(9, generator=torch.Generator().manual_seed(2))
    torch.testing.assert_close(network(x[:, order]), network(x)[:, order])


def test_cells_that_are_not_there_change_nothing() -> None:
    network, x = stack(), cells()
    there = torch.arange(9) < torch.tensor([[6], [9]])
    spoilt = torch.where(there.unsqueeze(2), x, 1e6 * x)
    found = network(spoilt, there)
    torch.testing.assert_close(found[0, :6], network(x[:1, :6])[0])
    torch.testing.assert_close(found[1], network(x[1:])[0])


def test_attention_and_only_attention_sees_the_others() -> None:
    x = cells()
    other = x.clone()
    other[:, 0, 0] += 1.0
    seeing, alone = stack(), stack(has_attention=False)
    assert (seeing(other)[:, 1:] - seeing(x)[:, 1:]).abs().max() > 1e-3
    torch.testing.assert_close(alone(other)[:, 1:], alone(x)[:, 1:])


def test_an_empty_set_is_a_number() -> None:
    x, nobody = cells().requires_grad_(), torch.zeros(2, 9, dtype=torch.bool)
    found = stack()(x, nobody)
    (gradient,) = torch.autograd.grad(found.sum(), x)
    assert torch.isfinite(found).all()
    assert torch.isfinite(gradient).all()


def test_heads_share_the_width() -> None:
    with pytest.raises(DataError, match="5 heads do not share a width of 12"):
        SetLayer(12, 5)
