"""Likelihoods of readouts, with draws: negative binomial, zero-inflated, Gaussian.

A negative-binomial count K has mean m and variance m + m^2 / r, with r the inverse dispersion;
zero-inflated, it is 0 with probability sigmoid(logits) besides. Gene-wise tensors are of any
shapes that broadcast; counts are floating tensors of whole numbers.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

__all__ = [
    "expected_log1p",
    "gaussian_log_prob",
    "nb_log_prob",
    "nb_sample",
    "zinb_log_prob",
    "zinb_sample",
]

#: Steps of the integral of :func:`expected_log1p`, and its nodes: powers of e.
STEP = 0.75
NODES = tuple(-18.0 + STEP * j for j in range(30))
#: A mean below this is this, so that its logarithm is a number.
LEAST = 1e-10


def nb_log_prob(counts: Tensor, mean: Tensor, inverse_dispersion: Tensor) -> Tensor:
    """Log probability of counts (cells, genes), in nats, elementwise.

    lgamma(k + r) - lgamma(r) - lgamma(k + 1) + k log(m / (m + r)) - r log(1 + m / r), the terms
    with k only where k > 0: most counts of single cells are 0 and cost one logarithm. mean:
    (cells, genes); inverse_dispersion: (genes,) or (cells, genes).
    """
    r = inverse_dispersion.expand_as(mean)
    absent = -r * torch.log1p(mean / r)
    where = torch.nonzero(counts.reshape(-1)).squeeze(1)
    k = counts.reshape(-1)[where]
    m = mean.reshape(-1)[where].clamp_min(LEAST)
    own = r.reshape(-1)[where]
    term = torch.lgamma(k + own) - torch.lgamma(own) - torch.lgamma(k + 1.0)
    term = term + k * (torch.log(m) - torch.log(m + own))
    found: Tensor = absent.reshape(-1).index_add(0, where, term).reshape(mean.shape)
    return found


def zinb_log_prob(
    counts: Tensor, mean: Tensor, inverse_dispersion: Tensor, logits: Tensor
) -> Tensor:
    """Log probability of counts that are besides 0 with probability sigmoid(logits).

    All (cells, genes); log(p + (1 - p) NB(0)) at 0 and log(1 - p) + log NB(k) elsewhere.
    """
    base = nb_log_prob(counts, mean, inverse_dispersion)
    stays = functional.logsigmoid(-logits)
    zero = torch.logaddexp(functional.logsigmoid(logits), stays + base)
    return torch.where(counts > 0, stays + base, zero)


def gaussian_log_prob(values: Tensor, mean: Tensor, log_deviation: Tensor) -> Tensor:
    """Log density of values (cells, readouts); log_deviation: of the standard deviation."""
    distance = (values - mean) * torch.exp(-log_deviation)
    return -0.5 * distance**2 - log_deviation - 0.5 * math.log(2.0 * math.pi)


def nb_sample(mean: Tensor, inverse_dispersion: Tensor, generator: torch.Generator) -> Tensor:
    """Counts (cells, genes) drawn as Poisson(L), L ~ Gamma(r, mean m); the same on any device."""
    r = inverse_dispersion.expand_as(mean).cpu().double()
    rate = torch._standard_gamma(r, generator=generator) * mean.cpu().double() / r
    return torch.poisson(rate, generator=generator).to(mean)


def zinb_sample(
    mean: Tensor, inverse_dispersion: Tensor, logits: Tensor, generator: torch.Generator
) -> Tensor:
    """Counts as :func:`nb_sample` draws them, 0 with probability sigmoid(logits) besides."""
    counts = nb_sample(mean, inverse_dispersion, generator)
    u = torch.rand(logits.shape, generator=generator, dtype=torch.float64)
    stays = u >= torch.sigmoid(logits.cpu().double())
    return counts * stays.to(counts)


def expected_log1p(mean: Tensor, inverse_dispersion: Tensor, scale: Tensor) -> Tensor:
    """E log(1 + scale K) of negative-binomial counts K, elementwise: (cells, genes).

    log(1 + x) is the integral of (1 - exp(-t x)) exp(-t) / t over t > 0, and the expectation of
    exp(-u K) is (1 + m (1 - exp(-u)) / r)^-r; the integral over log t is a sum by the trapezoidal
    rule, right to 1e-4 where scale * mean is below 1e4. scale: (cells, 1). The logarithm of the
    mean would be several times too large for genes that few cells have.
    """
    ratio = mean / inverse_dispersion
    total = torch.zeros_like(mean)
    for node in NODES:
        t = math.exp(node)
        absent = inverse_dispersion * torch.log1p(ratio * -torch.expm1(-t * scale))
        total -= STEP * math.exp(-t) * torch.expm1(-absent)
    return total
