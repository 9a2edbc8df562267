"""Folders that are there whole or not at all, for the formats that are folders (Zarr, 10x)."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from cellula.core.errors import DataError
from cellula.io.atomic import write_atomically

__all__ = ["replaced_folder", "write_folder"]


@contextmanager
def replaced_folder(path: Path) -> Iterator[Path]:
    """Where files may be written: their folder takes the place of ``path`` when all went well.

    Yields an empty folder beside ``path``. Leaving the block without an error renames it; a
    folder that was there stands aside until then and comes back if the rename fails. Any error
    leaves the old folder, or none, and nothing beside it. Raises DataError when ``path`` is a
    file, or when the disk refuses.
    """
    if path.exists() and not path.is_dir():
        raise DataError(f"{path} is a file; a folder is written there: give another name")
    mark = secrets.token_hex(8)
    fresh, old = (path.with_name(f".{mark}.{what}") for what in ("part", "old"))
    try:
        fresh.mkdir(parents=True)
        yield fresh
        if path.exists():
            path.rename(old)
        try:
            fresh.rename(path)
        except OSError:
            if old.exists():
                old.rename(path)
            raise
        _flush(path.parent)
    except OSError as error:
        raise DataError(
            f"cannot write the folder {path}: {error.strerror or error}; it is as it was: choose "
            "a folder that you may write to and that has room"
        ) from error
    finally:
        for rest in (fresh, old):
            shutil.rmtree(rest, ignore_errors=True)


def write_folder(path: Path, files: Mapping[str, bytes]) -> None:
    """Write a folder of these files (names with ``/``), or replace it, as one thing."""
    with replaced_folder(path) as fresh:
        for name in sorted(files):
            write_atomically(fresh / name, files[name])


def _flush(folder: Path) -> None:
    """Make a rename durable; only POSIX lets a folder be flushed."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
