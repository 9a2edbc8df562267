"""Folders that are there whole or not at all, for the formats that are folders (Zarr, 10x)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from cellula.core.errors import DataError
from cellula.io.atomic import replaced_folder, restored, write_atomically

__all__ = ["write_folder"]


def write_folder(path: Path, files: Mapping[str, bytes]) -> None:
    """Write a folder of these files (names with ``/``), or replace it, as one thing.

    Raises DataError when ``path`` is a file, StorageError when the disk refuses.
    """
    if path.exists() and not path.is_dir():
        raise DataError(f"{path} is a file; a folder is written there: give another name")
    restored(path)
    with replaced_folder(path) as fresh:
        for name in sorted(files):
            write_atomically(fresh / name, files[name])
