"""Delimited text: what is written is read back, what is damaged is refused."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cellula.core.errors import DataError
from cellula.io.delimited import DelimitedTable

TABLE = pd.DataFrame(
    {
        "line": ["A", "B, C", "None"],
        "id": [7, 8, 9],
        "value": [0.1 + 0.2, -1e-300, np.nan],
        "is_control": [True, False, True],
    }
)


@pytest.mark.parametrize("suffix", DelimitedTable.suffixes)
def test_round_trip(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"t{suffix}"
    DelimitedTable().write(TABLE, path)
    first = path.read_bytes()
    pd.testing.assert_frame_equal(DelimitedTable().read(path), TABLE)
    DelimitedTable().write(TABLE, path)
    assert path.read_bytes() == first
    assert [item.name for item in tmp_path.iterdir()] == [path.name]


def test_semicolons_in_txt(tmp_path: Path) -> None:
    path = tmp_path / "t.txt"
    path.write_text("a;b\n1;2,5\n")
    assert list(DelimitedTable().read(path).columns) == ["a", "b"]


def test_row_names_as_r_writes_them(tmp_path: Path) -> None:
    path = tmp_path / "t.tsv"
    path.write_text("x\ty\ng1\t1\t2\ng2\t3\t4\n")
    table = DelimitedTable().read(path)
    assert list(table.columns) == ["row", "x", "y"]
    assert table["row"].tolist() == ["g1", "g2"]


def test_a_late_float_does_not_break_an_integer_column(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a\n" + "1\n" * 700_000 + "1.5\n")
    assert DelimitedTable().read(path)["a"].sum() == 700_001.5


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"a,b\n1,2\n3", "cut short"),
        (b"a,b\n1,2\n1,2,3\n", "damaged"),
        (b"a,a\n1,2\n", "twice: a"),
        (b"", "is empty"),
        (b"\xff\xfe\x00a\n", "UTF-8"),
    ],
)
def test_damaged_text_is_refused(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "bad.csv"
    path.write_bytes(content)
    with pytest.raises(DataError, match=words) as caught:
        DelimitedTable().read(path)
    assert "bad.csv" in str(caught.value)


def test_truncated_gzip_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bad.csv.gz"
    whole = gzip.compress(b"a,b\n" + b"1,2\n" * 1000)
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"bad\.csv\.gz is not a whole gzip file"):
        DelimitedTable().read(path)


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="No such file"):
        DelimitedTable().read(tmp_path / "none.csv")


def test_an_index_or_no_table_is_refused_and_nothing_written(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    with pytest.raises(DataError, match="reset_index"):
        DelimitedTable().write(TABLE.set_index("line"), path)
    with pytest.raises(DataError, match="not a dict"):
        DelimitedTable().write({}, path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("quote", ["", '"'])
def test_identifiers_with_leading_zeros_stay_text(tmp_path: Path, quote: str) -> None:
    path = tmp_path / "t.csv"
    rows = [("007", "1", "0.5"), ("12", "-2", "0"), ("", "0", "01.5")]
    lines = [",".join(f"{quote}{field}{quote}" for field in row) for row in rows]
    path.write_text("\n".join(["id,n,x", *lines]) + "\n")
    table = DelimitedTable().read(path)
    assert table["id"].tolist() == ["007", "12", None]
    assert table["n"].tolist() == [1, -2, 0]
    assert table["x"].tolist() == [0.5, 0, 1.5]
    DelimitedTable().write(table, path)
    pd.testing.assert_frame_equal(DelimitedTable().read(path), table)
