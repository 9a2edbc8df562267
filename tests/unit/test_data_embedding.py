"""Vectors beside the values of a file, where they come from, and vectors as features."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from pydantic import ValidationError

from cellula.core.errors import DataError
from cellula.core.run import RunContext
from cellula.core.value_type import ValueType
from cellula.data.data_source import DataSource
from cellula.data.embedding import EmbeddingRequest, embed, provenance_of
from cellula.data.features import feature_table
from cellula.data.open import open_dataset
from cellula.data.sources_bias import sources_bias
from cellula.io.formats import read, write
from checkpoint_example import ASKED, GENES, bert_checkpoint, cells, vector_file


def embedded(folder: Path, run: RunContext) -> AnnData:
    """Cells with vectors of cells and genes, by a BERT."""
    bert_checkpoint(folder / "bert")
    content = cells().data
    content.obs["kind"] = np.where(np.arange(content.n_obs) % 2, "odd", "even")
    request = EmbeddingRequest("rank_value", folder / "bert", {})
    return embed(content, "cells.h5ad", request, run)[0]


@pytest.mark.requirement("K1")
def test_vectors_and_their_provenance_survive_a_file(tmp_path: Path, run: RunContext) -> None:
    content = embedded(tmp_path, run)
    for name in ("e.h5ad", "e.zarr"):
        write(content, tmp_path / name)
        back = read(tmp_path / name)
        assert isinstance(back, AnnData)
        assert np.array_equal(back.obsm["X_toy"], content.obsm["X_toy"])
        assert np.isnan(back.varm["X_toy"][-2:]).all()
        assert np.isfinite(back.varm["X_toy"][:-2]).all()
        told = provenance_of(back, "obsm:X_toy")
        assert told["missing"] == ["STRANGE1", "STRANGE2"]
        assert told["coverage"] == pytest.approx(12 / 14)
        card = told["checkpoint"]
        assert (card["kind"], card["name"], card["license"]) == ("rank_value", "toy", "Apache-2.0")
        assert len(card["fingerprint"]) == 64
        assert provenance_of(back, "obsm:other") == {}


def test_genes_are_called_as_the_checkpoint_calls_them(tmp_path: Path, run: RunContext) -> None:
    bert_checkpoint(tmp_path / "bert")
    content, wanted = cells().data, embedded(tmp_path, run)
    content.var["ensembl"] = [*GENES, None, ""]
    content.var_names = [f"symbol{i}" for i in range(len(ASKED))]
    request = EmbeddingRequest("rank_value", tmp_path / "bert", {}, gene_column="ensembl")
    found, told = embed(content, "cells.h5ad", request, run)
    assert np.array_equal(found.obsm["X_toy"], wanted.obsm["X_toy"])
    assert np.array_equal(found.varm["X_toy"], wanted.varm["X_toy"], equal_nan=True)
    assert told["varm:X_toy"]["missing"] == ["symbol12", "symbol13"]
    assert list(found.var_names) == list(content.var_names)
    strange = EmbeddingRequest("rank_value", tmp_path / "bert", {}, gene_column="nothing")
    with pytest.raises(DataError, match="no column 'nothing'; it has: ensembl"):
        embed(content, "cells.h5ad", strange, run)


def test_an_entry_is_not_overwritten(tmp_path: Path, run: RunContext) -> None:
    content = embedded(tmp_path, run)
    request = EmbeddingRequest("rank_value", tmp_path / "bert", {}, of="genes", key="X_toy")
    with pytest.raises(DataError, match="varm has 'X_toy' already"):
        embed(content, "cells.h5ad", request, run)
    bad = EmbeddingRequest("rank_value", tmp_path / "bert", {}, key="a/b")
    with pytest.raises(DataError, match="'a/b' is no name"):
        embed(content, "cells.h5ad", bad, run)
    only = vector_file(tmp_path / "v", tuple(f"cell{i}" for i in range(70)))
    cannot = EmbeddingRequest("precomputed", only, {}, ValueType.COUNTS, "genes")
    with pytest.raises(DataError, match="has no vectors of genes"):
        embed(content, "cells.h5ad", cannot, run)


def source(role: str, **given: Any) -> DataSource:
    return DataSource.model_validate({"path": "e.h5ad", "role": role, **given})


@pytest.mark.requirement("K1")
def test_vectors_of_genes_are_perturbation_features(tmp_path: Path, run: RunContext) -> None:
    content = embedded(tmp_path, run)
    table, _ = feature_table(
        content, source("perturbation_features", embedding="varm:X_toy", license="MIT")
    )
    assert list(table.index) == list(GENES)
    assert np.array_equal(table.to_numpy(), content.varm["X_toy"][:12].astype(float))
    content.var["symbol"] = [f"s{i}" for i in range(len(ASKED))]
    named, _ = feature_table(
        content,
        source("perturbation_features", embedding="varm:X_toy", columns={"perturbation": "symbol"}),
    )
    assert list(named.index[:2]) == ["s0", "s1"]
    with pytest.raises(DataError, match="no varm:X_other; its varm has: X_toy"):
        feature_table(content, source("perturbation_features", embedding="varm:X_other"))


def test_vectors_of_cells_are_averaged_over_the_rows_kept(tmp_path: Path, run: RunContext) -> None:
    content = embedded(tmp_path, run)
    content.obs["control"] = np.arange(content.n_obs) < 10
    declared = source(
        "context_features",
        embedding="obsm:X_toy",
        columns={"context": "kind"},
        where={"control": True},
    )
    table, _ = feature_table(content, declared)
    assert list(table.index) == ["even", "odd"]
    assert np.allclose(table.loc["odd"], content.obsm["X_toy"][1:10:2].mean(axis=0))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"role": "profiles", "value_type": "log1p", "embedding": "varm:X"}, "belongs to features"),
        ({"role": "context_features", "embedding": "varm:X"}, "are perturbation_features"),
        ({"role": "context_features", "embedding": "obsm:X"}, "averaged by a column of obs"),
        ({"role": "context_features", "embedding": "layers:X"}, "match pattern"),
    ],
)
def test_a_wrong_declaration_is_told(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        source(**given)


@pytest.mark.requirement("K1")
def test_weights_that_saw_the_data_are_told(tmp_path: Path, run: RunContext) -> None:
    profiles = AnnData(
        np.random.default_rng(0).gamma(1.0, size=(6, 3)),
        pd.DataFrame(
            {"gene": ["control", "ENSG00", "ENSG01"] * 2}, index=[f"p{i}" for i in range(6)]
        ),
    )
    write(profiles, tmp_path / "p.h5ad")
    columns = {"perturbation": "gene", "control": "control"}
    declared = [
        DataSource(path="p.h5ad", role="profiles", value_type=ValueType.LOG1P, columns=columns),
        source("perturbation_features", embedding="varm:X_toy"),
    ]
    write(embedded(tmp_path, run), tmp_path / "e.h5ad")
    data = open_dataset(declared, tmp_path)
    assert data.provenance.embeddings["e.h5ad"]["checkpoint"]["name"] == "toy"
    assert data.perturbation_features is not None
    assert data.perturbation_features.shape == (12, 16)
    findings = {one["kind"] for one in sources_bias(data).payload["findings"]}
    assert "seen_in_pretraining" not in findings
    seen = data.provenance.embeddings["e.h5ad"]["checkpoint"]
    seen["trained_on"]["p.h5ad"] = data.provenance.sources["p.h5ad"]
    (found,) = (
        one
        for one in sources_bias(data).payload["findings"]
        if one["kind"] == "seen_in_pretraining"
    )
    assert "the weights saw p.h5ad" in found["note"]
