"""The hash of a source: any change of a file, or of the names in a folder, changes it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from cellula.core.errors import DataError
from cellula.io.digest import hash_source


def test_a_file_and_a_folder(tmp_path: Path) -> None:
    folder = tmp_path / "t"
    (folder / "b").mkdir(parents=True)
    (folder / "b" / ".z").write_bytes(b"1")
    (folder / "a").write_bytes(b"2")
    one, two = (hashlib.sha256(text).hexdigest() for text in (b"1", b"2"))
    assert hash_source(folder / "a") == two
    text = json.dumps([["a", two], ["b/.z", one]], separators=(",", ":"))
    first = hash_source(folder)
    assert first == hashlib.sha256(text.encode()).hexdigest()
    (folder / "a").rename(folder / "c")
    assert hash_source(folder) != first
    (folder / "c").rename(folder / "a")
    assert hash_source(folder) == first
    (folder / "d").write_bytes(b"")
    assert hash_source(folder) != first


def test_nothing_to_hash(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no file"):
        hash_source(tmp_path)
    with pytest.raises(DataError, match=r"cannot read .*none"):
        hash_source(tmp_path / "none")
