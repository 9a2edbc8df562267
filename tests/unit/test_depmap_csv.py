"""DepMap: gene columns become readouts, all others labels, in old and new releases."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from anndata import AnnData

from cellula.core.errors import DataError
from cellula.data.data_source import DataSource
from cellula.data.open import open_dataset
from cellula.io.depmap_csv import DepMapCsv
from cellula.io.formats import read

EFFECT = (
    ",A1BG (1),NKX2-1 (7080),TBCE (6905),TBCE (100)\nACH-000001,0.1,,1,2\nACH-000004,-1,2,3,4\n"
)
PROFILES = (
    ",SequencingID,ModelID,IsDefaultEntryForModel,TP53 (7157)\n"
    "0,CDS-1,ACH-000001,Yes,1.5\n1,CDS-2,ACH-000001,No,2.5\n"
)


def made(folder: Path, text: str, name: str = "CRISPRGeneEffect.csv") -> Path:
    path = folder / name
    path.write_text(text)
    return path


@pytest.mark.requirement("D11")
def test_models_by_genes(tmp_path: Path) -> None:
    data = read(made(tmp_path, EFFECT), "depmap")
    assert isinstance(data, AnnData)
    assert data.var_names.tolist() == ["A1BG", "NKX2-1", "TBCE_6905", "TBCE_100"]
    assert data.var["gene_id"].tolist() == ["1", "7080", "6905", "100"]
    assert data.obs_names.tolist() == ["ACH-000001", "ACH-000004"]
    assert data.obs["ModelID"].tolist() == ["ACH-000001", "ACH-000004"]
    np.testing.assert_array_equal(data.X, [[0.1, np.nan, 1, 2], [-1, 2, 3, 4]])


def test_several_profiles_of_a_model(tmp_path: Path) -> None:
    data = DepMapCsv().read(made(tmp_path, PROFILES))
    assert data.obs_names.tolist() == ["CDS-1", "CDS-2"]
    assert data.obs.columns.tolist() == ["SequencingID", "ModelID", "IsDefaultEntryForModel"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("ModelID,CellLineName\nACH-000001,A\n", "no column is called like"),
        (EFFECT.replace("ACH-000004", "HELA"), "no column holds models"),
        (EFFECT.replace("ACH-000004", "ACH-000001"), "no column tells them apart"),
        (EFFECT.replace("0.1", "x"), "'A1BG .1.' holds 'x'"),
        (EFFECT[:-4], "cut short"),
    ],
)
def test_other_tables_are_refused(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(DataError, match=words) as caught:
        DepMapCsv().read(made(tmp_path, text))
    assert "CRISPRGeneEffect.csv" in str(caught.value)


def test_a_study_names_the_format(tmp_path: Path) -> None:
    made(tmp_path, EFFECT.replace("0.1,,", "0.1,0,"))
    made(tmp_path, "ModelID,drug,ic50\nACH-000001,a,1\nACH-000004,a,2\n", "drugs.csv")
    profiles = {
        "path": "drugs.csv",
        "role": "profiles",
        "value_type": "ln_ic50",
        "readouts": ["ic50"],
        "columns": {"context": "ModelID", "perturbation": "drug"},
    }
    features = {
        "path": "CRISPRGeneEffect.csv",
        "format": "depmap",
        "role": "context_features",
        "columns": {"context": "ModelID"},
    }
    sources = [DataSource.model_validate(item) for item in (profiles, features)]
    data = open_dataset(sources, tmp_path)
    assert data.context_features is not None
    assert data.context_features.loc["ACH-000004"].tolist() == [-1, 2, 3, 4]
