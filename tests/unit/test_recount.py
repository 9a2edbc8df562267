"""Re-counted cells have the mean that was predicted."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

from cellula.core.dataset import Dataset
from cellula.core.value_type import ValueType
from cellula.models.baselines.population import ControlCells
from cellula.models.baselines.recount import Cells, recount, recount_to


def sparse_cells(seed: int = 0) -> tuple[Cells, np.ndarray]:  # type: ignore[type-arg]
    """Cells of 60 genes with few counts, and a mean in which a third of the genes rises."""
    rng = np.random.default_rng(seed)
    rate = rng.uniform(0.02, 2.0, 60)
    depth = rng.lognormal(0.0, 0.4, 300)
    counts = rng.poisson(depth[:, None] * rate).astype(np.float64)
    counts[:, 0] += 1
    values = np.log1p(counts / counts.sum(axis=1, keepdims=True) * 1e3)
    obs = pd.DataFrame({"is_control": True}, index=[f"cell{i}" for i in range(300)])
    data = AnnData(values, obs=obs, var=pd.DataFrame(index=[f"g{i}" for i in range(60)]))
    data.layers["counts"] = counts
    control = ControlCells.of(Dataset(data, ValueType.LOG1P), 300)
    assert control is not None
    mean = values.mean(axis=0)
    mean[:20] += 1.5
    mean[20:40] *= 0.5
    return control.cells[-1], mean


@pytest.mark.requirement("E5")
def test_the_mean_of_the_cells_is_the_wanted_mean() -> None:
    cells, mean = sparse_cells()
    chosen = np.arange(len(cells.scale))
    error = []
    for make in (recount_to, recount):
        found = np.asarray(make(cells, chosen, mean, np.random.default_rng(1)).mean(axis=0))
        error.append(float(np.sqrt(((found - mean) ** 2).mean())))
    assert error[0] < 0.06  # the noise of 300 cells
    assert error[1] > 0.15  # a fold of means of logarithms is no fold of counts


def test_the_same_stream_gives_the_same_counts() -> None:
    cells, mean = sparse_cells()
    chosen = np.arange(50)
    one, two = (recount_to(cells, chosen, mean, np.random.default_rng(5)) for _ in range(2))
    assert (one != two).nnz == 0
    counts = np.expm1(one.toarray()) / cells.scale[:50, None]
    np.testing.assert_allclose(counts, np.rint(counts), atol=1e-6)
