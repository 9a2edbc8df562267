"""Pseudobulks whose response is a curved function of a perturbation's features."""

from __future__ import annotations

import numpy as np
import pandas as pd
from anndata import AnnData

from cellula.core.dataset import Dataset
from cellula.core.value_type import ValueType

N_GENES = 12


def responses(
    n: int, rng: np.random.Generator, *, start: int = 0, reach: float = 1.0, noise: float = 0.1
) -> Dataset:
    """n perturbations in two contexts with controls; features within +-``reach``."""
    fixed = np.random.default_rng(99)
    loadings = fixed.normal(size=(3, N_GENES))
    base = fixed.uniform(4.0, 6.0, size=(2, N_GENES))
    features = rng.uniform(-reach, reach, size=(n, 2))
    table = pd.DataFrame(features, [f"p{start + i}" for i in range(n)], ["f0", "f1"])
    rows, values = [], []
    for context in range(2):
        for _ in range(4):
            rows.append(("vehicle", f"c{context}", True))
            values.append(base[context] + noise * rng.normal(size=N_GENES))
        for label, (x, y) in zip(table.index, features, strict=True):
            shape = np.array([np.sin(2.0 * x), x * y * 2.0, y**2])
            rows.append((label, f"c{context}", False))
            values.append(base[context] + shape @ loadings + noise * rng.normal(size=N_GENES))
    obs = pd.DataFrame(rows, columns=["perturbation", "context", "is_control"])
    obs.index = [f"s{start}_{i}" for i in range(len(obs))]
    data = AnnData(np.array(values), obs, pd.DataFrame(index=[f"g{i}" for i in range(N_GENES)]))
    return Dataset(data, ValueType.LOG2, perturbation_features=table)


def joined(one: Dataset, other: Dataset) -> Dataset:
    """Two sets as one: features of both, as what is known of unseen perturbations."""
    obs = pd.concat([one.obs, other.obs])
    values = np.concatenate([one.dense(), other.dense()])
    data = AnnData(values, obs, pd.DataFrame(index=list(one.readouts)))
    features = pd.concat([one.perturbation_features, other.perturbation_features])
    return Dataset(data, one.value_type, perturbation_features=features)
