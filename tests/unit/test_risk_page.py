"""The page of an evaluation tells whether the intervals know where the prediction is wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

from cellula.core.run import run_context
from cellula.report.evaluation import render_evaluation
from cellula.validation.evaluating import Asked, Evaluated, evaluate_files

COLUMNS = {"perturbation": "perturbation", "control": "perturbation=control"}


def evaluated(folder: Path, *, has_interval: bool) -> Evaluated:
    """40 perturbations of which half are hard; the predicted interval of these is wider."""
    rng = np.random.default_rng(0)
    names = [f"p{i}" for i in range(40)]
    error = np.where(np.arange(40) % 2 == 0, 0.1, 1.0)[:, None]
    truth = 5.0 + rng.normal(size=(40, 6))
    values = np.concatenate([truth, np.full((5, 6), 5.0) + 0.1 * rng.normal(size=(5, 6))])
    var = pd.DataFrame(index=[f"g{i}" for i in range(6)])
    obs = pd.DataFrame({"perturbation": names + ["control"] * 5})
    obs.index = obs.index.astype(str)
    AnnData(values, obs, var).write_h5ad(folder / "real.h5ad")
    told = AnnData(truth + error * rng.normal(size=truth.shape), obs[:40].copy(), var)
    if has_interval:
        told.layers["lower"] = told.X - 1.6 * error
        told.layers["upper"] = told.X + 1.6 * error
    told.write_h5ad(folder / "pred.h5ad")
    asked = Asked(
        folder / "real.h5ad",
        folder / "pred.h5ad",
        COLUMNS,
        value_type="log2",
        metrics=("rmse", "coverage"),
        has_embedding=False,
    )
    return evaluate_files(asked, run_context(0, folder))


@pytest.mark.requirement("E10", "B1")
def test_a_prediction_with_intervals_has_a_curve_and_a_gain(tmp_path: Path) -> None:
    found = evaluated(tmp_path, has_interval=True)
    (doubt,) = found.doubts
    assert doubt.gain.lower > 0
    assert doubt.curve.excess < 0.4
    assert list(found.tables["risk"].columns) == ["kept", "risk", "best"]
    summary = found.of_the_model.set_index("metric")
    assert 0.8 < float(summary.loc["coverage@1", "value"]) < 1.0
    page = render_evaluation(found, "cellula evaluate")
    assert "Does the prediction know where it is wrong?" in page
    assert "share answered" in page
    assert render_evaluation(found, "cellula evaluate") == page


def test_one_without_has_none(tmp_path: Path) -> None:
    found = evaluated(tmp_path, has_interval=False)
    assert found.doubts == ()
    assert "risk" not in found.tables
    assert "know where it is wrong" not in render_evaluation(found, "cellula evaluate")
