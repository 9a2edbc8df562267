"""Tables of readouts as rows: every column a profile."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from cellula.core.dataset import Dataset
from cellula.core.errors import DataError
from cellula.data.data_source import DataSource
from cellula.data.open import open_dataset

TEXT = "gene,IL6_1,IL6_2,DMSO_1\nSTAT3,1,2,0\nSOCS3,3,4,0.5\nACTB,5,6,0\n"
TURNED = {"orientation": "readouts_as_rows", "columns": "perturbation", "readout": "gene"}


def declare(**given: Any) -> DataSource:
    layout = {**TURNED, "pattern": r"(\w+)_\d"} | given.pop("layout", {})
    fields = {"path": "t.csv", "role": "profiles", "value_type": "quantity", "layout": layout}
    return DataSource.model_validate(fields | given)


def opened(folder: Path, text: str = TEXT, **given: Any) -> Dataset:
    (folder / "t.csv").write_text(text)
    return open_dataset([declare(**given)], folder)


@pytest.mark.requirement("D1")
def test_columns_become_profiles_and_replicates_share_a_label(tmp_path: Path) -> None:
    data = opened(tmp_path, columns={"control": "DMSO"}, perturbation_kind="cytokine")
    np.testing.assert_array_equal(data.dense(), [[1, 3, 5], [2, 4, 6], [0, 0.5, 0]])
    assert data.readouts == ("STAT3", "SOCS3", "ACTB")
    assert data.obs.index.tolist() == ["IL6_1", "IL6_2", "DMSO_1"]
    assert data.obs["perturbation"].tolist() == ["IL6", "IL6", "control"]
    assert data.is_control.tolist() == [False, False, True]


def test_columns_and_readouts_are_left_out(tmp_path: Path) -> None:
    data = opened(tmp_path, exclude=["ACTB", "DMSO_1"])
    np.testing.assert_array_equal(data.dense(), [[1, 3], [2, 4]])
    where = opened(tmp_path, where={"perturbation": "DMSO"})
    assert where.obs.index.tolist() == ["DMSO_1"]


@pytest.mark.parametrize(
    ("text", "given", "words"),
    [
        (TEXT.replace("2,0", ",0"), {}, "'STAT3' has no value in column 'IL6_2'"),
        (TEXT.replace("ACTB", "STAT3"), {}, "gives the label 'STAT3' twice"),
        (TEXT.replace("IL6_1", "IL6"), {}, "1 of 3 columns do not match"),
        (TEXT.replace("5", "high"), {}, "'IL6_1' holds 'high' in row 2"),
        (TEXT.replace("gene", "symbol"), {}, "no column 'gene'"),
        (TEXT, {"exclude": ["GAPDH"]}, "exclude names 'GAPDH'"),
    ],
)
def test_bad_tables(tmp_path: Path, text: str, given: dict[str, Any], words: str) -> None:
    with pytest.raises(DataError, match=words) as caught:
        opened(tmp_path, text, **given)
    assert "t.csv" in str(caught.value)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"layout": {"rows": "context"}}, "leave 'rows' out"),
        ({"columns": {"context": "gene"}}, "label of the controls only"),
        ({"columns": {"control": "x"}, "layout": {"columns": "context"}}, "columns.control is"),
        ({"readouts": ["gene"]}, "names its readouts by layout.readout"),
        ({"layout": {"orientation": "one_readout"}}, "rows is missing"),
    ],
)
def test_wrong_declarations(given: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        declare(**given)


@pytest.mark.data
@pytest.mark.requirement("D1")
def test_cytosig(data_dir: Path) -> None:
    layout = {**TURNED, "readout": "row", "pattern": "(.+)"}
    source = declare(path="signature.centroid.expand.tsv.gz", layout=layout)
    data = open_dataset([source], data_dir / "bulk")
    assert (data.n_profiles, len(data.readouts)) == (51, 6466)
    assert data.obs["perturbation"].nunique() == 51
    a2m = data.dense()[data.obs.index == "Activin A", data.readouts.index("A2M")]
    assert a2m[0] == pytest.approx(0.0509644557298702)
