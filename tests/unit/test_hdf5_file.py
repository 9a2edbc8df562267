"""HDF5 files on a disk that refuses: one error, the old file stands, nothing beside it."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from cellula.core.errors import StorageError
from cellula.io.formats import read, write
from cellula.io.hdf5_file import RefusedFile, new_hdf5
from cellula.testing.examples import single_cells
from cellula.testing.multimodal import two_modalities

CONTENTS = {"a.h5ad": lambda: single_cells().data, "a.h5mu": lambda: two_modalities().data}


def refusing(monkeypatch: pytest.MonkeyPatch, after: int) -> None:
    """From here on every file takes so many writes and no more."""
    whole, count = RefusedFile._write_all, [0]

    def refused(self: RefusedFile, start: int, content: bytes) -> None:
        count[0] += 1
        if count[0] > after:
            raise OSError(errno.ENOSPC, "No space left on device")
        whole(self, start, content)

    monkeypatch.setattr(RefusedFile, "_write_all", refused)


@pytest.mark.requirement("O2")
@pytest.mark.parametrize("name", CONTENTS)
@pytest.mark.parametrize("after", [0, 1, 20])
def test_a_full_disk_leaves_what_was_there(
    name: str, after: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / name
    content: Any = CONTENTS[name]()
    write(content, path)
    before = path.read_bytes()
    refusing(monkeypatch, after)
    with pytest.raises(StorageError, match=r"no space left .* is intact"):
        write(content, path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", CONTENTS)
def test_equal_contents_have_equal_bytes(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    write(CONTENTS[name](), path)
    once = path.read_bytes()
    write(CONTENTS[name](), path)
    assert path.read_bytes() == once
    assert read(path).shape == CONTENTS[name]().shape


def test_a_header_stands_before_what_is_hdf5(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    with new_hdf5(path, b"said") as (file, _):
        file["x"] = np.arange(3)
    assert path.read_bytes()[:512] == b"said".ljust(512, b"\0")
    with h5py.File(path) as file:
        assert file["x"][...].tolist() == [0, 1, 2]
