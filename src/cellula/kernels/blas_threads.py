"""Dense linear algebra on one thread: the same bits on every machine of one kind.

Threads change the order of a sum and with it the last bits; on the many small matrices of our
loops they also cost more than they bring.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from threadpoolctl import threadpool_limits

__all__ = ["one_blas_thread"]


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Within this block BLAS and LAPACK use one thread; afterwards as many as before."""
    with threadpool_limits(limits=1, user_api="blas"):
        yield
