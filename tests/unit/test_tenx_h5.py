"""10x HDF5 files: counts, told-apart symbols, several kinds of features, other HDF5 files."""

from __future__ import annotations

from pathlib import Path

import anndata
import h5py
import numpy as np
import pytest
import scipy.sparse as sp
from anndata import AnnData

from cellula.core.errors import DataError
from cellula.io.formats import read
from cellula.io.tenx_h5 import TenxH5

COUNTS = np.array([[1, 0, 2, 7], [0, 3, 0, 0], [4, 0, 0, 9]])


def write_tenx(path: Path, matrix: sp.csr_matrix, symbols: list[str], kinds: list[str]) -> Path:
    """A file as Cell Ranger 3 lays it out: features as rows, compressed by cells."""
    ids = [f"ENSG{number}" for number in range(len(symbols))]
    with h5py.File(path, "w") as file:
        group = file.create_group("matrix")
        group["barcodes"] = np.array([f"B{i}-1" for i in range(matrix.shape[0])], "S")
        group["data"] = matrix.data.astype(np.int32)
        group["indices"], group["indptr"] = matrix.indices, matrix.indptr
        group["shape"] = np.array(matrix.shape[::-1])
        features = group.create_group("features")
        for name, values in (("id", ids), ("name", symbols), ("feature_type", kinds)):
            features[name] = np.array(values, "S")
        features["genome"] = np.array(["GRCh38"] * len(ids), "S")
    return path


def made(path: Path, kinds: list[str] | None = None) -> Path:
    symbols = ["TP53", "TBCE", "TBCE", "CD3"]
    return write_tenx(path, sp.csr_matrix(COUNTS), symbols, kinds or ["Gene Expression"] * 4)


@pytest.mark.requirement("D1", "S2")
def test_counts_and_names(tmp_path: Path) -> None:
    data = read(made(tmp_path / "filtered_feature_bc_matrix.h5"))
    assert isinstance(data, AnnData)
    assert sp.isspmatrix_csr(data.X)
    np.testing.assert_array_equal(data.X.toarray(), COUNTS)
    assert data.var_names.tolist() == ["TP53", "TBCE_ENSG1", "TBCE_ENSG2", "CD3"]
    assert data.obs_names.tolist() == ["B0-1", "B1-1", "B2-1"]


def test_proteins_are_a_modality_of_their_own(tmp_path: Path) -> None:
    kinds = ["Gene Expression"] * 3 + ["Antibody Capture"]
    data = read(made(tmp_path / "t.h5", kinds))
    assert list(data.mod) == ["rna", "protein"]  # type: ignore[union-attr]
    np.testing.assert_array_equal(data["protein"].X.toarray(), COUNTS[:, 3:])


@pytest.mark.parametrize("keep", [0.1, 0.6])
def test_a_truncated_file_is_refused(tmp_path: Path, keep: float) -> None:
    path = made(tmp_path / "cut.h5")
    whole = path.read_bytes()
    path.write_bytes(whole[: int(keep * len(whole))])
    with pytest.raises(DataError, match=r"cut\.h5 .*fetch the file again"):
        TenxH5().read(path)


def test_another_hdf5_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.h5"
    AnnData(np.eye(2)).write_h5ad(path)
    with pytest.raises(DataError, match=r"other\.h5 is no 10x matrix: it has X.* 'h5ad'"):
        TenxH5().read(path)


@pytest.mark.data
@pytest.mark.requirement("D1")
def test_cells_with_proteins_go_through(data_dir: Path, tmp_path: Path) -> None:
    cells = anndata.read_h5ad(data_dir / "singlecell" / "scvi_pbmc_5k_protein_200cells.h5ad")
    proteins = np.asarray(cells.obsm["protein_expression"])
    matrix = sp.csr_matrix(sp.hstack([sp.csr_matrix(cells.X), sp.csr_matrix(proteins)]))
    names = [*cells.var_names, *map(str, cells.uns["protein_names"])]
    kinds = ["Gene Expression"] * cells.n_vars + ["Antibody Capture"] * proteins.shape[1]
    data = read(write_tenx(tmp_path / "cite.h5", matrix, names, kinds))
    np.testing.assert_array_equal(data["protein"].X.toarray(), proteins)
    assert data["rna"].var_names.tolist() == cells.var_names.tolist()
    assert (sp.csr_matrix(cells.X) != data["rna"].X).nnz == 0
