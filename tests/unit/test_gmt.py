"""Gene sets in GMT: what a line says, and what is refused."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from cellula.core.errors import DataError
from cellula.io.formats import read

SETS = (
    "HALLMARK_HYPOXIA\thttps://example.org/hypoxia\tVEGFA\tPGK1\tLDHA\n"
    "\n"
    "INTERFERON ALPHA\tna\tISG15\t\tMX1\tISG15\t\n"
    "ENRICHR_STYLE\t\tTP53,1.0\tMDM2,0.5\n"
)


@pytest.mark.requirement("E15", "S2")
def test_a_line_is_a_set(tmp_path: Path) -> None:
    path = tmp_path / "sets.gmt"
    path.write_text(SETS)
    table = read(path)
    assert list(table.columns) == ["set", "description", "gene"]  # type: ignore[union-attr]
    assert [tuple(row) for row in table.to_numpy()] == [  # type: ignore[union-attr]
        ("HALLMARK_HYPOXIA", "https://example.org/hypoxia", "VEGFA"),
        ("HALLMARK_HYPOXIA", "https://example.org/hypoxia", "PGK1"),
        ("HALLMARK_HYPOXIA", "https://example.org/hypoxia", "LDHA"),
        ("INTERFERON ALPHA", "na", "ISG15"),
        ("INTERFERON ALPHA", "na", "MX1"),
        ("ENRICHR_STYLE", "", "TP53"),
        ("ENRICHR_STYLE", "", "MDM2"),
    ]


def test_packed_and_windows_lines_are_the_same(tmp_path: Path) -> None:
    (tmp_path / "a.gmt").write_text(SETS)
    (tmp_path / "b.gmt").write_bytes(SETS.replace("\n", "\r\n").encode())
    (tmp_path / "c.gmt.gz").write_bytes(gzip.compress(SETS.encode()))
    one, two, three = (read(tmp_path / name) for name in ("a.gmt", "b.gmt", "c.gmt.gz"))
    assert one.equals(two)  # type: ignore[union-attr]
    assert one.equals(three)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("A\tna\tX\nB\tna\n", "line 2: 1 tab"),
        ("A\tna\tX\nB\tna\t\t\n", "line 2: 3 tab.*0 gene"),
        ("\tna\tX\n", "line 1: 2 tab"),
        ("A,na,X\n", "line 1: 0 tab"),
        ("A\tna\tX\n\nA\tna\tY\n", "line 3: the set 'A' is on line 1 too"),
    ],
)
def test_what_is_no_set_is_refused_with_its_line(text: str, words: str, tmp_path: Path) -> None:
    path = tmp_path / "sets.gmt"
    path.write_text(text)
    with pytest.raises(DataError, match=rf"sets\.gmt, {words}"):
        read(path)
