"""One at a time: work that sets what belongs to the process, such as a global random stream."""

from __future__ import annotations

from threading import RLock

__all__ = ["TURN"]

#: Held by whoever sets threads, kernels or streams of the process and puts them back afterwards.
TURN = RLock()
