"""What a metric makes of a comparison is made once, for that comparison only."""

from __future__ import annotations

import copy
import pickle
import threading
import time
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from cellula.core.comparison import Comparison
from cellula.testing.comparisons import comparison

CALLS: list[int] = []


def change(given: Comparison) -> NDArray[np.float64]:
    CALLS.append(1)
    time.sleep(0.02)
    return given.observed - given.predicted


def test_it_is_made_once_also_by_several_threads() -> None:
    CALLS.clear()
    given = comparison()
    found: list[NDArray[np.float64]] = []
    threads = [
        threading.Thread(target=lambda: found.append(given.derived(change))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(CALLS) == 1
    assert all(one is found[0] for one in found)


def test_another_comparison_begins_with_nothing() -> None:
    CALLS.clear()
    given = comparison()
    given.derived(change)
    other = replace(given, predicted=given.observed)
    assert not other.derived(change).any()
    assert len(CALLS) == 2
    assert given.derived(change).any()
    assert len(CALLS) == 2


def test_a_comparison_can_be_copied_and_sent() -> None:
    given = comparison()
    first = given.derived(change)
    for twin in (copy.deepcopy(given), pickle.loads(pickle.dumps(given))):
        assert np.array_equal(twin.derived(change), first)


def test_derived_of_functions_that_use_others() -> None:
    def double(one: Comparison) -> NDArray[np.float64]:
        return 2.0 * one.derived(change)

    given = comparison()
    assert np.array_equal(given.derived(double), 2.0 * given.derived(change))
