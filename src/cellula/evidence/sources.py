"""The source files that a bundle names in ``data.json``, by name and SHA-256."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from cellula.core.errors import DataError, EvidenceError
from cellula.io.digest import hash_source

__all__ = ["hash_file", "recorded_sources"]

SHA256 = re.compile(r"[0-9a-f]{64}")


def hash_file(path: Path) -> str:
    """SHA-256 of a file, or of a folder that is one source (zarr, 10x), as a run recorded it.

    Raises EvidenceError, naming it, when it cannot be read.
    """
    try:
        return hash_source(path)
    except DataError as error:
        raise EvidenceError(f"cannot read the data file {path}: {error}") from error


def recorded_sources(data: bytes) -> dict[str, str]:
    """Name -> SHA-256 of every ``"sources"`` object in a JSON text; empty when it is none."""
    try:
        return dict(_sources(json.loads(data)))
    except (ValueError, RecursionError):
        return {}


def _sources(value: object) -> Iterator[tuple[str, str]]:
    if isinstance(value, list):
        for item in value:
            yield from _sources(item)
    elif isinstance(value, Mapping):
        for key, item in value.items():
            if key == "sources" and isinstance(item, Mapping):
                for name, digest in item.items():
                    if isinstance(digest, str) and SHA256.fullmatch(digest):
                        yield str(name), digest
            else:
                yield from _sources(item)
