"""The source files that a bundle names."""

import json
from pathlib import Path

import pytest

from cellula.core.canonical import hash_bytes
from cellula.core.errors import EvidenceError
from cellula.evidence.sources import hash_file, recorded_sources
from cellula.evidence.witnesses import check_data
from cellula.io.digest import hash_source

ONE, TWO = hash_bytes(b"1"), hash_bytes(b"2")


def test_sources_are_found_wherever_they_stand() -> None:
    data = {"data": [{"provenance": {"sources": {"a.h5ad": ONE}}}], "sources": {"b.csv": TWO}}
    assert recorded_sources(json.dumps(data).encode()) == {"a.h5ad": ONE, "b.csv": TWO}


@pytest.mark.parametrize("data", [b"", b"[", b"[" * 100_000, b'{"sources":{"a":"short","b":1}}'])
def test_what_holds_none(data: bytes) -> None:
    assert recorded_sources(data) == {}


def test_hash_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"1")
    assert hash_file(tmp_path / "a") == ONE
    with pytest.raises(EvidenceError, match="cannot read the data file"):
        hash_file(tmp_path / "absent")


def test_a_folder_is_one_source(tmp_path: Path) -> None:
    folder = tmp_path / "t.zarr"
    (folder / "X").mkdir(parents=True)
    (folder / "X" / "0").write_bytes(b"1")
    recorded = {"data.json": json.dumps({"sources": {"t.zarr": hash_source(folder)}}).encode()}
    found = check_data(recorded, [folder])
    assert not found.problems
    assert found.known == ("the source file t.zarr is the one that was used",)
    (folder / "X" / "0").write_bytes(b"2")
    assert "is not among those" in check_data(recorded, [folder]).problems[0].what
