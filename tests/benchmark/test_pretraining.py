"""Our small pretraining beside principal components of the same dimension: few labels, and none.

Printed, not asserted beyond chance: which of the two wins is a finding, not a requirement.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import adjusted_rand_score, balanced_accuracy_score

from cellula.core.dataset import Dataset
from cellula.core.run import RunContext
from cellula.core.value_type import ValueType
from cellula.data.principal_components import principal_components
from cellula.models.learned.embedders.known_genes import CheckpointOptions
from cellula.models.learned.embedders.masked_expression import MaskedExpression
from cellula.models.learned.pretraining import PretrainOptions, pretrain

DRAWS = 20
Vectors = Callable[[NDArray[np.bool_]], NDArray[np.float64]]


@dataclass(frozen=True)
class Cells:
    """Kang's cells: log1p values, types, and which are stimulated."""

    data: AnnData
    types: NDArray[np.str_]
    is_stimulated: NDArray[np.bool_]

    def part(self, rows: NDArray[np.bool_]) -> Dataset:
        kept = AnnData(
            self.data.X[rows].toarray()
            if hasattr(self.data.X, "toarray")
            else np.asarray(self.data.X[rows]),
            pd.DataFrame(index=self.data.obs_names[rows]),
        )
        kept.var_names = self.data.var_names
        return Dataset(kept, ValueType.LOG1P)


def components(cells: Cells, seen: NDArray[np.bool_]) -> NDArray[np.float64]:
    whole = cells.part(np.ones(len(seen), bool)).dense()
    mean, axes = principal_components(whole[seen], 64, np.random.default_rng(0))
    return (whole - mean) @ axes.T


def masked(
    cells: Cells, seen: NDArray[np.bool_], layers: int, run: RunContext
) -> NDArray[np.float64]:
    is_valid = seen & (np.arange(len(seen)) % 10 == 0)
    options = PretrainOptions(layers=layers, tokens=128)
    trained = pretrain(cells.part(seen & ~is_valid), cells.part(is_valid), options, run)
    folder = run.scratch / f"layers{layers}"
    trained.write(folder, name="kang")
    opened = MaskedExpression(CheckpointOptions(min_coverage=0.0)).open(folder)
    print(f"  {layers} layers: hidden values, squared error {trained.error:.2f} of the variance")
    return opened.embed_cells(cells.part(np.ones(len(seen), bool)), run).values.astype(float)


def few_shot(cells: Cells, vectors: NDArray[np.float64], k: int) -> NDArray[np.float64]:
    """Balanced accuracy on stimulated cells of a linear probe of k control cells a type."""
    scaled = (vectors - vectors.mean(axis=0)) / vectors.std(axis=0).max()
    found = []
    for draw in range(DRAWS):
        rng = np.random.default_rng(draw)
        rows = np.concatenate(
            [
                rng.choice(np.flatnonzero(~cells.is_stimulated & (cells.types == one)), k, False)
                for one in np.unique(cells.types)
            ]
        )
        probe = LogisticRegression(C=10, max_iter=1000).fit(scaled[rows], cells.types[rows])
        told = probe.predict(scaled[cells.is_stimulated])
        found.append(balanced_accuracy_score(cells.types[cells.is_stimulated], told))
    return np.array(found)


def zero_shot(cells: Cells, vectors: NDArray[np.float64]) -> float:
    """Adjusted Rand index of five clusters of the stimulated cells with their types."""
    clusters = KMeans(5, n_init=10, random_state=0).fit_predict(vectors[cells.is_stimulated])
    return float(adjusted_rand_score(cells.types[cells.is_stimulated], clusters))


@pytest.mark.slow
@pytest.mark.data
@pytest.mark.requirement("K1")
@pytest.mark.parametrize("unseen", ["", "NK"], ids=["stimulated", "stimulated and NK"])
def test_few_and_zero_shot_on_kang(
    data_dir: Path, run: RunContext, unseen: str, capsys: pytest.CaptureFixture[str]
) -> None:
    data = anndata.read_h5ad(data_dir / "singlecell/kang_pbmc.h5ad")
    types = data.obs["cell_type"].astype(str).to_numpy()
    cells = Cells(data, types, (data.obs["condition"] == "stimulated").to_numpy())
    seen = ~cells.is_stimulated & (types != unseen)
    with capsys.disabled():
        print(f"\nunseen in pretraining: stimulated cells {'and ' + unseen if unseen else ''}")
        rivals = {
            "64 components": components(cells, seen),
            "masked, 2 layers": masked(cells, seen, 2, run),
            "masked, 0 layers": masked(cells, seen, 0, run),
        }
        for name, vectors in rivals.items():
            five, twenty = few_shot(cells, vectors, 5), few_shot(cells, vectors, 20)
            print(
                f"  {name:<17} k=5 {five.mean():.3f} ({five.std():.3f})  k=20 {twenty.mean():.3f} "
                f"({twenty.std():.3f})  no label: ARI {zero_shot(cells, vectors):.3f}"
            )
            assert twenty.mean() > 0.3  # chance is 1 in 5
