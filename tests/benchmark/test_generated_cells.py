"""Generated blood cells of an unseen type beside the cells that were observed."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from cellula.core.claim import ClaimKind
from cellula.core.dataset import Dataset
from cellula.core.registry import create
from cellula.core.run import RunContext
from cellula.data.data_source import DataSource
from cellula.data.open import open_dataset
from cellula.data.splits import Fold, split
from cellula.evaluation.metrics.two_sample_auroc import separability
from cellula.models.baselines.population import recovered_counts

pytestmark = [pytest.mark.slow, pytest.mark.data]

#: Controls shifted by a simple answer, then models that move cells.
SHIFTED = ("mean_response", "context_transfer")
MOVING = ("flow_matching", "latent_diffusion", "set_transformer", "nb_vae")
#: Halvings of the observed cells.
HALVES = 4
#: What is told of cells, in the order of :func:`told`.
NAMES = ("AUROC", "depth", "spread of depth", "zeros", "variance", "total")


@pytest.mark.requirement("K12")
def test_generated_cells_are_harder_to_tell_than_shifted_controls(
    data_dir: Path, run: RunContext
) -> None:
    source = DataSource.model_validate(
        {
            "path": "singlecell/kang_pbmc.h5ad",
            "role": "profiles",
            "value_type": "log1p",
            "columns": {"perturbation": "condition", "control": "control", "context": "cell_type"},
        }
    )
    data = open_dataset([source], data_dir)
    folds = split(data, ClaimKind.UNSEEN_CONTEXT, "each")
    sys.stdout.write(f"\n{'':18s}{'type':14s}{'  '.join(NAMES)}\n")
    found = {"replicate": show("replicate", folds, [replicate(data, fold) for fold in folds])}
    for name in (*SHIFTED, *MOVING):
        found[name] = show(name, folds, [generated(data, fold, name, run) for fold in folds])
    least = found["mean_response"][:, 0]
    for name in ("flow_matching", "latent_diffusion"):
        assert found[name][:, 0].mean() < least.mean() - 0.02
    scatter = {name: np.abs(np.log(table[:, 4])).mean() for name, table in found.items()}
    assert scatter["flow_matching"] < 0.75 * scatter["context_transfer"]


def generated(data: Dataset, fold: Fold, name: str, run: RunContext, **options: Any) -> Any:
    """What is told of the cells that a model makes for the held-out type: see NAMES."""
    train, held, own = (data.take(part) for part in (fold.train, fold.test, fold.control))
    inner = split(train, ClaimKind.UNSEEN_CONTEXT, "each")[0]
    known = np.setdiff1d(np.arange(train.n_profiles), inner.test)
    model = create("model", name, options)
    fitted = model.fit(train.take(known), train.take(inner.test), run)
    (batch,) = fitted.predict(held.queries().take(slice(0, 1)), own, run)
    return told(batch.cells.of(0), held.dense())


def replicate(data: Dataset, fold: Fold) -> NDArray[np.float64]:
    """The same of one half of the observed cells beside the other, the mean over halvings."""
    cells = data.take(fold.test).dense()
    tables = []
    for number in range(HALVES):
        order = np.random.default_rng(number).permutation(len(cells))
        one, two = np.array_split(order, 2)
        tables.append(told(cells[one], cells[two]))
    return np.asarray(np.mean(tables, axis=0))


def told(made: NDArray[np.float64], observed: NDArray[np.float64]) -> NDArray[np.float64]:
    """AUROC of a classifier; then ratios made / observed of what NAMES says."""
    rows = []
    for cells in (made, observed):
        depth = recovered_counts(cells).sum(axis=1)
        rows.append(
            (
                np.median(depth),
                np.log(depth).std(),
                np.mean(cells == 0.0),
                cells.var(axis=0).mean(),
                np.expm1(cells).sum(axis=1).mean(),
            )
        )
    return np.array([separability(made, observed), *np.divide(*rows)])


def show(name: str, folds: list[Fold], rows: list[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Print the rows, one a type, and their mean; the rows below one another."""
    table = np.stack(rows)
    labels = (*(fold.name for fold in folds), "mean")
    for label, row in zip(labels, (*table, table.mean(axis=0)), strict=True):
        sys.stdout.write(f"{name:18s}{label:14s}{'  '.join(f'{x:.3f}' for x in row)}\n")
    return table
