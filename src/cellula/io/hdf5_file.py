"""New HDF5 files whose disk may refuse: the HDF5 library does not survive a write that fails.

After one it fails again wherever it closes something, with a trace on standard error or a crash of
the process. So it never sees one: what the disk refused is kept in memory, and told at the end.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, final

import h5py

__all__ = ["RefusedFile", "new_hdf5"]

#: The bytes that a header takes: the smallest that HDF5 leaves room for.
HEADER = 512


@contextmanager
def new_hdf5(path: Path, header: bytes = b"") -> Iterator[tuple[h5py.File, RefusedFile]]:
    """An empty HDF5 file to write to, and the file under it, which tells whether all went well.

    header: at most 512 bytes that stand before what is HDF5, as formats on top of it may ask.
    Raises, when it is closed, the OSError of the first write that the disk refused.
    """
    with path.open("x+b", buffering=0) as raw:
        under = RefusedFile(raw)
        try:
            with h5py.File(under, "w", userblock_size=HEADER if header else 0) as file:
                yield file, under
            if header:
                under.seek(0)
                under.write(header.ljust(HEADER, b"\0"))
        finally:
            under.require()
        under.require()


@final
class RefusedFile(io.RawIOBase):
    """A file that takes every write; what its disk refused is in memory and can be read back."""

    def __init__(self, raw: Any) -> None:
        self._raw = raw
        self._position = 0
        self._kept: list[tuple[int, bytes]] = []
        self._error: OSError | None = None

    def require(self) -> None:
        """Raise the first error of the disk, if there was one."""
        if self._error is not None:
            raise self._error

    def readable(self) -> bool:
        """Yes: HDF5 reads back what it wrote."""
        return True

    def writable(self) -> bool:
        """Yes."""
        return True

    def seekable(self) -> bool:
        """Yes."""
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        """Move to a position, from the start, here or the end."""
        if whence == 2:
            kept = max((start + len(data) for start, data in self._kept), default=0)
            offset += max(self._raw.seek(0, 2), kept)
        self._position = offset + (self._position if whence == 1 else 0)
        return self._position

    def tell(self) -> int:
        """The position."""
        return self._position

    def truncate(self, size: int | None = None) -> int:
        """Give the file this size."""
        wanted = self._position if size is None else size
        try:
            self._raw.truncate(wanted)
        except OSError as error:
            self._error = self._error or error
        return wanted

    def write(self, data: Any) -> int:
        """Write here; in memory once the disk has refused anything."""
        content = bytes(data)
        start, self._position = self._position, self._position + len(content)
        if self._error is None:
            try:
                self._write_all(start, content)
            except OSError as error:
                self._error = error
        if self._error is not None:
            self._kept.append((start, content))
        return len(content)

    def _write_all(self, start: int, content: bytes) -> None:
        self._raw.seek(start)
        left = memoryview(content)
        while left:
            left = left[self._raw.write(left) :]

    def readinto(self, buffer: Any) -> int:
        """Read from here: what is on the disk, and over it what the disk refused."""
        into = memoryview(buffer).cast("B")
        start, end = self._position, self._position + len(into)
        self._raw.seek(start)
        found = self._raw.read(len(into))
        into[: len(found)] = found
        reached = len(found)
        for at, data in self._kept:
            low, high = max(at, start), min(at + len(data), end)
            if low < high:
                into[low - start : high - start] = data[low - at : high - at]
                reached = max(reached, high - start)
        self._position += reached
        return reached
