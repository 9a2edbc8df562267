"""Pictures of populations: what they say, and what cannot be drawn."""

from __future__ import annotations

from xml.etree import ElementTree

import numpy as np
import pytest

from cellula.core.errors import DataError
from cellula.core.simulation import Trajectory
from cellula.report.course_sample import CourseSample, most_changing
from cellula.report.phase_plane import phase_plane
from cellula.report.population_bands import population_bands

TIMES = np.array([0.0, 1.0, 2.0])


def courses(n_cells: int = 101) -> Trajectory:
    level = np.arange(n_cells, dtype=float)[:, None]
    rising, still = level * TIMES, np.broadcast_to(level + 1.0, (n_cells, 3))
    return Trajectory(("up", "still"), TIMES, np.stack([rising, still], axis=2))


def test_bands_tell_quantiles() -> None:
    drawn = population_bands(courses(), ("up", "still"), "a <model>", 101)
    root = ElementTree.fromstring(drawn)
    assert "up at the end: median 100, 5 to 95 % 10 to 190" in root.attrib["aria-label"]
    assert "a <model>" in root.attrib["aria-label"]
    assert drawn.count('fill-opacity="0.25"') == 2
    assert "prefers-color-scheme:dark" in drawn
    assert "5,000 cells, 101 cells drawn" in population_bands(courses(), ("up",), "m", 5000)


def test_one_cell_has_no_band_and_a_gap_is_no_line() -> None:
    one = courses(3)
    one.values[:, 1, 0] = np.nan
    assert "fill-opacity" not in population_bands(courses(1), ("still",), "m", 1)
    assert "nan" not in population_bands(one, ("up",), "m", 3)
    one.values[:, :, 0] = np.nan
    with pytest.raises(DataError, match="'up' has no number at any time"):
        population_bands(one, ("up",), "m", 3)


def test_a_phase_plane() -> None:
    root = ElementTree.fromstring(phase_plane(courses(), ("up", "still"), "m"))
    assert "Medians go from 0, 51 to 100, 51" in root.attrib["aria-label"]
    broken = courses(2)
    broken.values[:] = np.nan
    with pytest.raises(DataError, match="no cell tells 'up' and 'still'"):
        phase_plane(broken, ("up", "still"), "m")


def test_the_sample_does_not_depend_on_batches() -> None:
    whole = courses(5000)
    kept = []
    for size in (5000, 777):
        sample = CourseSample(5000, 3, ("up",))
        for first in range(0, 5000, size):
            part = whole.values[first : first + size]
            sample.add(Trajectory(whole.ids, TIMES, part), first)
        kept.append(sample.courses.values)
    assert np.array_equal(*kept)
    assert np.array_equal(kept[0], whole.values[::3, :, :1])


def test_what_changes_most_is_shown() -> None:
    assert most_changing(courses(), 10, ("up", "still")) == ("up",)
    with pytest.raises(DataError, match="nothing changes over these times"):
        most_changing(courses(), 10, ("still",))
