"""TCGA tables: barcodes become samples, one sample's counts a profile, mutations a table."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

from cellula.core.errors import DataError
from cellula.io.formats import read
from cellula.io.tcga_table import TcgaTable

WIDE = '"","TCGA-OR-A5J1-01A-11R-A29S-07","TCGA-OR-A5J1-11A"\n"TP53",1.5,2\n"hsa-let-7a",NA,4\n'
COUNTS = """\
# gene-model: GENCODE v36
gene_id\tgene_name\tgene_type\tunstranded\tstranded_first\ttpm_unstranded
N_unmapped\t\t\t100\t100\t
N_ambiguous\t\t\t7\t8\t
ENSG1.1\tTP53\tprotein_coding\t12\t6\t0.5
ENSG2.1\tRNU1\tsnRNA\t0\t0\t0
ENSG3.1\tRNU1\tsnRNA\t3\t1\t0.25
"""


def test_genes_by_barcodes(tmp_path: Path) -> None:
    path = tmp_path / "acc.csv"
    path.write_text(WIDE)
    data = read(path, "tcga")
    assert isinstance(data, AnnData)
    np.testing.assert_array_equal(data.X, [[1.5, np.nan], [2, 4]])
    assert data.obs["patient"].tolist() == ["TCGA-OR-A5J1"] * 2
    assert data.obs["sample_type"].tolist() == ["primary solid tumor", "solid tissue normal"]
    assert data.var_names.tolist() == ["TP53", "hsa-let-7a"]


@pytest.mark.requirement("D11")
def test_the_counts_of_one_sample(tmp_path: Path) -> None:
    path = tmp_path / "0a1b.rna_seq.augmented_star_gene_counts.tsv"
    path.write_text(COUNTS)
    data = read(path)
    assert isinstance(data, AnnData)
    assert data.obs_names.tolist() == ["0a1b"]
    assert data.var_names.tolist() == ["TP53", "RNU1_ENSG2.1", "RNU1_ENSG3.1"]
    assert data.X.tolist() == [[12, 0, 3]]
    assert data.layers["tpm_unstranded"].tolist() == [[0.5, 0, 0.25]]
    assert data.obs["N_unmapped"].tolist() == [100]


def test_mutations_stay_a_table(tmp_path: Path) -> None:
    path = tmp_path / "acc.maf"
    path.write_text("#version 2.4\nHugo_Symbol\tTumor_Sample_Barcode\nTP53\tTCGA-OR-A5J1-01A\n")
    table = read(path)
    assert isinstance(table, pd.DataFrame)
    assert table["Hugo_Symbol"].tolist() == ["TP53"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("patient,age\nTCGA-OR-A5J1,58\n", "has age, expected barcodes"),
        (WIDE.replace("1.5", "low"), "holds 'low' in row TP53"),
        (WIDE.replace("hsa-let-7a", "TP53"), "'TP53' occurs more than once"),
        (WIDE[:-3], "cut short"),
    ],
)
def test_other_tables_are_refused(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "bad.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=words) as caught:
        TcgaTable().read(path)
    assert "bad.csv" in str(caught.value)


@pytest.mark.data
@pytest.mark.requirement("D11")
def test_adrenocortical_carcinoma(data_dir: Path) -> None:
    folder = data_dir / "bulk" / "tcga_acc"
    shapes = {
        "RNASeq2GeneNorm": (79, 198),
        "RPPAArray": (46, 33),
        "miRNASeqGene": (80, 471),
        "gistict": (90, 198),
        "Mutations": (90, 97),
    }
    for name, shape in shapes.items():
        data = TcgaTable().read(folder / f"{name}.csv.gz")
        assert isinstance(data, AnnData)
        assert (name, data.shape) == (name, shape)
        assert set(data.obs["sample_type"]) == {"primary solid tumor"}
    with pytest.raises(DataError, match="no TCGA matrix"):
        TcgaTable().read(folder / "patients.csv.gz")
