"""What a metric makes of a population is made once, for that population and those beside it."""

from __future__ import annotations

import copy
import pickle
import threading
import time
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from cellula.core.memo import Memo
from cellula.core.prediction import Population

CALLS: list[int] = []


def shift(cells: Population, other: Population) -> NDArray[np.float64]:
    CALLS.append(1)
    time.sleep(0.02)
    return cells.of(0).mean(axis=0) - other.of(0).mean(axis=0)


def cells(seed: int) -> Population:
    return Population(np.random.default_rng(seed).normal(size=(6, 3)), np.zeros(6, np.int64))


def test_it_is_made_once_also_by_several_threads() -> None:
    CALLS.clear()
    one, other = cells(0), cells(1)
    found: list[NDArray[np.float64]] = []
    threads = [
        threading.Thread(target=lambda: found.append(one.derived(shift, other))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(CALLS) == 1
    assert all(part is found[0] for part in found)


def test_another_population_on_either_side_is_another_result() -> None:
    CALLS.clear()
    one, other = cells(0), cells(1)
    first = one.derived(shift, other)
    assert not np.array_equal(one.derived(shift, cells(2)), first)
    moved = replace(one, values=one.values + 1.0)
    np.testing.assert_allclose(moved.derived(shift, other), first + 1.0)
    assert np.array_equal(one.derived(shift, other), first)
    assert len(CALLS) == 3


def test_what_stands_beside_is_held() -> None:
    """A new object in the place of one that is gone is not taken for it."""
    one = cells(0)
    for seed in range(1, 20):
        other = cells(seed)
        np.testing.assert_array_equal(one.derived(shift, other), shift(one, other))
        del other


def test_a_population_can_be_copied_and_sent() -> None:
    one, other = cells(0), cells(1)
    first = one.derived(shift, other)
    CALLS.clear()
    for twin in (copy.deepcopy(one), pickle.loads(pickle.dumps(one))):
        assert np.array_equal(twin.derived(shift, other), first)
    assert len(CALLS) == 2


def double(one: Population, other: Population) -> NDArray[np.float64]:
    return 2.0 * one.derived(shift, other)


def test_a_function_may_ask_for_another() -> None:
    one, other = cells(0), cells(1)
    assert np.array_equal(one.derived(double, other), 2.0 * one.derived(shift, other))
    assert Memo().of(shift, one, other) is not one.derived(shift, other)
