"""Small datasets of two modalities; they need the extra ``multimodal``."""

from __future__ import annotations

import numpy as np
import pandas as pd
from anndata import AnnData
from mudata import MuData, set_options

from cellula.core.dataset import Dataset
from cellula.core.value_type import ValueType

__all__ = ["two_counts", "two_modalities"]


def two_modalities(seed: int = 0, n_cells: int = 30) -> Dataset:
    """Expression (log1p) and surface proteins (counts) of the same cells, placed on a section.

    The roles stand in the shared obs; coordinates, in micrometres, in ``obsm["spatial"]`` of
    the expression.
    """
    rng = np.random.default_rng(seed)
    names = [f"cell{i}" for i in range(n_cells)]
    expression = np.log1p(rng.gamma(2.0, 2.0, size=(n_cells, 5)))
    proteins = rng.poisson(np.expm1(expression[:, :3])).astype(np.float32)
    rna = AnnData(expression, pd.DataFrame(index=names), pd.DataFrame(index=list("abcde")))
    rna.obsm["spatial"] = rng.uniform(0, 1000, size=(n_cells, 2))
    adt = AnnData(proteins, pd.DataFrame(index=names), pd.DataFrame(index=["CD3", "CD4", "CD8"]))
    with set_options(pull_on_update=False):  # the roles live in the shared obs alone
        both = MuData({"rna": rna, "protein": adt})
    both.obs["context"] = pd.Categorical([("core", "rim")[i % 2] for i in range(n_cells)])
    both.obs["donor"] = pd.Categorical([f"donor{i % 3}" for i in range(n_cells)])
    return Dataset(both, ValueType.LOG1P)


def two_counts(second: str, seed: int = 0, n_cells: int = 60) -> Dataset:
    """Counts of transcripts and of a second kind of readout of the same cells: two groups of cells
    that both tell apart, in two batches.
    """
    rng = np.random.default_rng(seed)
    group = np.arange(n_cells) % 2
    names = pd.DataFrame(index=[f"cell{i}" for i in range(n_cells)])
    parts = {}
    for name, width in (("rna", 12), (second, 6)):
        rate = rng.gamma(2.0, 1.5, size=(2, width)) + 0.5
        parts[name] = AnnData(
            rng.poisson(rate[group]).astype(np.float32),
            names.copy(),
            pd.DataFrame(index=[f"{name}{i}" for i in range(width)]),
        )
        parts[name].X[:, 0] += 1  # no profile without a count
    with set_options(pull_on_update=False):
        both = MuData(parts)
    both.obs["context"] = pd.Categorical([("T", "B")[code] for code in group])
    both.obs["batch"] = pd.Categorical([f"batch{i // 2 % 2}" for i in range(n_cells)])
    return Dataset(both, ValueType.COUNTS)
