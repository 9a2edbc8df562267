"""Files are whole or not there."""

import errno
import os
import stat
import time
from pathlib import Path

import numpy as np
import pytest
from anndata import AnnData
from mudata import MuData, set_options

from cellula.core.errors import StorageError
from cellula.io.atomic import (
    create_atomically,
    replaced_atomically,
    restored,
    write_atomically,
    write_together,
)
from cellula.io.h5ad import H5ad
from cellula.io.mudata_file import MuDataFile


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_writes_replaces_and_makes_folders(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file"
    write_atomically(path, b"old")
    write_atomically(path, b"new")
    assert path.read_bytes() == b"new"
    assert names(path.parent) == ["file"]


def test_mode_is_that_asked_for(tmp_path: Path) -> None:
    write_atomically(tmp_path / "secret", b"", mode=0o600)
    assert stat.S_IMODE((tmp_path / "secret").stat().st_mode) == 0o600


def test_create_keeps_what_is_there(tmp_path: Path) -> None:
    path = tmp_path / "file"
    assert create_atomically(path, b"first")
    assert not create_atomically(path, b"second")
    assert path.read_bytes() == b"first"
    assert names(tmp_path) == ["file"]


def test_several_files_are_written_all_or_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "new"
    assert write_together(folder, {"a": b"1", "b": b"1"}) == (folder / "a", folder / "b")
    (folder / "c").write_bytes(b"mine")
    whole = os.fsync
    calls = iter(range(100))

    def refuse(descriptor: int) -> None:
        if next(calls) == 2:  # a file and its folder are on the disk, the next is refused
            raise OSError(errno.ENOSPC, "No space left on device")
        whole(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", refuse)
        with pytest.raises(StorageError, match="no space left"):
            write_together(folder, {"a": b"2", "b": b"2"})
    assert {name: (folder / name).read_bytes() for name in names(folder)} == {
        "a": b"1", "b": b"1", "c": b"mine",
    }  # fmt: skip
    write_together(folder, {"a": b"3", "b": b"3"})
    assert (folder / "b").read_bytes() == b"3"


@pytest.mark.parametrize("call", [write_atomically, create_atomically])
@pytest.mark.parametrize(
    ("number", "words"),
    [(errno.ENOSPC, "no space left for the 3 bytes"), (errno.EIO, "cannot write the 3 bytes")],
)
def test_a_full_disk_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call, number: int, words: str
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def fail(descriptor: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(StorageError, match=words):
        call(path, b"new")
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["file"]


def test_a_file_too_large_for_the_disk(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource", reason="file size limits need POSIX")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2**23, limits[1]))
    try:
        with pytest.raises(StorageError, match="what was there before is intact"):
            write_atomically(tmp_path / "file", bytes(2**24))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert names(tmp_path) == []


def test_a_folder_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageError, match="choose a folder"):
        write_atomically(tmp_path / "file" / "below", b"x")


def test_a_library_may_write_the_file_itself(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file"
    with replaced_atomically(path) as temporary:
        temporary.write_bytes(b"whole")
        assert not path.exists()
    assert path.read_bytes() == b"whole"
    assert [item.name for item in path.parent.iterdir()] == ["file"]


@pytest.mark.parametrize("name", ["cells.h5ad", "cells.h5mu", "file"])
def test_a_full_disk_keeps_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    path = tmp_path / name
    path.write_bytes(b"old")

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match="no space left"):
        _write(path)
    assert path.read_bytes() == b"old"
    assert [item.name for item in tmp_path.iterdir()] == [name]


def _write(path: Path) -> None:
    """Write what the suffix says, through its own writer where it has one."""
    data = AnnData(np.eye(2))
    if path.suffix == ".h5ad":
        H5ad().write(data, path)
    elif path.suffix == ".h5mu":
        with set_options(pull_on_update=False):
            content = MuData({"rna": data})
        MuDataFile().write(content, path)
    else:
        with replaced_atomically(path) as temporary:
            temporary.write_bytes(b"new")


def test_what_a_killed_process_left_is_swept_a_day_later(tmp_path: Path) -> None:
    for name, age_s in (("a" * 16, 90_000), ("b" * 16, 60)):
        left = tmp_path / f".{name}.part"
        left.write_bytes(b"half")
        os.utime(left, (time.time() - age_s,) * 2)
    (tmp_path / ".mine.part").write_bytes(b"of somebody else")
    os.utime(tmp_path / ".mine.part", (0, 0))
    write_atomically(tmp_path / "file", b"new")
    assert names(tmp_path) == [f".{'b' * 16}.part", ".mine.part", "file"]


def test_a_folder_that_a_killed_process_moved_aside_is_put_back(tmp_path: Path) -> None:
    (tmp_path / ".model.replaced").mkdir()
    (tmp_path / ".model.replaced" / "file").write_bytes(b"old")
    restored(tmp_path / "model")
    assert (tmp_path / "model" / "file").read_bytes() == b"old"
    assert names(tmp_path) == ["model"]
