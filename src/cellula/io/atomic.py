"""Files and folders that are there whole or not at all, whatever fails while they are written.

What is being written lies beside its place under a hidden name ending in ``.part``. A process that
is killed leaves it there; it is swept a day later by whoever writes into the same folder.
"""

from __future__ import annotations

import errno
import os
import re
import secrets
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from cellula.core.errors import CellulaError, StorageError

__all__ = [
    "FULL_WORDS",
    "create_atomically",
    "replaced_atomically",
    "replaced_folder",
    "restored",
    "storage_error",
    "temporary_folder",
    "told",
    "write_atomically",
    "write_together",
]

#: What is written under, and what a folder is moved to while another takes its place.
PART = re.compile(r"\.[0-9a-f]{16}\.part")
#: After this long without a change, in seconds, nobody is writing a temporary file any more.
STALE_S = 24 * 3600.0
FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
#: What HDF5 and Arrow say of a full disk in a sentence, with no number.
FULL_WORDS = ("no space left", "disk quota exceeded", "errno = 28", "errno 28", "disk is full")


def write_atomically(path: Path, data: bytes, *, mode: int = 0o666) -> None:
    """Write a file, or replace it, in one step; missing folders are made.

    The bytes go to a temporary file in the same folder, reach the disk and are renamed, so a
    reader sees the old file or the new one. mode: permission bits, before the umask.
    Raises StorageError, saying how many bytes did not fit where, and leaves nothing behind.
    """
    with _temporary(path, data, mode) as temporary:
        os.replace(temporary, path)


def write_together(folder: Path, files: Mapping[str, bytes]) -> tuple[Path, ...]:
    """Write several files into a folder, name -> bytes, once all of them are on the disk.

    A disk that is full or refuses is met before the first old file is replaced: all of the old
    ones are there, or all of the new ones (a process killed between two renames leaves some of
    each). Other files of the folder stay. Raises StorageError as :func:`write_atomically` does.
    """
    place = folder / "files"
    with temporary_folder(place) as fresh:
        for name, data in files.items():
            write_atomically(fresh / name, data)
        with told(place):
            for name in files:
                os.replace(fresh / name, folder / name)
            _flush_folder(folder)
    return tuple(folder / name for name in files)


def create_atomically(path: Path, data: bytes, *, mode: int = 0o666) -> bool:
    """Write a file unless there is one: True when this call made it, False when it was there.

    Of several processes that try at once exactly one gets True, and the others find its
    bytes whole. Raises StorageError as :func:`write_atomically` does.
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
    none, and nothing beside it. Raises StorageError when the disk or the folder refuses.
    """
    temporary = _beside(path)
    with _told_by_library(path), _removed(temporary):
        _prepare(path.parent)
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
        _flush_folder(path.parent)


@contextmanager
def replaced_folder(place: Path) -> Iterator[Path]:
    """A new folder that takes the place of ``place``, a folder or nothing, when all went well.

    Yields an empty folder. The old one is moved aside, the new one to its place, then the old
    one is removed; it stands again when the second step fails. A process killed between the two
    steps leaves it aside: :func:`restored` puts it back. Raises StorageError, as
    :func:`replaced_atomically`.
    """
    with told(place), temporary_folder(place) as fresh:
        yield fresh
        _flush_folder(fresh)
        _swap(fresh, place)
        _flush_folder(place.parent)


def restored(place: Path) -> None:
    """Put a folder back that a process killed while it replaced it had moved aside."""
    aside = _aside(place)
    with told(place):
        if aside.is_dir():
            if place.exists():
                shutil.rmtree(aside)
            else:
                os.rename(aside, place)


@contextmanager
def temporary_folder(place: Path) -> Iterator[Path]:
    """An empty folder beside ``place``, gone afterwards; StorageError when it cannot be made."""
    folder = _beside(place)
    try:
        with told(place):
            _prepare(place.parent)
            folder.mkdir()
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def told(path: Path, what: str = "bytes") -> Iterator[None]:
    """Turn an OSError of the block into the StorageError that names ``path``."""
    try:
        yield
    except CellulaError:
        raise
    except OSError as error:
        raise storage_error(path, what, error) from error


@contextmanager
def _told_by_library(path: Path) -> Iterator[None]:
    """As :func:`told`, for libraries that tell a full disk by an error of another kind."""
    try:
        with told(path):
            yield
    except StorageError:
        raise
    except (ValueError, RuntimeError, KeyError) as error:
        if _is_full(error):
            raise storage_error(path, "bytes", error) from error
        raise


def storage_error(path: Path, what: str, error: BaseException) -> StorageError:
    """The one message for a disk that refuses: what was not written where, why, what to do."""
    if _is_full(error):
        return StorageError(
            f"no space left for the {what} of {path}: the disk or your quota is full; what was "
            "there before is intact: free some space or choose another folder, then run the same "
            "command again"
        )
    reason = getattr(error, "strerror", None) or error
    return StorageError(
        f"cannot write the {what} of {path}: {reason}; what was there before is intact: choose a "
        "folder that you may write to and that has room, then run the same command again"
    )


def _is_full(error: BaseException) -> bool:
    """Whether the error, or the one that it came from, tells of a full disk."""
    chain: BaseException | None = error
    while chain is not None:
        said = str(chain).lower()
        if getattr(chain, "errno", None) in FULL or any(word in said for word in FULL_WORDS):
            return True
        chain = chain.__cause__ or chain.__context__
    return False


@contextmanager
def _temporary(path: Path, data: bytes, mode: int) -> Iterator[Path]:
    """A file beside ``path`` that holds ``data`` on the disk; gone afterwards."""
    temporary = _beside(path)
    with told(path, f"{len(data)} bytes"), _removed(temporary):
        _prepare(path.parent)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
        with os.fdopen(os.open(temporary, flags, mode), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        yield temporary
        _flush_folder(path.parent)


def _beside(path: Path) -> Path:
    return path.absolute().with_name(f".{secrets.token_hex(8)}.part")


def _aside(place: Path) -> Path:
    return place.absolute().with_name(f".{place.name[:100]}.replaced")


@contextmanager
def _removed(temporary: Path) -> Iterator[None]:
    try:
        yield
    finally:
        with suppress(FileNotFoundError, NotADirectoryError):
            temporary.unlink()


def _prepare(folder: Path) -> None:
    """Make the folder, and remove what a process that was killed left in it long ago."""
    folder.mkdir(parents=True, exist_ok=True)
    latest = time.time() - STALE_S
    with os.scandir(folder) as items:
        left = [item for item in items if PART.fullmatch(item.name)]
    for item in left:
        with suppress(OSError):
            if item.stat(follow_symlinks=False).st_mtime > latest:
                continue
            if item.is_dir(follow_symlinks=False):
                shutil.rmtree(item.path)
            else:
                os.unlink(item.path)


def _swap(fresh: Path, place: Path) -> None:
    """Move a folder to its place; what stood there stands again when that fails."""
    if not place.exists():
        os.rename(fresh, place)
        return
    old = _aside(place)
    os.rename(place, old)
    try:
        os.rename(fresh, place)
    except OSError:
        os.rename(old, place)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _flush_folder(folder: Path) -> None:
    """Make a rename durable; only POSIX lets a folder be flushed."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
