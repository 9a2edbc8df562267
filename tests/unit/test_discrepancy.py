"""Energy distance and MMD of sets with a gradient equal the kernels that evaluate."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from cellula.kernels import energy, mmd
from cellula.models.learned.blocks.discrepancy import (
    energy_distances,
    least_gammas,
    squared_mmds,
)

pytestmark = pytest.mark.requirement("K8")


def sets(seed: int, n: int, d: int = 7, far: float = 0.0) -> Tensor:
    rng = np.random.default_rng(seed)
    return torch.from_numpy(
        far + rng.normal(size=(3, n, d)) * np.array([1.0, 0.1, 5.0])[:, None, None]
    )


@pytest.mark.parametrize("far", [0.0, 1e3])
def test_equal_to_the_kernels(far: float) -> None:
    x, y = sets(0, 20, far=far), sets(1, 33, far=far) + 0.3
    gamma = least_gammas(y)
    found, squared = energy_distances(x, y), squared_mmds(x, y, gamma)
    for i in range(3):
        one, two = x[i].numpy(), y[i].numpy()
        assert float(gamma[i]) == pytest.approx(mmd.least_gamma(two), rel=1e-9)
        assert float(found[i]) == pytest.approx(energy.energy_distance(one, two), abs=1e-5)
        wanted = mmd.squared_mmd(one, two, float(gamma[i]))
        np.testing.assert_allclose(squared[i].numpy(), wanted, atol=1e-5)


def test_float32_is_near_too() -> None:
    x, y = sets(0, 20, far=100.0), sets(1, 33, far=100.0)
    near = energy_distances(x.float(), y.float())
    np.testing.assert_allclose(near.numpy(), energy_distances(x, y).numpy(), rtol=1e-3, atol=1e-4)


def test_rows_that_are_not_there_count_nowhere() -> None:
    x, y = sets(0, 20), sets(1, 33)
    there = torch.arange(20)[None, :] < torch.tensor([20, 12, 5])[:, None]
    spoilt = torch.where(there.unsqueeze(2), x, torch.tensor(77.0, dtype=torch.float64))
    masked = energy_distances(spoilt, y, there), squared_mmds(spoilt, y, 0.1, there)
    turned = energy_distances(y, spoilt, None, there), squared_mmds(y, spoilt, 0.1, None, there)
    for i, n in enumerate((20, 12, 5)):
        alone = energy_distances(x[i : i + 1, :n], y[i : i + 1])
        also = squared_mmds(x[i : i + 1, :n], y[i : i + 1], 0.1)
        for found in (masked, turned):
            torch.testing.assert_close(found[0][i], alone[0])
            torch.testing.assert_close(found[1][i], also[0])
    torch.testing.assert_close(least_gammas(spoilt, there)[2], least_gammas(x[2:, :5])[0])


@pytest.mark.parametrize("loss", [energy_distances, lambda x, y: squared_mmds(x, y, 0.2)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_gradient_is_finite_at_equal_points(
    loss: Callable[[Tensor, Tensor], Tensor], dtype: torch.dtype
) -> None:
    y = sets(0, 12).to(dtype)
    x = torch.cat([y, y[:, :3]], dim=1).requires_grad_()
    (gradient,) = torch.autograd.grad(loss(x, y).sum(), x)
    assert torch.isfinite(gradient).all()
    same = y.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(loss(same, y).sum(), same)
    assert float(gradient.abs().max()) < 1e-3


def test_the_gradient_is_that_of_differences() -> None:
    x, y = sets(2, 6, 3).requires_grad_(), sets(3, 5, 3)
    assert torch.autograd.gradcheck(lambda at: energy_distances(at, y, is_unbiased=True), (x,))
    assert torch.autograd.gradcheck(lambda at: squared_mmds(at, y, 0.3), (x,))


def test_unbiased_does_not_depend_on_the_size_of_a_sample() -> None:
    """By its mean over 4,000 draws, which 4 cells are; the other one is bent by 1/4 E|X-X'|."""
    rng = np.random.default_rng(0)
    x, y = (torch.from_numpy(rng.normal(size=(4000, n, 2))) for n in (4, 5))
    own = float(energy_distances(x, y, is_unbiased=True).mean())
    bent = float(energy_distances(x, y).mean())
    assert abs(own) < 0.03 < 0.5 < bent


def test_a_number_that_is_none_stays_one() -> None:
    x = sets(0, 4)
    x[0, 0, 0] = torch.nan
    assert torch.isnan(energy_distances(x, sets(1, 4))[0])
    assert torch.isnan(squared_mmds(x, sets(1, 4), 1.0)[0]).all()
