"""Whether a file or a folder is there, asked of a disk that may refuse to tell."""

from __future__ import annotations

from pathlib import Path

from cellula.core.errors import DataError

__all__ = ["is_there"]

#: So many characters of a path are told.
SHOWN = 200


def is_there(path: Path) -> bool:
    """Whether there is a file or folder of this path.

    Raises DataError where that cannot be told: a name longer than any disk holds, a folder that
    may not be entered.
    """
    try:
        return path.exists()
    except OSError as error:
        name = str(path)
        told = name if len(name) <= SHOWN else f"{name[:SHOWN]}... ({len(name)} characters)"
        raise DataError(
            f"cannot look for {told}: {error.strerror or error}; check the path"
        ) from error
