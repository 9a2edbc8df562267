"""Therapeutics Data Commons: identifiers stay text, other tables are refused."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from cellula.core.errors import DataError
from cellula.io.formats import read
from cellula.io.pytdc_table import PyTdcTable

PAIRS = (
    "Drug_ID\tDrug\tTarget_ID\tTarget\tY\n"
    "2244.0\tCC(=O)O\tP04637\tMEEP\t5.5\n702.0\tCCO\t0012\tMK\t7\n"
)


@pytest.mark.requirement("O1")
def test_a_table_of_pairs(tmp_path: Path) -> None:
    path = tmp_path / "davis.tab"
    path.write_text(PAIRS)
    table = read(path)
    assert isinstance(table, pd.DataFrame)
    assert table["Drug_ID"].tolist() == ["2244", "702"]
    assert table["Target_ID"].tolist() == ["P04637", "0012"]
    assert table["Y"].tolist() == [5.5, 7.0]


def test_raw_names_and_commas(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text('"ID1","X1","ID2","X2","Y"\n001,CCO,7,MEEP,1\n')
    table = PyTdcTable().read(path)
    assert table.iloc[0].tolist() == ["001", "CCO", "7", "MEEP", 1]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a\tb\n1\t2\n", "it has a, b, expected an entity"),
        ("Drug_ID\tDrug\n1\tC\n", "expected an entity"),
        (PAIRS[:-4], "cut short"),
        ("", "is empty"),
    ],
)
def test_other_tables_are_refused(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "bad.tab"
    path.write_text(text)
    with pytest.raises(DataError, match=words) as caught:
        PyTdcTable().read(path)
    assert "bad.tab" in str(caught.value)
