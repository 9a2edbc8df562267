"""10x folders: counts, told-apart symbols, several kinds of features, missing files."""

from __future__ import annotations

import gzip
import io
from pathlib import Path

import numpy as np
import pytest
import scipy.io
import scipy.sparse as sp
from anndata import AnnData

from cellula.core.errors import DataError
from cellula.data.data_source import DataSource
from cellula.data.open import open_dataset
from cellula.io.formats import read
from cellula.io.tenx_mtx import TenxMtx

COUNTS = np.array([[1, 0, 2, 7], [0, 3, 0, 0], [4, 0, 0, 9]])
FEATURES = [("ENSG1", "TP53"), ("ENSG2", "TBCE"), ("ENSG3", "TBCE"), ("CD3", "CD3_TotalSeq")]


def made(folder: Path, kinds: tuple[str, ...] = ("Gene Expression",) * 4) -> Path:
    folder.mkdir()
    buffer = io.BytesIO()
    scipy.io.mmwrite(buffer, sp.coo_matrix(COUNTS.T))
    rows = [f"{a}\t{b}\t{kind}" for (a, b), kind in zip(FEATURES, kinds, strict=True)]
    for name, text in (
        ("matrix.mtx", buffer.getvalue()),
        ("features.tsv", "\n".join(rows).encode()),
        ("barcodes.tsv", b"AAC-1\nAAG-1\nAAT-1\n"),
    ):
        (folder / f"{name}.gz").write_bytes(gzip.compress(text))
    return folder


@pytest.mark.requirement("D1", "S2")
def test_the_folder_that_cell_ranger_names(tmp_path: Path) -> None:
    data = read(made(tmp_path / "filtered_feature_bc_matrix"))
    assert isinstance(data, AnnData)
    assert sp.isspmatrix_csr(data.X)
    np.testing.assert_array_equal(data.X.toarray(), COUNTS)
    assert data.var_names.tolist() == ["TP53", "TBCE_ENSG2", "TBCE_ENSG3", "CD3_TotalSeq"]
    assert data.var["gene_ids"].tolist() == ["ENSG1", "ENSG2", "ENSG3", "CD3"]
    assert data.obs_names.tolist() == ["AAC-1", "AAG-1", "AAT-1"]


def test_the_layout_of_cell_ranger_2(tmp_path: Path) -> None:
    folder = made(tmp_path / "hg19")
    for name, old in (("matrix.mtx", "matrix.mtx"), ("barcodes.tsv", "barcodes.tsv")):
        (folder / old).write_bytes(gzip.decompress((folder / f"{name}.gz").read_bytes()))
        (folder / f"{name}.gz").unlink()
    (folder / "features.tsv.gz").unlink()
    (folder / "genes.tsv").write_text("".join(f"{a}\t{b}\n" for a, b in FEATURES))
    np.testing.assert_array_equal(read(folder, "tenx_mtx").X.toarray(), COUNTS)


@pytest.mark.requirement("D1")
def test_proteins_are_a_modality_of_their_own(tmp_path: Path) -> None:
    made(tmp_path / "cite", ("Gene Expression",) * 3 + ("Antibody Capture",))
    source = DataSource.model_validate(
        {"path": "cite", "format": "tenx_mtx", "role": "profiles", "value_type": "counts"}
    )
    data = open_dataset([source], tmp_path)
    assert data.modalities == ("rna", "protein")
    proteins = open_dataset([source.model_copy(update={"modality": "protein"})], tmp_path)
    np.testing.assert_array_equal(proteins.dense(), COUNTS[:, 3:])


def _remove(name: str) -> object:
    return lambda folder: (folder / name).unlink()


def _cut(name: str) -> object:
    def damage(folder: Path) -> None:
        whole = (folder / name).read_bytes()
        (folder / name).write_bytes(whole[: len(whole) // 2])

    return damage


def _fewer_barcodes(folder: Path) -> None:
    (folder / "barcodes.tsv.gz").write_bytes(gzip.compress(b"AAC-1\n"))


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (_remove("barcodes.tsv.gz"), "has no barcodes.tsv.gz; expected"),
        (_cut("matrix.mtx.gz"), "matrix.mtx.gz is not a whole gzip file"),
        (_cut("features.tsv.gz"), "features.tsv.gz is not a whole gzip file"),
        (_fewer_barcodes, "no whole 10x matrix"),
    ],
)
def test_damaged_folders_are_refused(tmp_path: Path, damage: object, words: str) -> None:
    folder = made(tmp_path / "bad")
    damage(folder)  # type: ignore[operator]
    with pytest.raises(DataError, match=words) as caught:
        TenxMtx().read(folder)
    assert "bad" in str(caught.value)
