"""``cellula evaluate``: two files in, two tables out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
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
    predicted[predicted.obs["gene"] != "G3"].copy().write_h5ad("pred.h5ad")
    assert "G3" in shell(*WORDS, exit_code=1)
    assert not Path("out").exists()


@pytest.fixture
def screen(shell: Shell) -> AnnData:
    """Counts of eight planted perturbations in two contexts, and a second sample."""
    rng = np.random.default_rng(3)
    labels = ["control"] * 60 + [f"g{i}" for i in range(8) for _ in range(40)]
    effects = {f"g{i}": np.exp(rng.normal(0, 0.8, 30)) for i in range(8)} | {"control": np.ones(30)}
    base = rng.uniform(1, 20, 30)
    obs = pd.DataFrame({"target_gene": labels * 2, "context": ["a"] * 380 + ["b"] * 380})
    obs.index = [f"c{i}" for i in range(len(obs))]
    means = np.stack([base * effects[label] for label in obs["target_gene"]])
    var = pd.DataFrame(index=[f"g{i}" for i in range(30)])
    cells = AnnData(sp.csr_matrix(rng.poisson(means).astype(np.float32)), obs=obs, var=var)
    cells.write_h5ad("real.h5ad")
    again = AnnData(sp.csr_matrix(rng.poisson(means).astype(np.float32)), obs=obs, var=var)
    again[again.obs["target_gene"] != "control"].copy().write_h5ad("again.h5ad")
    return cells


CHALLENGE = ("evaluate", "--real", "real.h5ad", "--pred", "again.h5ad", "--out", "out")


@pytest.mark.requirement("O1")
@pytest.mark.parametrize("preset", ["vcc2025", "vcc2026"])
def test_the_rules_of_a_challenge(shell: Shell, screen: AnnData, preset: str) -> None:
    roles = "perturbation=target_gene,control=control,context=context"
    shell(*CHALLENGE, "--preset", preset, "--roles", roles)
    scores = pd.read_csv("out/scores.csv")
    assert list(scores.columns) == ["perturbation", "context", "metric", "value", "reason"]
    assert set(scores["context"]) == {"a", "b"}
    assert (scores.groupby(["metric", "context"]).size() == 8).all()
    overall = pd.read_csv("out/summary.csv").set_index("metric").loc["overall"]
    assert (overall["anchored"] > 0.9).all()  # a second sample is a replicate of full depth


def test_a_challenge_fixes_what_is_scored(shell: Shell, screen: AnnData) -> None:
    words = (
        *CHALLENGE,
        "--preset",
        "vcc2026",
        "--roles",
        "perturbation=target_gene,control=control",
    )
    assert "fixes metrics" in shell(*words, "--metric", "rmse", exit_code=1)
    assert "vcc1999" in shell(*CHALLENGE, "--preset", "vcc1999", "--roles", "x=y", exit_code=1)
    assert "control=LABEL" in shell(*words[:-1], "perturbation=target_gene", exit_code=1)
    assert not Path("out").exists()
