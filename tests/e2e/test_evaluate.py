"""``cellula evaluate``: two files in, two tables and a page out."""

from __future__ import annotations

import json
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
    page = Path("out/report.html").read_text("utf-8")
    assert "pred.h5ad" in page
    assert "<script" not in page
    cost = json.loads(Path("out/cost.json").read_text())
    assert cost["cpu_s"] > 0 < cost["peak_bytes"]


@pytest.mark.requirement("E8", "R7")
def test_two_runs_give_the_same_bytes(shell: Shell, predicted: AnnData) -> None:
    """Whatever the threads, the paths and the folder; only what it cost may differ."""
    shell(*WORDS, "--metric", "pearson_delta", "--threads", "2")
    Path("there").mkdir()
    for name in ("cells.h5ad", "pred.h5ad"):
        Path(name).rename(f"there/{name}")
    words = [f"there/{word}" if word.endswith(".h5ad") else word for word in WORDS[:-1]]
    shell(*words, "again", "--metric", "pearson_delta")
    tables = ["paired.csv", "scores.csv", "strata.csv", "summary.csv"]
    for name in ("report.html", *tables):
        assert Path("out", name).read_bytes() == Path("again", name).read_bytes(), name
    found = sorted(path.name for path in Path("out").iterdir())
    assert found == sorted(["cost.json", "report.html", *tables])


def test_parquet_has_the_columns_of_csv_and_takes_its_place(
    shell: Shell, predicted: AnnData
) -> None:
    words = (*WORDS, "--metric", "rmse", "--no-embedding")
    shell(*words)
    csv = {name: pd.read_csv(f"out/{name}.csv") for name in ("scores", "summary")}
    assert "exists" in shell(*words, "--format", "parquet", exit_code=1)
    shell(*words, "--format", "parquet", "--force")
    for name, table in csv.items():
        other = pd.read_parquet(f"out/{name}.parquet")
        assert list(other.columns) == list(table.columns)
        assert np.allclose(other["value"], table["value"], equal_nan=True)
        assert not Path(f"out/{name}.csv").exists()
    assert "left out (--no-embedding)" in Path("out/report.html").read_text("utf-8")


def test_tables_are_not_overwritten(shell: Shell, predicted: AnnData) -> None:
    words = (*WORDS, "--metric", "rmse", "--no-embedding")
    shell(*words)
    Path("out/notes.txt").write_text("mine")
    Path("out/scores.csv").write_text("old")
    assert "exists" in shell(*words, exit_code=1)
    assert Path("out/scores.csv").read_text() == "old"
    shell(*words, "--force")
    assert Path("out/scores.csv").read_text() != "old"
    assert Path("out/notes.txt").read_text() == "mine"


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
    shell(*CHALLENGE, "--preset", preset, "--roles", roles, "--no-embedding")
    scores = pd.read_csv("out/scores.csv")
    first = ["perturbation", "context", "metric", "value", "reason"]
    assert list(scores.columns) == [*first, "control", "mean", "replicate", "response"]
    assert set(scores["context"]) == {"a", "b"}
    assert (scores.groupby(["metric", "context"]).size() == 8).all()
    overall = pd.read_csv("out/summary.csv").set_index("metric").loc["overall"]
    assert (overall["anchored"] > 0.9).all()  # a second sample is a replicate of full depth
    page = Path("out/report.html").read_text("utf-8")
    assert "Overall, a" in page
    assert f"preset <code>{preset}</code>" in page


@pytest.mark.requirement("O1")
def test_a_caution_of_a_challenge_stands_on_the_page(shell: Shell, screen: AnnData) -> None:
    """Effects three times as large raise pds_l1: the page says so beside the number."""
    again = anndata.read_h5ad("again.h5ad")
    controls = np.asarray(screen[screen.obs["target_gene"] == "control"].X.mean(axis=0)).ravel()
    loud = np.maximum(controls + 3.0 * (again.X.toarray() - controls), 0.0)
    again.X = sp.csr_matrix(np.rint(loud).astype(np.float32))
    again.write_h5ad("again.h5ad")
    roles = "perturbation=target_gene,control=control"
    shell(*CHALLENGE, "--preset", "vcc2025", "--roles", roles, "--no-embedding")
    page = Path("out/report.html").read_text("utf-8")
    assert "pds_l1 rises" in page
    assert "(caution 1)" in page  # beside the number


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
