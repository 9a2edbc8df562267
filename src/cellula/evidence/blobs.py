"""Blobs: bytes found again by their SHA-256, in a folder or on any file system of fsspec."""

from __future__ import annotations

import re
import secrets
from contextlib import suppress
from pathlib import Path
from typing import final

from fsspec import AbstractFileSystem
from fsspec.core import url_to_fs
from fsspec.implementations.local import LocalFileSystem

from cellula.core.canonical import hash_bytes
from cellula.core.errors import EvidenceError, Tampered
from cellula.io.atomic import told, write_atomically

__all__ = ["BlobStore"]

DIGEST = re.compile(r"[0-9a-f]{64}")


@final
class BlobStore:
    """A content-addressed store; a blob is never changed and never deleted.

    location: a folder, or an fsspec address such as ``s3://bucket/blobs``. The blob of hash
    ``abcd...`` is the file ``ab/cd...`` below it.
    """

    def __init__(self, location: Path | str) -> None:
        self._files: AbstractFileSystem
        if isinstance(location, Path):
            self._files, root = LocalFileSystem(), location.absolute().as_posix()
        else:
            self._files, root = url_to_fs(location)
        self._root = root.rstrip("/")

    def put(self, data: bytes) -> str:
        """Store bytes and give their hash; storing the same bytes again changes nothing.

        Raises Tampered when the blob is there already with other bytes (it is not repaired in
        silence), StorageError when there is no space.
        """
        digest = hash_bytes(data)
        if self.has(digest):
            self.get(digest)
            return digest
        path = self._path(digest)
        if isinstance(self._files, LocalFileSystem):
            write_atomically(Path(path), data)
            return digest
        self._put_far(path, data)
        return digest

    def _put_far(self, path: str, data: bytes) -> None:
        """Under another name first; no file system of fsspec promises that a write is whole."""
        temporary = f"{path}.{secrets.token_hex(8)}.part"
        with told(Path(path), f"{len(data)} bytes"):
            try:
                self._files.makedirs(path.rsplit("/", 1)[0], exist_ok=True)
                self._files.pipe_file(temporary, data)
                self._files.mv(temporary, path)
            except OSError:
                with suppress(OSError):
                    self._files.rm_file(temporary)
                raise

    def get(self, digest: str) -> bytes:
        """The bytes of this hash.

        Raises EvidenceError when there are none, Tampered, naming the blob, when they hash to
        something else.
        """
        path = self._path(digest)
        try:
            data = bytes(self._files.cat_file(path))
        except FileNotFoundError as error:
            raise EvidenceError(
                f"blob {digest} is not in {self._root}; copy {path} there from the machine "
                "that stored it"
            ) from error
        found = hash_bytes(data)
        if found != digest:
            raise Tampered(
                f"blob {digest} ({path}) was changed: its bytes hash to {found}; restore the "
                "file from a copy"
            )
        return data

    def has(self, digest: str) -> bool:
        """Whether there is a blob of this hash; its bytes are not read."""
        return bool(self._files.exists(self._path(digest)))

    def _path(self, digest: str) -> str:
        if not DIGEST.fullmatch(digest):
            raise EvidenceError(
                f"{digest[:80]!r} is no hash of a blob; expected 64 hexadecimal digits"
            )
        return f"{self._root}/{digest[:2]}/{digest[2:]}"
