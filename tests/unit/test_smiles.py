"""Structures as text: lines or a table; what is no molecule is named by file and row."""

from __future__ import annotations

from pathlib import Path

import pytest

from cellula.core.errors import DataError
from cellula.io.formats import read


def test_lines_and_tables_hold_the_same(tmp_path: Path) -> None:
    lines, table = tmp_path / "a.smi", tmp_path / "a.csv"
    lines.write_text("smiles name\nCCO ethyl alcohol\n\nc1ccccc1\tbenzene\n")
    table.write_text("name,SMILES,note\nethyl alcohol,CCO,x\nbenzene,c1ccccc1,y\n")
    one, other = read(lines), read(table, "smiles")
    assert one["name"].tolist() == other["name"].tolist() == ["ethyl alcohol", "benzene"]
    assert one["smiles"].tolist() == other["smiles"].tolist() == ["CCO", "c1ccccc1"]
    assert other["note"].tolist() == ["x", "y"]


def test_a_line_without_a_name_and_a_table_without_structures_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.smi"
    path.write_text("CCO ethanol\nCCC\n")
    with pytest.raises(DataError, match=r"a\.smi, line 2: 'CCC' has no name"):
        read(path)
    path.write_text("smiles name\n")
    with pytest.raises(DataError, match="holds no structure"):
        read(path)
    path = tmp_path / "a.csv"
    path.write_text("name,structure\nethanol,CCO\n")
    with pytest.raises(DataError, match="0 columns called 'smiles'"):
        read(path, "smiles")
