"""A synthetic pooled screen: negative binomial counts of many perturbations beside a control."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

#: Name -> cells, genes, perturbations, control cells.
SIZES = {
    "S": (20_000, 2_000, 100, 2_000),
    "M": (100_000, 5_000, 500, 6_000),
    "L": (300_000, 8_000, 2_000, 10_000),
}
DISPERSION = 0.5


@dataclass(frozen=True, slots=True)
class Screen:
    """counts: (cells, genes) CSR, the control first, then group after group; bounds: (groups + 2,)
    where the control and each group begin, and the end.
    """

    counts: sp.csr_matrix
    bounds: NDArray[np.int64]

    def log1p(self) -> sp.csr_matrix:
        """Counts scaled to the median depth, log1p, float32."""
        depth = np.maximum(np.asarray(self.counts.sum(axis=1)).ravel(), 1.0)
        scaled = sp.diags_array(np.median(depth) / depth) @ self.counts
        return sp.csr_matrix(scaled.log1p(), dtype=np.float32)


def screen_bounds(size: str, seed: int = 0) -> NDArray[np.int64]:
    """Where the control and each perturbation begin: uneven groups, as in a real screen."""
    cells, _, perturbations, control = SIZES[size]
    rng = np.random.default_rng(seed)
    share = rng.gamma(4.0, 1.0, perturbations)
    sizes = rng.multinomial(cells - control, share / share.sum())
    return np.concatenate([[0, control], control + np.cumsum(sizes)]).astype(np.int64)


def screen(size: str, seed: int = 0, genes: int | None = None, density: float = 0.1) -> Screen:
    """A screen with up to 6 % of the genes shifted by each perturbation; ``genes``: only some."""
    bounds = screen_bounds(size, seed)
    width = SIZES[size][1] if genes is None else genes
    rng = np.random.default_rng([seed, width])
    level = rng.normal(0.0, 1.6, width)
    depth = np.exp(rng.normal(0.0, 0.35, bounds[-1]))
    low, high = -12.0, 4.0
    for _ in range(50):
        shift = 0.5 * (low + high)
        mean = np.exp(level + shift) * depth[:200, None]
        is_dense = (1 - (1 + DISPERSION * mean) ** (-1 / DISPERSION)).mean() > density
        low, high = (low, shift) if is_dense else (shift, high)
    mean = np.exp(level + low)
    parts = []
    for group, (start, stop) in enumerate(pairwise(bounds)):
        fold = np.ones(width)
        if group:
            moved = rng.choice(width, max(1, int(width * rng.uniform(0.005, 0.06))), replace=False)
            fold[moved] = np.clip(np.exp(rng.normal(0.0, 0.8, len(moved))), 0.1, 4.0)
        rate = depth[start:stop, None] * mean * fold
        shape = 1.0 / DISPERSION
        counts = rng.poisson(rng.gamma(shape, DISPERSION, rate.shape) * rate)
        parts.append(sp.csr_matrix(counts.astype(np.float32)))
    return Screen(sp.csr_matrix(sp.vstack(parts, format="csr")), bounds)
