"""The toy study: cells whose answer is known, their features and the study file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from anndata import AnnData

STUDY = """
[study]
id = "toy"
title = "A toy"
owner = "lab@example.org"
question = "Does the linear model beat the mean?"
seed = 3

[context_of_use]
role = "test"
regulatory = false
influence = "low"
consequence = "low"
needs_mechanism = false

[boundary]
species = ["human"]
perturbations = ["activation"]
level = "intracellular"

[[data]]
path = "cells.h5ad"
role = "profiles"
value_type = "log1p"
license = "CC-BY-4.0"
columns = {{ perturbation = "gene", control = "control", context = "line"{donor} }}

[[data]]
path = "features.csv"
role = "perturbation_features"
license = "CC0-1.0"
columns = {{ perturbation = "gene" }}

[[model]]
id = "linear"
kind = "bilinear_ridge"

[[claim]]
id = "unseen-gene"
kind = "unseen_perturbation"
hold_out = {hold_out}
unit = "{unit}"

[[claim.gate]]
metric = "{metric}"
at_least = {at_least}
ci_width_max = {width}
why = "half way to a replicate"
on_fail = "regularization"
"""


def write_toy(folder: Path, n_genes: int = 24, effect: float = 0.6, **given: object) -> Path:
    """Write cells, features and a study file; give the path of the study file."""
    _cells(n_genes, effect).write_h5ad(folder / "cells.h5ad")
    _features(n_genes).to_csv(folder / "features.csv", index=False)
    rules = {
        "hold_out": "{ folds = 3, seed = 1 }",
        "unit": "perturbation",
        "metric": "pearson_delta@1",
        "at_least": 0.3,
        "width": 0.8,
        "donor": "",
    }
    path = folder / "toy.toml"
    path.write_text(STUDY.format(**(rules | given)))
    return path


N_READOUTS = 40


def _features(n_genes: int) -> pd.DataFrame:
    rng = np.random.default_rng(5)
    table = pd.DataFrame(rng.normal(size=(n_genes, 3)), columns=["f1", "f2", "f3"])
    return pd.concat([pd.DataFrame({"gene": [f"G{i}" for i in range(n_genes)]}), table], axis=1)


def _cells(n_genes: int, effect: float) -> AnnData:
    """Poisson counts whose log rates move linearly with the features of the perturbed gene."""
    rng = np.random.default_rng(6)
    loading = rng.normal(size=(3, N_READOUTS)) * effect
    features = _features(n_genes)[["f1", "f2", "f3"]].to_numpy()
    base = rng.normal(1.0, 0.5, N_READOUTS)
    blocks, labels = [], []
    for name, shift in [
        ("control", np.zeros(N_READOUTS)),
        *((f"G{i}", features[i] @ loading) for i in range(n_genes)),
    ]:
        n_cells = 80 if name == "control" else 30
        blocks.append(rng.poisson(np.exp(base + shift), (n_cells, N_READOUTS)))
        labels += [name] * n_cells
    counts = np.concatenate(blocks).astype(np.float64)
    depth = counts.sum(axis=1, keepdims=True)
    obs = pd.DataFrame({"gene": labels, "line": "k562"})
    obs["who"] = [f"donor{i % 4}" for i in range(len(obs))]
    obs.index = [f"cell{i}" for i in range(len(obs))]
    var = pd.DataFrame(index=[f"R{i}" for i in range(N_READOUTS)])
    data = AnnData(np.log1p(counts / depth * 200.0), obs=obs, var=var)
    data.layers["counts"] = counts
    return data
