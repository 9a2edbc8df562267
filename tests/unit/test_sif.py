"""Signed graphs are read and written in SIF."""

from __future__ import annotations

from pathlib import Path

import pytest

from cellula.core.errors import DataError
from cellula.core.logic import SignedEdge, SignedGraph
from cellula.io.sif import Sif

TEXT = "# prior\nEGF\t1\tRas\nTNF alpha\t-1\tRas\tPI3K\n\nRas inhibits Raf\n"


def made(folder: Path, text: str = TEXT) -> Path:
    path = folder / "prior.sif"
    path.write_text(text)
    return path


@pytest.mark.requirement("S2", "S3")
def test_lines_are_edges(tmp_path: Path) -> None:
    found = Sif().read(made(tmp_path))
    assert found == SignedGraph(
        "prior",
        (
            SignedEdge("EGF", 1, "Ras"),
            SignedEdge("TNF alpha", -1, "Ras"),
            SignedEdge("TNF alpha", -1, "PI3K"),
            SignedEdge("Ras", -1, "Raf"),
        ),
    )
    assert found.ids == ("EGF", "Ras", "TNF alpha", "PI3K", "Raf")
    Sif().write(found, tmp_path / "prior.sif")
    assert Sif().read(tmp_path / "prior.sif") == found


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a 1\n", "line 1: 'a 1' is no source, sign and target"),
        ("a 2 b\n", "the sign is '2'"),
        ("a 1 b\na 1 b\n", "line 2: the edge from 'a' to 'b' is on line 1 too"),
        ("a 1 and1\nand1 1 b\n", "'and1' is an AND gate"),
        ("# nothing\n", "holds no edge"),
    ],
)
def test_what_is_no_graph_is_refused(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(DataError, match=told) as caught:
        Sif().read(made(tmp_path, text))
    assert "prior.sif" in str(caught.value)


def test_what_sif_cannot_hold_is_refused(tmp_path: Path) -> None:
    for edge in (SignedEdge("a\tb", 1, "c"), SignedEdge("", 1, "c")):
        with pytest.raises(DataError, match="cannot be a name in SIF"):
            Sif().write(SignedGraph("g", (edge,)), tmp_path / "g.sif")
    with pytest.raises(DataError, match="has the sign 0"):
        SignedGraph("g", (SignedEdge("a", 0, "c"),))
    with pytest.raises(DataError, match="stands twice"):
        SignedGraph("g", (SignedEdge("a", 1, "c"),) * 2)
