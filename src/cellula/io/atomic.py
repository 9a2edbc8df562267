"""Files that are there whole or not at all, whatever fails while they are written."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from cellula.core.errors import DataError

__all__ = ["create_atomically", "replaced_atomically", "write_atomically"]


def write_atomically(path: Path, data: bytes, *, mode: int = 0o666) -> None:
    """Write a file, or replace it, in one step; missing folders are made.

    The bytes go to a temporary file in the same folder, reach the disk and are renamed, so a
    reader sees the old file or the new one. mode: permission bits, before the umask.
    Raises DataError, saying how many bytes did not fit where, and leaves nothing behind.
    """
    with _temporary(path, data, mode) as temporary:
        os.replace(temporary, path)


def create_atomically(path: Path, data: bytes, *, mode: int = 0o666) -> bool:
    """Write a file unless there is one: True when this call made it, False when it was there.

    Of several processes that try at once exactly one gets True, and the others find its
    bytes whole. Raises DataError as :func:`write_atomically` does.
    """
    with _temporary(path, data, mode) as temporary:
        try:
            os.link(temporary, path)
        except FileExistsError:
            return False
    return True


@contextmanager
def replaced_atomically(path: Path) -> Iterator[Path]:
    """Where a library may write a file itself: it takes the place of ``path`` when all went well.

    Yields a path in the same folder that does not exist yet. Leaving the block without an
    error flushes what was written there and renames it; any error leaves the old file, or
    none, and nothing beside it. Raises DataError when the disk or the folder refuses.
    """
    temporary = path.with_name(f".{secrets.token_hex(8)}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
        _flush_folder(path.parent)
    except OSError as error:
        raise DataError(_reason(path, "bytes", error)) from error
    finally:
        with suppress(FileNotFoundError, NotADirectoryError):
            temporary.unlink()


@contextmanager
def _temporary(path: Path, data: bytes, mode: int) -> Iterator[Path]:
    """A file beside ``path`` that holds ``data`` on the disk; gone afterwards."""
    temporary = path.with_name(f".{secrets.token_hex(8)}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
        with os.fdopen(os.open(temporary, flags, mode), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        yield temporary
        _flush_folder(path.parent)
    except OSError as error:
        raise DataError(_reason(path, f"{len(data)} bytes", error)) from error
    finally:
        with suppress(FileNotFoundError, NotADirectoryError):
            temporary.unlink()


def _flush_folder(folder: Path) -> None:
    """Make a rename durable; only POSIX lets a folder be flushed."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _reason(path: Path, what: str, error: OSError) -> str:
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return (
            f"no space left for the {what} of {path}; nothing was written: free some "
            "space or choose another folder"
        )
    return (
        f"cannot write the {what} of {path}: {error.strerror or error}; nothing was "
        "written: choose a folder that you may write to and that has room"
    )
