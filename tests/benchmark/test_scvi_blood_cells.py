"""The model ``scvi`` beside the mean response: blood cells of types that were never treated.

Kang, leave one type out, three types. Per type the correlation of the predicted with the observed
change over all genes, and the energy distance of predicted to observed cells in 50 principal
components of the training cells; then CPU seconds of the three fits. What stands in
docs/concepts/scvi.md is printed by this.
"""

from __future__ import annotations

import sys
import time
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
from cellula.data.splits import split
from cellula.evaluation.space import fit_pca
from cellula.kernels.energy import energy_distance

pytestmark = [pytest.mark.slow, pytest.mark.data]

TYPES = ("CD4T", "FCGR3A+Mono", "NK")
MODELS: dict[str, dict[str, Any]] = {
    "mean_response": {},
    "scvi": {"train": {"epochs": 100}},
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
    data = open_dataset([source], data_dir)
    sys.stdout.write(f"\n{'':14s}" + "".join(f"{name:>14s}" for name in TYPES) + "\n")
    found = {}
    for model, options in MODELS.items():
        began = time.process_time()
        found[model] = scores(data, model, options, run)
        told = "".join(f"  {r:.3f} {e:6.2f}" for r, e in found[model])
        seconds = time.process_time() - began
        sys.stdout.write(f"{model:14s}{told}   {seconds:.0f} s of CPU\n")
    assert all(np.isfinite(table).all() for table in found.values())


def scores(
    data: Dataset, model: str, options: dict[str, Any], run: RunContext
) -> NDArray[np.float64]:
    """Pearson of the change over all genes, and energy distance in 50 components: (types, 2)."""
    rows = []
    for fold in split(data, ClaimKind.UNSEEN_CONTEXT, "each"):
        if fold.name not in TYPES:
            continue
        train, held, own = (data.take(part) for part in (fold.train, fold.test, fold.control))
        fitted = create("model", model, options).fit(train, None, run)
        (batch,) = fitted.predict(held.queries().take(slice(0, 1)), own, run)
        control = own.dense(np.asarray(own.labels("context") == fold.name)).mean(axis=0)
        observed = held.dense()
        space = fit_pca(train.values, 50, np.random.default_rng(0))
        cells = [space.project(x) for x in (observed, batch.cells.of(0))]
        delta = [x - control for x in (observed.mean(axis=0), batch.mean[0])]
        distance = energy_distance(*cells, is_sized=True)
        rows.append((float(np.corrcoef(*delta)[0, 1]), distance))
    return np.array(rows)
