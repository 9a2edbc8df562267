"""The SHA-256 of what a source is: a file, or a folder that is read as one thing."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from cellula.core.errors import DataError

__all__ = ["hash_source"]


def hash_source(path: Path) -> str:
    """SHA-256 of a file's bytes, read in pieces; of a folder, that of its files together.

    A folder (zarr, 10x matrix) is hashed as the JSON text of the sorted pairs [path inside the
    folder with ``/``, SHA-256 of the file], hidden files included, so that a renamed, added or
    missing file changes it. Raises DataError, naming the file, when it cannot be read.
    """
    if not path.is_dir():
        return _hash_file(path)
    files = sorted(
        (item.relative_to(path).as_posix(), item) for item in path.rglob("*") if item.is_file()
    )
    if not files:
        raise DataError(f"the folder {path} holds no file; check the path")
    pairs = [[name, _hash_file(item)] for name, item in files]
    text = json.dumps(pairs, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _hash_file(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}; check the path") from error
