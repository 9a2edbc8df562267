"""Human Protein Atlas: expression tables are turned, the others stay as they are."""

from __future__ import annotations

from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

from cellula.core.errors import DataError
from cellula.io.formats import read
from cellula.io.hpa_table import HpaTable

LONG = """\
Gene\tGene name\tTissue\tTPM\tpTPM\tnTPM
ENSG1\tTSPAN6\tliver\t1\t1.5\t2
ENSG1\tTSPAN6\tkidney\t3\t3.5\t4
ENSG2\tMATR3\tliver\t5\t5.5\t6
ENSG3\tMATR3\tkidney\t7\t7.5\t8
"""
STAINED = "Gene\tGene name\tTissue\tCell type\tLevel\nENSG1\tTSPAN6\tliver\thepatocytes\tHigh\n"


def zipped(folder: Path, text: str, members: int = 1) -> Path:
    path = folder / "rna_tissue.tsv.zip"
    with ZipFile(path, "w") as archive:
        for number in range(members):
            archive.writestr(f"rna_tissue{number}.tsv", text)
    return path


@pytest.mark.requirement("D11")
def test_an_expression_table_becomes_tissues_by_genes(tmp_path: Path) -> None:
    data = read(zipped(tmp_path, LONG))
    assert isinstance(data, AnnData)
    assert data.obs_names.tolist() == ["liver", "kidney"]
    assert data.var_names.tolist() == ["TSPAN6", "MATR3_ENSG2", "MATR3_ENSG3"]
    np.testing.assert_array_equal(data.X, [[2, 6, np.nan], [4, np.nan, 8]])
    np.testing.assert_array_equal(data.layers["TPM"], [[1, 5, np.nan], [3, np.nan, 7]])
    assert data.var["gene_id"].tolist() == ["ENSG1", "ENSG2", "ENSG3"]


def test_several_labels_name_a_profile(tmp_path: Path) -> None:
    path = tmp_path / "t.tsv"
    path.write_text(
        "Gene\tGene name\tTissue\tCluster\tCell type\tnTPM\n"
        "E1\tA\tlung\tc-0\tB-cells\t1\nE1\tA\tlung\tc-1\tB-cells\t2\n"
    )
    data = HpaTable().read(path)
    assert isinstance(data, AnnData)
    assert data.obs_names.tolist() == ["lung|c-0|B-cells", "lung|c-1|B-cells"]
    assert data.obs.columns.tolist() == ["Tissue", "Cluster", "Cell type"]


def test_other_tables_stay_tables(tmp_path: Path) -> None:
    table = HpaTable().read(zipped(tmp_path, STAINED))
    assert isinstance(table, pd.DataFrame)
    assert table["Level"].tolist() == ["High"]


@pytest.mark.parametrize(
    ("text", "members", "words"),
    [
        ("a\tb\n1\t2\n", 1, "no table of the Human Protein Atlas: it has a, b"),
        (LONG.replace("kidney", "liver"), 1, "row 1 is a second value of TSPAN6 in liver"),
        (LONG[:-5], 1, "cut short"),
        (LONG, 2, "holds 2 files"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, text: str, members: int, words: str) -> None:
    with pytest.raises(DataError, match=words) as caught:
        HpaTable().read(zipped(tmp_path, text, members))
    assert "rna_tissue.tsv.zip" in str(caught.value)
