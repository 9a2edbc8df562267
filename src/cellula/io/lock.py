"""One process at a time: a lock on a file that ends with the process, however it ends."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cellula.io.atomic import told

__all__ = ["locked"]


@contextmanager
def locked(path: Path) -> Iterator[bool]:
    """Hold the lock of a file, which is made and left empty; yields False when another holds it.

    Raises StorageError when the file cannot be made. Where the system has no such locks
    (Windows), everybody gets it.
    """
    with told(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        yield _take(descriptor)
    finally:
        os.close(descriptor)


def _take(descriptor: int) -> bool:
    try:
        import fcntl
    except ImportError:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
