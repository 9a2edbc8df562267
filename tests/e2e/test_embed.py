"""Vectors of a checkpoint become the features of a study, and the dossier tells whose they are."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from shell import Shell

from cellula.evidence.bundle import read_bundle
from checkpoint_example import write_json

Toy = Callable[..., Path]
LICENCE = "CC-BY-NC-4.0"


def prepare(toy: Toy) -> Path:
    """The toy study whose features are vectors of genes, under a non-commercial licence."""
    study = toy(n_genes=9)
    table = pd.read_csv("features.csv", index_col=0)
    folder = Path("vectors")
    write_json(folder, source={"name": "genes9", "version": "3", "license": LICENCE})
    np.save(folder / "v.npy", table.to_numpy())
    (folder / "v.names.json").write_text(json.dumps(list(table.index)))
    genes = AnnData(np.ones((2, 10), np.float32))
    genes.var_names = [*table.index, "UNKNOWN"]
    genes.write_h5ad("genes.h5ad")
    text = study.read_text()
    text = text.replace('path = "features.csv"', 'path = "embedded.h5ad"')
    text = text.replace('columns = { perturbation = "gene" }', 'embedding = "varm:X_genes9"')
    study.write_text(text)
    return study


WORDS = (
    *("data", "embed", "genes.h5ad", "--with", "precomputed", "--checkpoint", "vectors/v.npy"),
    *("--option", "of=genes", "--to", "embedded.h5ad"),
)


@pytest.mark.requirement("K1")
def test_vectors_reach_a_study_with_their_licence(shell: Shell, toy: Toy) -> None:
    study = prepare(toy)
    told = shell(*WORDS)
    assert "varm:X_genes9" in told
    assert LICENCE in told
    assert "90.0%, without UNKNOWN" in told
    assert shell(*WORDS, exit_code=1).count("--force") == 1
    shell("register", str(study))
    assert "non-commercial use only" in shell("run", str(study), exit_code=None)
    files = read_bundle(Path("cellula-workspace/studies/toy/toy.zip"))
    cards = json.loads(files["data.json"])
    shell("dossier", str(study))
    page = next(Path("cellula-workspace").rglob("*.html")).read_text()
    (card,) = (one["embedding"] for one in cards if "embedding" in one)
    assert card["checkpoint"]["name"] == "genes9"
    assert card["missing"] == ["UNKNOWN"]
    assert card["checkpoint"]["fingerprint"] in page
    assert "genes9 3" in page


def test_bad_words_are_told(shell: Shell, toy: Toy) -> None:
    prepare(toy)
    for words, message in (
        (("--value-type", "z_score", "--force"), "takes counts or log1p"),
        (("--of", "cell"), "expected cells or genes"),
        (("--key", "a b"), "is no name of an entry"),
    ):
        assert message in shell(*WORDS, *words, exit_code=None)
    hub = ("data", "embed", "genes.h5ad", "--with", "rank_value", "--checkpoint", "a/b")
    assert "never the name of a hub" in shell(*hub, "--to", "o.h5ad", exit_code=1)


def test_a_checkpoint_of_ones_own(shell: Shell, toy: Toy) -> None:
    toy(n_genes=9)
    train = '--option=train={"epochs":2}'
    own = ("--value-type", "log1p", "--name", "own", "--license", "CC0-1.0", train)
    words = ("data", "pretrain", "cells.h5ad", "--to", "made", *own, "--option=width=8")
    told = shell(*words, "--where", "gene=control")
    assert "own: " in told
    assert "40 genes" in told
    assert "another name" in shell(*words, exit_code=1)
    embed = ("data", "embed", "cells.h5ad", "--with", "masked_expression", "--checkpoint", "made")
    told = shell(*embed, "--to", "e.h5ad", "--value-type", "log1p", "--json")
    found = json.loads(told)["embeddings"]
    assert set(found) == {"obsm:X_own", "varm:X_own"}
    card = found["obsm:X_own"]["checkpoint"]
    assert list(card["trained_on"]) == ["cells.h5ad"]
    assert card["license"] == "CC0-1.0"
    wrong = (*words[:4], "other", *own, "--option=depth=8")
    assert "it has: genes, width" in shell(*wrong, exit_code=1)
