"""How much memory this process has needed."""

from __future__ import annotations

import sys

import psutil

if sys.platform != "win32":
    import resource

__all__ = ["peak_bytes"]


def peak_bytes() -> int:
    """The most memory that the process has held so far, in bytes."""
    if sys.platform == "win32":
        return int(psutil.Process().memory_info().peak_wset)
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
