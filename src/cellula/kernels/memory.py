"""How much memory this process needs, and how much there is."""

from __future__ import annotations

import ctypes
import sys
from pathlib import Path

import psutil

if sys.platform != "win32":
    import resource

__all__ = ["free_bytes", "give_back", "held_bytes", "peak_bytes"]

#: Where Linux tells the peak of this program alone; ``ru_maxrss`` is handed down by whoever
#: started it.
STATUS = Path("/proc/self/status")


def peak_bytes() -> int:
    """The most memory that the process has held so far, in bytes."""
    if sys.platform == "win32":
        return int(psutil.Process().memory_info().peak_wset)
    if STATUS.exists():
        lines = STATUS.read_text(encoding="ascii", errors="replace").splitlines()
        found = next((line for line in lines if line.startswith("VmHWM:")), "")
        if found:
            return int(found.split()[1]) * 1024
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def held_bytes() -> int:
    """The memory that the process holds now, in bytes."""
    return int(psutil.Process().memory_info().rss)


def free_bytes() -> int:
    """The memory that processes of this machine may still take without swapping, in bytes."""
    return int(psutil.virtual_memory().available)


def give_back() -> None:
    """Hand memory that was freed back to the system, where its C library keeps it (glibc).

    After a step that took much for a short while; it changes no number.
    """
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)
