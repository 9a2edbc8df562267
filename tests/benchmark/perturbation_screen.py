"""A synthetic perturbation screen: negative binomial counts of many groups, sparse."""

from __future__ import annotations

import numpy as np
import pandas as pd
import scipy.sparse as sp
from anndata import AnnData

__all__ = ["CONTROL", "blurred", "screen"]

CONTROL = "non-targeting"
DISPERSION = 2.0


def expected(
    rng: np.random.Generator, n_genes: int, depth: np.ndarray, density: float
) -> np.ndarray:
    """Expected counts of a cell of mean depth, such that a share ``density`` is not zero."""
    log_mean = rng.normal(0, 1.6, n_genes)
    low, high = -12.0, 4.0
    for _ in range(50):
        middle = (low + high) / 2
        mean = np.exp(log_mean + middle)[None] * depth[:200, None]
        share = (1 - (1 + mean / DISPERSION) ** -DISPERSION).mean()
        low, high = (low, middle) if share > density else (middle, high)
    return np.exp(log_mean + middle)


def screen(
    n_cells: int,
    n_genes: int,
    n_perturbations: int,
    n_controls: int,
    *,
    density: float,
    seed: int = 0,
) -> AnnData:
    """Raw counts with labels in obs ``target``: each perturbation named like a gene.

    .5 to 6 % of the genes change in each perturbation, by log-normal factors of sd .8.
    """
    rng = np.random.default_rng(seed)
    depth = np.exp(rng.normal(0, 0.35, n_cells))
    mean = expected(rng, n_genes, depth, density)
    shares = rng.dirichlet(np.full(n_perturbations, 4.0))
    perturbed = 1 + rng.choice(n_perturbations, n_cells - n_controls, p=shares)
    codes = rng.permutation(np.concatenate([np.zeros(n_controls, int), perturbed]))
    factors = np.ones((n_perturbations + 1, n_genes))
    for row in factors[1:]:
        changed = rng.choice(n_genes, int(n_genes * rng.uniform(0.005, 0.06)), replace=False)
        row[changed] = np.clip(np.exp(rng.normal(0, 0.8, len(changed))), 0.1, 4)
    blocks = []
    for rows in np.array_split(np.arange(n_cells), max(1, n_cells // 1000)):
        rate = depth[rows, None] * mean * factors[codes[rows]]
        counts = rng.poisson(rng.gamma(DISPERSION, rate / DISPERSION))
        blocks.append(sp.csr_matrix(counts.astype(np.float32)))
    genes = [f"G{k:05}" for k in range(n_genes)]
    names = np.array([CONTROL, *rng.choice(genes, n_perturbations, replace=False)])
    obs = pd.DataFrame({"target": names[codes]}, index=[f"c{k}" for k in range(n_cells)])
    return AnnData(sp.vstack(blocks, format="csr"), obs, pd.DataFrame(index=genes))


def blurred(real: AnnData, seed: int = 2) -> AnnData:
    """A prediction: counts thinned and noisy, half of the perturbed cells under another label."""
    rng = np.random.default_rng(seed)
    counts = real.X.copy()
    counts.data = np.float32(rng.binomial(counts.data.astype(int), 0.8))
    counts.data += rng.random(counts.nnz) < 0.1
    counts.eliminate_zeros()
    labels = real.obs["target"].to_numpy().astype(object)
    perturbed = np.flatnonzero(labels != CONTROL)
    moved = rng.choice(perturbed, len(perturbed) // 2, replace=False)
    labels[moved] = labels[rng.permutation(moved)]
    obs = pd.DataFrame({"target": labels.astype(str)}, index=real.obs_names)
    return AnnData(counts, obs, real.var)
