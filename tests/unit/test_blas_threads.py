"""One thread for dense linear algebra, as many as before afterwards."""

from __future__ import annotations

import numpy as np
from threadpoolctl import threadpool_info

from cellula.kernels.blas_threads import one_blas_thread


def _threads() -> list[int]:
    return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]


def test_one_thread_within_and_the_same_as_before_after() -> None:
    np.linalg.inv(np.eye(3))
    before = _threads()
    with one_blas_thread():
        assert set(_threads()) == {1}
    assert _threads() == before


def test_blocks_of_several_threads_may_overlap() -> None:
    """The first to leave does not lift the limit of the others; the last one does."""
    before = _threads()
    first, second = one_blas_thread(), one_blas_thread()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    inside = _threads()
    second.__exit__(None, None, None)
    assert set(inside) == {1}
    assert _threads() == before
