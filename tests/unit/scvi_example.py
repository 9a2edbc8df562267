"""Small data for the networks of scvi-tools: what only they can tell is planted in it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from anndata import AnnData
from numpy.typing import NDArray

from cellula.core.dataset import Dataset
from cellula.core.value_type import ValueType

__all__ = ["blood", "neighbours_alike", "two_batches"]


def two_batches(n_cells: int = 300, n_genes: int = 40, seed: int = 0) -> Dataset:
    """Counts of two types in two batches; every gene has a factor of its own in the second batch
    that moves cells further than their type does.
    """
    rng = np.random.default_rng(seed)
    kind, batch = rng.integers(0, 2, n_cells), rng.integers(0, 2, n_cells)
    base = rng.normal(1.0, 0.5, n_genes)
    by_type = rng.normal(0.0, 0.7, (2, n_genes))
    by_batch = np.stack([np.zeros(n_genes), rng.normal(0.0, 1.2, n_genes)])
    depth = rng.lognormal(0.0, 0.3, (n_cells, 1))
    counts = rng.poisson(np.exp(base + by_type[kind] + by_batch[batch]) * depth)
    counts[counts.sum(axis=1) == 0, 0] = 1
    obs = pd.DataFrame(
        {
            "context": pd.Categorical(np.array(["T", "B"])[kind]),
            "batch": pd.Categorical(np.array(["one", "two"])[batch]),
        },
        [f"cell{i}" for i in range(n_cells)],
    )
    var = pd.DataFrame(index=[f"gene{i}" for i in range(n_genes)])
    return Dataset(AnnData(counts.astype(np.float32), obs, var), ValueType.COUNTS)


def blood(folder: Any, n_genes: int = 400) -> Dataset:
    """Untreated and treated blood cells (Kang), log1p, the genes that vary most."""
    from cellula.data.data_source import DataSource
    from cellula.data.open import open_dataset

    columns = {"perturbation": "condition", "control": "control", "context": "cell_type"}
    source = DataSource.model_validate(
        {
            "path": "singlecell/kang_pbmc.h5ad",
            "role": "profiles",
            "value_type": "log1p",
            "columns": columns,
        }
    )
    data = open_dataset([source], folder)
    chosen = np.sort(np.argsort(-data.dense().var(axis=0))[:n_genes])
    part: AnnData = data.data[:, chosen].copy()
    part.layers["counts"] = counts_of(data.dense())[:, chosen]
    return Dataset(part, data.value_type)


def counts_of(values: NDArray[np.float64]) -> NDArray[np.float64]:
    linear = np.expm1(values)
    least = np.where(linear > 0, linear, np.inf).min(axis=1, keepdims=True)
    return np.asarray(np.rint(linear / least))


def neighbours_alike(points: NDArray[np.float64], labels: NDArray[Any], k: int = 10) -> float:
    """The share of the k nearest other cells that have a cell's own label."""
    square = (points**2).sum(axis=1)
    distance = square[:, None] + square - 2 * points @ points.T
    np.fill_diagonal(distance, np.inf)
    nearest = np.argsort(distance, axis=1)[:, :k]
    return float((labels[nearest] == labels[:, None]).mean())
