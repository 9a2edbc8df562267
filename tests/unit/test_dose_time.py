"""Doses and times on one scale; what training did not reach."""

from __future__ import annotations

import numpy as np

from cellula.core.query import QueryTable
from cellula.models.learned.blocks.dose_time import DoseTime


def asked(doses: list[float] | None, times: list[float] | None = None) -> QueryTable:
    n = len(doses or times or [0.0])
    return QueryTable.of(
        ["x"] * n,
        ["c"] * n,
        dose_molar=None if doses is None else np.array(doses),
        time_s=None if times is None else np.array(times),
    )


def test_doses_are_standardised_logarithms() -> None:
    own = DoseTime.of(np.array([1e-8, 1e-6]), np.array([np.nan, np.nan]))
    found = own.encode(asked([1e-8, 1e-7, 1e-6]))
    np.testing.assert_allclose(found[:, 0], [-1.0, 0.0, 1.0])
    np.testing.assert_array_equal(found[:, 1:], [[1.0, 0.0, 0.0]] * 3)


def test_only_what_training_reached_is_inside() -> None:
    own = DoseTime.of(np.array([1e-8, 1e-6]), np.array([np.nan, np.nan]))
    assert own.in_reach(asked([1e-9, 1e-8, 1e-7, 2e-6])).tolist() == [False, True, True, False]
    assert own.in_reach(asked(None)).tolist() == [False]
    assert own.in_reach(asked([1e-7], [60.0])).tolist() == [False]
    again = DoseTime.restore(own.state().arrays)
    assert again.in_reach(asked([1e-7])).tolist() == [True]
