"""How far two engines lie apart, and courses as tables."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cellula.core.errors import DataError
from cellula.core.simulation import Trajectory
from cellula.evaluation.divergence import divergences
from cellula.io.course_table import as_told, course_table, read_cells
from cellula.testing.simulator import decay

TIMES = np.array([0.0, 1.0, 2.0])


def course(values: list[list[float]], ids: tuple[str, ...] = ("A", "k")) -> Trajectory:
    return Trajectory(ids, TIMES, np.array([values, values]).transpose(0, 2, 1))


def test_the_greatest_difference_is_told_with_its_place() -> None:
    one = course([[4.0, 2.0, 1.0], [0.0, 0.0, 0.0]])
    values = one.values.copy()
    values[1, 2, 0] = 1.5
    found = divergences(one, replace(one, values=values))
    assert [each.id for each in found] == ["A", "k"]
    assert (found[0].relative, found[0].cell, found[0].time) == (0.125, 1, 2.0)
    assert found[0].values == (1.0, 1.5)
    assert found[1].relative == 0


def test_no_number_is_infinitely_far() -> None:
    one = course([[4.0, 2.0, np.nan], [1.0, 1.0, 1.0]])
    other = course([[4.0, 2.0, 1.0], [1.0, 1.0, 1.0]])
    assert divergences(one, other)[0].relative == np.inf
    assert divergences(one, one)[0].relative == 0


def test_other_times_cannot_be_compared() -> None:
    one = course([[1.0, 1.0, 1.0], [1.0, 1.0, 1.0]])
    with pytest.raises(DataError, match="cannot be compared"):
        divergences(one, replace(one, times=TIMES + 1))


def test_courses_as_a_table() -> None:
    table = course_table(course([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]))
    assert list(table.columns) == ["cell", "time", "A", "k"]
    assert table["A"].tolist() == [1, 2, 3, 1, 2, 3]
    renamed = course_table(course([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], ("A", "cell")))
    assert list(renamed.columns) == ["cell_number", "time", "A", "cell"]
    with pytest.raises(DataError, match="calls something 'time'"):
        course_table(course([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], ("A", "time")))


def test_species_as_amounts() -> None:
    network = decay()
    values = np.array([[[4.0, 1.0, 0.0], [4.0, 2.0, 0.0], [4.0, 3.0, 0.0]]])
    told = Trajectory(("cell", "A", "B"), TIMES, values)
    assert as_told(told, network, ("A",), ()).of("A")[0].tolist() == [4, 8, 12]
    assert as_told(told, network, (), ("A",)).of("A")[0].tolist() == [1, 2, 3]
    with pytest.raises(DataError, match="'k' is no species"):
        as_told(told, network, ("k",), ())


def test_cells_of_a_table(tmp_path: Path) -> None:
    path = tmp_path / "cells.csv"
    path.write_text("cell,k,A\n0,0.5,1\n1,0.7,2\n")
    found = read_cells(path, ("k", "A"))
    assert found.ids == ("k", "A")
    assert found.values.tolist() == [[0.5, 1.0], [0.7, 2.0]]
    assert read_cells(path, ("k", "A", "cell")).ids == ("cell", "k", "A")
    path.write_text("k\n0.5\nfast\n")
    with pytest.raises(DataError, match=r"cells\.csv, row 2: k is 'fast', no number"):
        read_cells(path, ("k",))
