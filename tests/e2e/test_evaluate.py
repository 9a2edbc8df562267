"""``cellula evaluate``: two files in, two tables out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from shell import Shell

Toy = Callable[..., Path]
ROLES = "perturbation=gene,control=control,context=line"
WORDS = (
    "evaluate",
    "--real",
    "cells.h5ad",
    "--pred",
    "pred.h5ad",
    "--roles",
    ROLES,
    "--out",
    "out",
)


@pytest.fixture
def predicted(toy: Toy) -> AnnData:
    """Control cells moved by most of the real response, some below zero."""
    toy(n_genes=8)
    real = anndata.read_h5ad("cells.h5ad")
    controls = np.asarray(real[real.obs["gene"] == "control"].X)
    names = [name for name in real.obs["gene"].unique() if name != "control"]
    shifts = [
        np.asarray(real[real.obs["gene"] == name].X).mean(0) - controls.mean(0) for name in names
    ]
    values = np.concatenate([controls[:20] + 0.9 * shift for shift in shifts])
    obs = pd.DataFrame({"gene": np.repeat(names, 20), "line": "k562"})
    obs.index = [f"p{i}" for i in range(len(obs))]
    made = AnnData(values, obs=obs, var=real.var)
    made.write_h5ad("pred.h5ad")
    return made


@pytest.mark.requirement("E1", "E3", "E13")
def test_every_perturbation_and_metric_has_a_row(shell: Shell, predicted: AnnData) -> None:
    assert predicted.X is not None
    assert np.asarray(predicted.X).min() < 0
    output = shell(*WORDS)
    assert "pearson_delta@1" in output
    scores = pd.read_csv("out/scores.csv", keep_default_na=False)
    assert list(scores.columns[:5]) == ["perturbation", "context", "metric", "value", "reason"]
    assert (scores.groupby("metric").size() == 8).all()
    empty = scores[scores["value"] == ""]
    assert (empty["reason"] != "").all()
    summary = pd.read_csv("out/summary.csv").set_index(["model", "metric"])
    row = summary.loc["model", "pearson_delta@1"]
    assert row["value"] > 0.95 > row["b"]
    assert row["ceiling"] == "replicate"


def test_tables_are_not_overwritten(shell: Shell, predicted: AnnData) -> None:
    shell(*WORDS, "--metric", "rmse")
    assert "exists" in shell(*WORDS, "--metric", "rmse", exit_code=1)
    shell(*WORDS, "--metric", "rmse", "--force")


def test_a_perturbation_without_an_answer_is_named(shell: Shell, predicted: AnnData) -> None:
    predicted[predicted.obs["gene"] != "G3"].write_h5ad("pred.h5ad")
    assert "G3" in shell(*WORDS, exit_code=1)
    assert not Path("out").exists()
