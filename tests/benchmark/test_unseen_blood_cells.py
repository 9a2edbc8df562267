"""Interferon in an unseen blood cell type: models beside the mean shift, type by type."""

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
from cellula.data.splits import split
from cellula.evaluation.space import fit_pca
from cellula.kernels.energy import energy_distance

pytestmark = [pytest.mark.slow, pytest.mark.data]

#: Square roots of the Spearman-Brown split-half reliabilities of the observed changes.
CEILING = {"B": 0.95, "CD4T": 0.97, "CD8T": 0.88, "FCGR3A+Mono": 0.99, "NK": 0.89}
MODELS: dict[str, tuple[str, dict[str, Any]]] = {
    "mean response": ("mean_response", {}),
    "context transfer": ("context_transfer", {}),
    "flow": ("flow_matching", {}),
    "flow, random pairs": ("flow_matching", {"pairing": "random"}),
    "flow, no base": ("flow_matching", {"base": "none"}),
    "diffusion": ("latent_diffusion", {}),
}


@pytest.mark.requirement("K12")
def test_a_flow_beyond_a_base_beats_the_mean_shift(data_dir: Path, run: RunContext) -> None:
    source = DataSource.model_validate(
        {
            "path": "singlecell/kang_pbmc.h5ad",
            "role": "profiles",
            "value_type": "log1p",
            "columns": {"perturbation": "condition", "control": "control", "context": "cell_type"},
        }
    )
    data = open_dataset([source], data_dir)
    found = {label: scores(data, *model, run) for label, model in MODELS.items()}
    for label, table in found.items():
        told = "  ".join(f"{r:.3f} {e:.2f}" for r, e in table)
        means = table.mean(axis=0)
        sys.stdout.write(f"{label:20s} {told}  mean {means[0]:.3f} {means[1]:.2f}\n")
    shift, flow = found["mean response"], found["flow"]
    gap = np.array(list(CEILING.values())) - shift[:, 0]
    assert np.mean((flow[:, 0] - shift[:, 0]) / gap) >= 0.25
    assert flow[:, 1].mean() <= 0.85 * shift[:, 1].mean()


def scores(
    data: Dataset, model: str, options: dict[str, Any], run: RunContext
) -> NDArray[np.float64]:
    """Pearson of the change over all genes, and energy distance in 50 components: (types, 2)."""
    rows = []
    for fold in split(data, ClaimKind.UNSEEN_CONTEXT, "each"):
        train, held, own = (data.take(part) for part in (fold.train, fold.test, fold.control))
        inner = split(train, ClaimKind.UNSEEN_CONTEXT, "each")[0]
        known = np.setdiff1d(np.arange(train.n_profiles), inner.test)
        fitted = create("model", model, options).fit(train.take(known), train.take(inner.test), run)
        (batch,) = fitted.predict(held.queries().take(slice(0, 1)), own, run)
        control = own.dense(np.asarray(own.labels("context") == fold.name)).mean(axis=0)
        observed = held.dense()
        space = fit_pca(train.values, 50, np.random.default_rng(0))
        cells = [space.project(x) for x in (observed, batch.cells.of(0))]
        delta = [x - control for x in (observed.mean(axis=0), batch.mean[0])]
        distance = energy_distance(*cells, is_sized=True)
        rows.append((float(np.corrcoef(*delta)[0, 1]), distance))
    return np.array(rows)
