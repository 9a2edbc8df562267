"""A small experiment and submissions to it, on which the published scorers were archived."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import scipy.sparse as sp
from anndata import AnnData

FOLDER = Path(__file__).parent / "challenges"
CONTROL = "non-targeting"
N_GENES = 80
SIZES = {CONTROL: 80, **{f"g{k}": 30 + k for k in range(8)}}


def cells(counts: np.ndarray, labels: np.ndarray) -> AnnData:
    """Cells with their labels in the column ``target``."""
    obs = pd.DataFrame({"target": labels.astype(str)})
    obs.index = obs.index.astype(str)
    genes = pd.DataFrame(index=[f"g{k}" for k in range(counts.shape[1])])
    return AnnData(sp.csr_matrix(counts.astype(np.float32)), obs, genes)


def rates(rng: np.random.Generator) -> np.ndarray:
    """Expected counts of every group and gene: 20 genes of each perturbation change."""
    base = np.exp(rng.normal(1.5, 1.2, N_GENES))
    base[-4:] = 0.003
    table = np.repeat(base[None], len(SIZES), axis=0)
    for row in range(1, len(SIZES)):
        changed = rng.choice(N_GENES - 4, 20, replace=False)
        table[row, changed] *= np.exp(rng.normal(0, 0.9, 20))
        table[row, row - 1] *= 0.1
        table[row, -row % 4 - 4] = 1.0
    return table


def draw(rng: np.random.Generator, table: np.ndarray) -> np.ndarray:
    """Poisson counts of every group, each cell with its own depth."""
    mean = np.repeat(table, list(SIZES.values()), axis=0)
    return rng.poisson(mean * np.exp(rng.normal(0, 0.3, (len(mean), 1))))


def made() -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Counts of the experiment, and of every submission (its controls included)."""
    rng = np.random.default_rng(7)
    table = rates(rng)
    labels = np.repeat(list(SIZES), list(SIZES.values()))
    real = draw(rng, table)
    noisy = table * np.exp(rng.normal(0, 0.5, table.shape))
    tripled = table[0] * (table / table[0]) ** 3
    tiled = np.vstack(
        [np.tile(np.rint(row), (n, 1)) for row, n in zip(table, SIZES.values(), strict=True)]
    )
    pinned = real[rng.permutation(np.flatnonzero(labels == CONTROL))]
    answers = {
        "replicate": draw(rng, table),
        "noisy": draw(rng, noisy),
        "tripled": draw(rng, np.minimum(tripled, 500)),
        "tiled": tiled,
        "pasted": np.vstack([pinned, *(pinned[:n] for n in list(SIZES.values())[1:])]),
    }
    for name in ("tiled", "pasted"):
        answers[name][labels == CONTROL] = real[labels == CONTROL]
    return real, answers


def read() -> tuple[AnnData, Mapping[str, AnnData]]:
    """The archived experiment and submissions."""
    with np.load(FOLDER / "counts.npz", allow_pickle=False) as file:
        labels = file["labels"]
        answers = {n: cells(file[n], labels) for n in file.files if n not in ("labels", "real")}
        return cells(file["real"], labels), answers
