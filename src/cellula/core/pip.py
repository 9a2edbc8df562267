"""Whether pip is there, without importing anything."""

from __future__ import annotations

import sys
from importlib.metadata import PackageNotFoundError, version

from cellula.core.errors import EngineError

__all__ = ["require_pip"]


def require_pip(what: str) -> None:
    """Raise EngineError, naming what needs it and how it is added, where pip is not installed."""
    try:
        version("pip")
    except PackageNotFoundError as error:
        raise EngineError(
            f"{what} needs pip, which {sys.executable} does not have; add it with: "
            f"{sys.executable} -m ensurepip"
        ) from error
