"""A simulated truth that only a set of cells tells: the response follows the composition."""

from __future__ import annotations

import numpy as np
import pandas as pd
from anndata import AnnData
from numpy.typing import NDArray

from cellula.core.dataset import Dataset
from cellula.core.query import QueryTable
from cellula.core.value_type import ValueType

CELLS = 60


def composition(n_contexts: int = 40, seed: int = 0) -> Dataset:
    """Contexts of two kinds of cells, outer ones at -2 or 2 of readout g0 and inner ones at 0.

    A share of .3 to .7 of the cells of a context is outer. The drug moves g1 of every cell by
    10 (share - .5): the mean control says nothing of it, since outer cells lie on both sides, and
    the cell itself next to nothing.
    """
    rng = np.random.default_rng(seed)
    blocks, rows = [], []
    for number in range(n_contexts):
        share = 0.3 + 0.4 * (number + 0.5) / n_contexts
        outer = np.arange(CELLS) < round(share * CELLS)
        for label in ("control", "drug"):
            x = rng.normal(size=(CELLS, 3))
            x[:, 0] = np.where(outer, 2.0 * (-1.0) ** np.arange(CELLS), 0.0) + 0.3 * x[:, 0]
            x[:, 0] -= x[:, 0].mean()
            if label == "drug":
                x[:, 1] += 10.0 * (share - 0.5)
            blocks.append(x[rng.permutation(CELLS)])
            rows += [(label, f"type{number:02d}", label == "control")] * CELLS
    obs = pd.DataFrame(rows, columns=["perturbation", "context", "is_control"])
    obs.index = obs.index.map(str)
    for name in ("perturbation", "context"):
        obs[name] = pd.Categorical(obs[name])
    var = pd.DataFrame(index=["g0", "g1", "g2"])
    return Dataset(AnnData(np.concatenate(blocks), obs, var), ValueType.QUANTITY)


def parts(data: Dataset) -> tuple[Dataset, Dataset, Dataset]:
    """Every fifth context is asked, another fifth validates (its controls train)."""
    number = np.asarray(data.labels("context").codes) % 5
    is_valid = (number == 4) & ~data.is_control
    return data.take((number != 2) & ~is_valid), data.take(is_valid), data.take(number == 2)


def shifts(data: Dataset) -> tuple[QueryTable, NDArray[np.float64], NDArray[np.float64]]:
    """The question of every context, its control means and the observed change: (contexts, 3)."""
    labels = data.labels("context")
    codes = np.asarray(labels.codes)
    names = list(map(str, labels.categories))
    control, treated = (
        np.array([data.dense((codes == i) & mask).mean(axis=0) for i in range(len(names))])
        for mask in (data.is_control, ~data.is_control)
    )
    return QueryTable.of(["drug"] * len(names), names), control, treated - control
