"""Folders are there whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cellula.core.errors import DataError, StorageError
from cellula.io.atomic import replaced_folder
from cellula.io.folder import write_folder


def names(folder: Path) -> list[str]:
    return sorted(item.name for item in folder.iterdir())


def test_a_folder_is_written_and_replaced_as_one(tmp_path: Path) -> None:
    path = tmp_path / "t.zarr"
    write_folder(path, {"a": b"1", "b/c": b"2"})
    assert (path / "b" / "c").read_bytes() == b"2"
    write_folder(path, {"d": b"3"})
    assert names(path) == ["d"]
    assert names(tmp_path) == ["t.zarr"]


@pytest.mark.parametrize("is_there", [True, False])
def test_a_failure_leaves_what_was_there(tmp_path: Path, is_there: bool) -> None:
    path = tmp_path / "t"
    if is_there:
        write_folder(path, {"a": b"1"})

    def fail() -> None:
        with replaced_folder(path) as fresh:
            (fresh / "half").write_bytes(b"")
            raise OSError(28, "No space left on device")

    with pytest.raises(StorageError, match="no space left"):
        fail()
    assert names(tmp_path) == (["t"] if is_there else [])
    assert not is_there or names(path) == ["a"]


def test_a_rename_that_fails_brings_the_old_folder_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "t"
    write_folder(path, {"a": b"1"})
    rename = os.rename

    def refuse(source: Path, target: Path) -> None:
        if Path(source).name.endswith(".part"):
            raise OSError(13, "Permission denied")
        rename(source, target)

    monkeypatch.setattr(os, "rename", refuse)
    with pytest.raises(StorageError, match="Permission denied"):
        write_folder(path, {"b": b"2"})
    assert (names(tmp_path), names(path)) == (["t"], ["a"])


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "t").write_bytes(b"kept")
    with pytest.raises(DataError, match="is a file"):
        write_folder(tmp_path / "t", {"a": b"1"})
    assert (tmp_path / "t").read_bytes() == b"kept"
