"""The model ``scvi`` beside the mean response: blood cells of types that were never treated.

Kang, leave one type out, three types, the 1,000 genes that vary most among the training cells. Per
type and model the correlation of the predicted with the observed change, the energy distance of
predicted to observed cells in 50 principal components of the training cells, and CPU seconds of
the fit. What stands in docs/concepts/scvi.md is printed by this.
"""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cellula.core.claim import ClaimKind
from cellula.core.dataset import Dataset
from cellula.core.registry import create
from cellula.core.run import RunContext
from cellula.data.cell_report import recovered_counts
from cellula.data.data_source import DataSource
from cellula.data.open import open_dataset
from cellula.data.splits import Fold, split
from cellula.evaluation.space import fit_pca
from cellula.kernels.energy import energy_distance

pytestmark = [pytest.mark.slow, pytest.mark.data]

TYPES = ("CD4T", "FCGR3A+Mono", "NK")
GENES, EPOCHS = 1000, 50
MODELS: dict[str, dict[str, Any]] = {
    "mean_response": {},
    "scvi": {"train": {"epochs": EPOCHS}},
}


def test_scvi_beside_the_mean_response(data_dir: Path, run: RunContext) -> None:
    pytest.importorskip("scvi", reason="scvi-tools is not installed: extra scvi")
    source = DataSource.model_validate(
        {
            "path": "singlecell/kang_pbmc.h5ad",
            "role": "profiles",
            "value_type": "log1p",
            "columns": {"perturbation": "condition", "control": "control", "context": "cell_type"},
        }
    )
    data = with_counts(open_dataset([source], data_dir))
    sys.stdout.write("\n")
    for fold in split(data, ClaimKind.UNSEEN_CONTEXT, "each"):
        if fold.name not in TYPES:
            continue
        spread = data.take(fold.train).dense().var(axis=0)
        genes = np.sort(np.argsort(-spread, kind="stable")[:GENES])
        part = replace(data, data=data.data[:, genes].copy())
        for model, options in MODELS.items():
            told = scores(part, fold, model, options, run)
            sys.stdout.write(f"{fold.name:12s} {model:14s} {told}\n")
            sys.stdout.flush()


def with_counts(data: Dataset) -> Dataset:
    """The counts in a layer: of a part of the genes log1p does not give them back."""
    made = data.data.copy()
    made.layers["counts"] = recovered_counts(data).values
    return replace(data, data=made)


def scores(data: Dataset, fold: Fold, model: str, options: dict[str, Any], run: RunContext) -> str:
    """Pearson of the change over all genes, energy distance in 50 components, seconds."""
    train, held, own = (data.take(part) for part in (fold.train, fold.test, fold.control))
    began = time.process_time()
    fitted = create("model", model, options).fit(train, None, run)
    seconds = time.process_time() - began
    (batch,) = fitted.predict(held.queries().take(slice(0, 1)), own, run)
    control = own.dense(np.asarray(own.labels("context") == fold.name)).mean(axis=0)
    observed = held.dense()
    space = fit_pca(train.values, 50, np.random.default_rng(0))
    cells = [space.project(x) for x in (observed, batch.cells.of(0))]
    delta = [x - control for x in (observed.mean(axis=0), batch.mean[0])]
    distance = energy_distance(*cells, is_sized=True)
    return f"{np.corrcoef(*delta)[0, 1]:.3f} {distance:6.2f}   {seconds:.0f} s of CPU"
