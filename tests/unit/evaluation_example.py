"""A small evaluation, whole: two files, the tables, the page."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import scipy.sparse as sp
from picture_example import cells

from cellula.core.run import run_context
from cellula.report.evaluation import render_evaluation
from cellula.validation.evaluating import Asked, Evaluated, evaluate_files

COLUMNS = {"perturbation": "perturbation", "control": "perturbation=control", "context": "context"}
METRICS = ("pearson_delta", "rmse", "coverage", "two_sample_auroc")


def evaluated(folder: Path, **more: object) -> Evaluated:
    real, predicted = folder / "real.h5ad", folder / "pred.h5ad"
    cells(1).write_h5ad(real)
    cells(2, controls=False).write_h5ad(predicted)
    asked = Asked(real=real, predicted=predicted, columns=COLUMNS, metrics=METRICS, **more)
    return evaluate_files(asked, run_context(0, folder))


def full_page(folder: Path) -> str:
    """The page of the full panel, with long names of perturbations and two contexts."""
    for name, seed, has_controls in (("real", 1, True), ("pred", 2, False)):
        part = cells(seed, controls=has_controls)
        odd = np.arange(part.n_obs) % 2 == 0
        part.obs["context"] = np.where(odd, "CD14+ monocyte, stimulated", "B")
        part.obs["perturbation"] = part.obs["perturbation"].replace(
            {"middle": "AVERYLONGGENE1+AVERYLONGGENE2"}
        )
        part.write_h5ad(folder / f"{name}.h5ad")
    asked = Asked(real=folder / "real.h5ad", predicted=folder / "pred.h5ad", columns=COLUMNS)
    return render_evaluation(evaluate_files(asked, run_context(0, folder)), "cellula " * 40)


def challenge_page(folder: Path) -> str:
    """The page of a challenge: counts, and effects so loud that a caution is raised."""
    for name, seed, scale in (("real", 1, 1.0), ("pred", 2, 3.0)):
        part = cells(seed, scale=scale)
        part.X = sp.csr_matrix(np.rint(np.exp(part.X)).astype(np.float32))
        part.write_h5ad(folder / f"{name}.h5ad")
    asked = Asked(
        real=folder / "real.h5ad",
        predicted=folder / "pred.h5ad",
        columns={"perturbation": "perturbation", "control": "control"},
        preset="vcc2026",
    )
    return render_evaluation(evaluate_files(asked, run_context(0, folder)), "cellula evaluate")
