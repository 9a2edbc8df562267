"""Readouts of trajectories against exact values."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cellula.core.errors import DataError
from cellula.core.simulation import Trajectory
from cellula.models.mechanistic.readouts import Readout, measured

TIMES = np.linspace(1.0, 3.0, 2001)


def read(course: Any, **options: Any) -> float:
    """One readout of one cell of one id."""
    trajectory = Trajectory(("y",), TIMES, np.asarray(course)[None, :, None])
    return float(measured(trajectory, [Readout(id="y", **options)])[0, 0])


@pytest.mark.requirement("A5", "areas, peaks, durations and rates equal their formulas")
def test_exact_values() -> None:
    after = TIMES - 1.0
    assert read(3 * after) == pytest.approx(6.0)
    assert read(np.exp(-after), what="area") == pytest.approx(1 - np.exp(-2), rel=1e-6)
    bump = after * np.exp(-after / 0.5)
    assert read(bump, what="peak") == pytest.approx(0.5 * np.exp(-1), rel=1e-6)
    assert read(bump, what="time_of_peak") == pytest.approx(0.5, abs=1e-3)
    assert read(5 * np.exp(0.3 * after), what="growth_rate") == pytest.approx(0.3)


def test_action_potential() -> None:
    """From -80 to 20 at 0.1, back along a line that ends at 1.1: 90 % are done at 1.0."""
    volts = np.interp(TIMES - 1.0, [0.0, 0.099, 0.101, 1.1], [-80.0, -80.0, 20.0, -80.0])
    assert read(volts, what="apd90") == pytest.approx(0.001 + 0.9 * 0.999, abs=2e-3)


def test_scale_offset_and_transform() -> None:
    assert read(TIMES, scale=2.0, offset=1.0) == pytest.approx(7.0)
    assert read(TIMES, transform="log2") == pytest.approx(np.log2(3))
    assert read(TIMES, transform="log1p") == pytest.approx(np.log(4))


def test_what_is_not_there_is_an_error() -> None:
    rising = TIMES - 1.0
    for course, what, words in (
        (rising, "apd90", "come back by 90 %"),
        (rising, "growth_rate", "not positive at all times"),
        (np.full_like(TIMES, np.nan), "value_at_end", "not finite"),
        (-TIMES, "peak", "has no ln"),
    ):
        with pytest.raises(DataError, match=words):
            read(course, what=what, transform="ln" if what == "peak" else "none")
    with pytest.raises(DataError, match="no 'z' in the trajectory"):
        measured(Trajectory(("y",), TIMES, np.zeros((1, 2001, 1))), [Readout(id="z")])


def test_cells_are_told_apart() -> None:
    values = np.array([1.0, 4.0])[:, None, None] * np.ones((2, 2001, 1))
    found = measured(Trajectory(("y",), TIMES, values), [Readout(id="y"), Readout(id="y", scale=2)])
    assert found.tolist() == [[1.0, 2.0], [4.0, 8.0]]
