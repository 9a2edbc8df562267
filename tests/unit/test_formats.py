"""The format of a file: named, by its suffix, or an error that says what there is."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from anndata import AnnData
from typer.testing import CliRunner

from cellula.cli.data import app
from cellula.core.errors import DataError, PluginError
from cellula.io import formats
from cellula.testing.multimodal import two_modalities


def test_a_named_format_wins_over_the_suffix(tmp_path: Path) -> None:
    path = tmp_path / "effect.csv"
    path.write_text(",TP53 (7157)\nACH-000001,1.5\n")
    assert isinstance(formats.read(path), pd.DataFrame)
    assert isinstance(formats.read(path, "depmap"), AnnData)
    with pytest.raises(PluginError, match="no reader is called 'depmapp'; did you mean depmap"):
        formats.read(path, "depmapp")


def test_the_error_names_suffixes_and_formats(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"'folder'; .*\.zarr.* or format = one of .*tenx_mtx"):
        formats.read(tmp_path / "folder")


@pytest.mark.parametrize(
    ("name", "suffix", "fits"),
    [
        ("gse1_series_matrix.txt.gz", ".series_matrix.txt.gz", True),
        ("filtered_feature_bc_matrix", ".feature_bc_matrix", True),
        ("table_csv", ".csv", False),
        ("t.csv.gz", ".csv.gz", True),
        ("seriesmatrix.txt", ".series_matrix.txt", False),
    ],
)
def test_suffixes_of_several_words(name: str, suffix: str, fits: bool) -> None:
    assert formats._ends(name, suffix) is fits


def test_describe_with_a_format(tmp_path: Path) -> None:
    path = tmp_path / "effect.csv"
    path.write_text(",TP53 (7157),KRAS (3845)\nACH-000001,1.5,\n")
    result = CliRunner().invoke(app, ["describe", str(path), "--format", "depmap", "--json"])
    found = json.loads(result.stdout)
    assert (found["profiles"], found["readouts"]) == (1, 2)
    assert found["values"] == "1.5 to 1.5 (float64, 1 missing)"


def test_describe_modalities(tmp_path: Path) -> None:
    formats.write(two_modalities().data, tmp_path / "t.h5mu")
    result = CliRunner().invoke(app, ["describe", str(tmp_path / "t.h5mu"), "--json"])
    found = json.loads(result.stdout)
    assert found["modalities"] == ["rna", "protein"]
    assert found["protein:readouts"] == 3
