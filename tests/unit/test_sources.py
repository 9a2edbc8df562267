"""The source files that a bundle names."""

import json
from pathlib import Path

import pytest

from cellula.core.canonical import hash_bytes
from cellula.core.errors import EvidenceError
from cellula.evidence.sources import hash_file, recorded_sources

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
