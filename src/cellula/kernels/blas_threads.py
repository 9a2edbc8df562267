"""Dense linear algebra on one thread: the same bits on every machine of one kind.

Threads change the order of a sum and with it the last bits; on the many small matrices of our
loops they also cost more than they bring.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import final

import scipy.linalg.cython_blas
from threadpoolctl import threadpool_limits

__all__ = ["one_blas_thread"]


#: The BLAS of compiled loops: in memory from here on, else a limit set before would miss it.
COMPILED_BLAS = scipy.linalg.cython_blas.__name__


@final
class _Limit:
    """The limit belongs to the process: the first block that enters sets it, the last one lifts
    it, so that blocks of several Python threads may overlap.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._inside = 0
        self._limits: threadpool_limits | None = None

    def enter(self) -> None:
        with self._lock:
            if self._inside == 0:
                self._limits = threadpool_limits(limits=1, user_api="blas")
            self._inside += 1

    def leave(self) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0 and self._limits is not None:
                self._limits.restore_original_limits()
                self._limits = None


_LIMIT = _Limit()


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Within this block BLAS and LAPACK use one thread; afterwards as many as before.

    Blocks may nest, and overlap in several Python threads: all of them keep to one thread.
    """
    _LIMIT.enter()
    try:
        yield
    finally:
        _LIMIT.leave()
