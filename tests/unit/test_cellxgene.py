"""CELLxGENE: readouts by name, raw counts of the same genes as a layer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from anndata import AnnData

from cellula.core.errors import DataError
from cellula.io.cellxgene import REQUIRED, CellxGene
from cellula.io.h5ad import H5ad

GENES = ["ENSG1", "ENSG2", "ENSG3"]
COUNTS = np.array([[1.0, 2, 3, 9], [0, 5, 6, 8]])


def dataset(raw_genes: list[str]) -> AnnData:
    obs = pd.DataFrame({name: ["a", "b"] for name in REQUIRED}, index=["c1", "c2"])
    obs["cell_type"] = pd.Categorical(["B cell", "T cell"])
    full = AnnData(sp.csr_matrix(COUNTS), obs, pd.DataFrame(index=raw_genes))
    names = pd.Categorical(["TP53", "TBCE", "TBCE"])
    data = AnnData(np.log1p(COUNTS[:, :3]), obs, pd.DataFrame({"feature_name": names}, index=GENES))
    data.raw = full
    data.obsm["X_umap"] = np.zeros((2, 2))
    return data


@pytest.mark.requirement("D11")
def test_names_counts_and_labels(tmp_path: Path) -> None:
    path = tmp_path / "t.cellxgene.h5ad"
    H5ad().write(dataset(["ENSG3", "ENSG2", "ENSG1", "ENSG9"]), path)
    data = CellxGene().read(path)
    assert data.var_names.tolist() == ["TP53", "TBCE_ENSG2", "TBCE_ENSG3"]
    assert data.var["feature_id"].tolist() == GENES
    np.testing.assert_array_equal(data.layers["counts"].toarray(), COUNTS[:, [2, 1, 0]])
    np.testing.assert_array_equal(data.X, np.log1p(COUNTS[:, :3]))
    assert data.obs["cell_type"].tolist() == ["B cell", "T cell"]
    assert data.raw is None


def test_without_raw_the_matrix_is_the_counts(tmp_path: Path) -> None:
    data = dataset([*GENES, "ENSG9"])
    data.raw = None
    H5ad().write(data, tmp_path / "t.h5ad")
    assert not CellxGene().read(tmp_path / "t.h5ad").layers


def test_other_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "bad.h5ad"
    H5ad().write(dataset(["ENSG1", "ENSG2", "ENSG8", "ENSG9"]), path)
    with pytest.raises(DataError, match=r"bad\.h5ad: 1 genes of X .* ENSG3"):
        CellxGene().read(path)
    data = dataset([*GENES, "ENSG9"])
    data.obs = data.obs.drop(columns="donor_id")
    H5ad().write(data, path)
    with pytest.raises(DataError, match=r"bad\.h5ad is not by .* obs has no donor_id"):
        CellxGene().read(path)
