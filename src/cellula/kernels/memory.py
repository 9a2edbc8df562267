"""How much memory this process needs, and how much there is."""

from __future__ import annotations

import sys

import psutil

if sys.platform != "win32":
    import resource

__all__ = ["free_bytes", "held_bytes", "peak_bytes"]


def peak_bytes() -> int:
    """The most memory that the process has held so far, in bytes."""
    if sys.platform == "win32":
        return int(psutil.Process().memory_info().peak_wset)
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def held_bytes() -> int:
    """The memory that the process holds now, in bytes."""
    return int(psutil.Process().memory_info().rss)


def free_bytes() -> int:
    """The memory that processes of this machine may still take without swapping, in bytes."""
    return int(psutil.virtual_memory().available)
