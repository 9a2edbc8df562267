"""Likelihoods agree with SciPy's, and draws with their moments."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor

from cellula.models.learned.blocks.likelihoods import (
    expected_log1p,
    gaussian_log_prob,
    nb_log_prob,
    nb_sample,
    zinb_log_prob,
    zinb_sample,
)


def grid() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Counts, means, inverse dispersions and logits of 60 cells and 5 genes, in double."""
    rng = np.random.default_rng(0)
    mean = np.exp(rng.normal(0, 2, (60, 5)))
    r = np.array([0.05, 0.5, 2.0, 30.0, 500.0])
    counts = rng.negative_binomial(r, r / (r + mean))
    logits = rng.normal(0, 2, (60, 5))
    return tuple(
        torch.from_numpy(np.asarray(part, np.float64)) for part in (counts, mean, r, logits)
    )  # type: ignore[return-value]


@pytest.mark.requirement("K7")
def test_negative_binomial_is_that_of_scipy() -> None:
    k, m, r, logits = grid()
    found = nb_log_prob(k, m, r)
    expected = stats.nbinom.logpmf(k.numpy(), r.numpy(), (r / (r + m)).numpy())
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-5, atol=1e-9)
    single = nb_log_prob(k.float(), m.float(), r.float()).double().numpy()
    np.testing.assert_allclose(single, expected, rtol=2e-3, atol=2e-3)
    p = torch.sigmoid(logits).numpy()
    with_zeros = np.log(np.where(k.numpy() == 0, p, 0) + (1 - p) * np.exp(expected))
    np.testing.assert_allclose(zinb_log_prob(k, m, r, logits).numpy(), with_zeros, rtol=1e-5)


def test_gaussian_is_that_of_scipy() -> None:
    x, m, _, log_sd = grid()
    expected = stats.norm.logpdf(x.numpy(), m.numpy(), np.exp(log_sd.numpy()))
    np.testing.assert_allclose(gaussian_log_prob(x, m, log_sd).numpy(), expected, rtol=1e-9)


def test_gradients_are_those_of_the_formula() -> None:
    k, m, r, logits = grid()
    m, r = m[:2].clone().requires_grad_(), r.clone().requires_grad_()
    logits = logits[:2].clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda *a: zinb_log_prob(k[:2], *a), (m, r, logits))


def test_draws_have_the_moments_of_the_distribution() -> None:
    n = 20_000
    mean, r = torch.tensor([0.2, 3.0, 50.0]), torch.tensor([0.3, 1.0, 8.0])
    generator = torch.Generator().manual_seed(1)
    found = nb_sample(mean.expand(n, 3), r, generator)
    variance = mean + mean**2 / r
    error = torch.sqrt(variance / n)
    assert torch.all((found.mean(dim=0) - mean).abs() < 4 * error)
    torch.testing.assert_close(found.var(dim=0), variance, rtol=0.1, atol=0.0)
    assert torch.equal(found, found.round())
    logits = torch.zeros(n, 3)
    halved = zinb_sample(mean.expand(n, 3), r, logits, generator).mean(dim=0)
    torch.testing.assert_close(halved, mean / 2, rtol=0.1, atol=0.0)


def test_one_generator_decides_the_draws() -> None:
    mean, r = torch.full((4, 3), 5.0), torch.tensor([1.0, 2.0, 3.0])
    first, second, third = (
        nb_sample(mean, r, torch.Generator().manual_seed(seed)) for seed in (3, 3, 4)
    )
    assert torch.equal(first, second)
    assert not torch.equal(first, third)


def test_expected_log1p_is_the_sum_over_all_counts() -> None:
    k = np.arange(60_000)
    for mean, r, scale in (
        (0.02, 0.3, 8.0),
        (2.0, 1.0, 4.0),
        (300.0, 5.0, 10.0),
        (5.0, 500.0, 1.0),
    ):
        exact = float(stats.nbinom.pmf(k, r, r / (r + mean)) @ np.log1p(scale * k))
        parts = (torch.tensor([[x]], dtype=torch.float64) for x in (mean, r, scale))
        assert float(expected_log1p(*parts)) == pytest.approx(exact, rel=2e-4)
        if mean < 1:  # the logarithm of the mean is not it
            assert np.log1p(scale * mean) > 2 * exact
