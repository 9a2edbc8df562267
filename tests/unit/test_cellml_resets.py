"""Resets of CellML as events: where they are due, and where that is left open."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from test_cellml import MATH, RATE, equation, model

from cellula.core import registry
from cellula.core.errors import DataError
from cellula.core.network import Network
from cellula.core.run import RunContext
from cellula.core.simulation import ParameterTable, Schedule
from cellula.io.cellml import CellMl

ONE = '<cn cellml:units="dimensionless">{}</cn>'


def reset(variable: str, test: str, bound: str, value: str, order: int = 1) -> str:
    inner = [one if one.startswith("<") else ONE.format(one) for one in (bound, value)]
    return (
        f'<reset variable="{variable}" test_variable="{test}" order="{order}"><test_value>'
        f"<math {MATH}>{inner[0]}</math></test_value><reset_value><math {MATH}>{inner[1]}</math>"
        "</reset_value></reset>"
    )


def rising(*resets: str, start: str = "0", more: str = "") -> str:
    """x' = 1, y' = 0 and k: what resets are tried on."""
    variables = "".join(
        f'<variable name="{name}" units="dimensionless" initial_value="{value}"/>'
        for name, value in (("x", start), ("y", "5"), ("k", "2"))
    )
    return model(
        '<component name="a"><variable name="t" units="dimensionless"/>'
        f'{variables}<variable name="z" units="dimensionless"/>{"".join(resets)}'
        + equation(RATE.format("x"), ONE.format(1))
        + equation(RATE.format("y"), ONE.format(0))
        + equation("<ci>z</ci>", "<apply><times/><ci>k</ci><ci>x</ci></apply>")
        + f"{more}</component>"
    )


def read(text: str, folder: Path) -> Network:
    (folder / "m.cellml").write_text(text)
    found = CellMl().read(folder / "m.cellml")
    assert isinstance(found, Network)
    return found


def course(network: Network, run: RunContext) -> dict[str, list[float]]:
    times = np.array([0.0, 0.5, 1.5, 2.5, 3.5])
    nobody = ParameterTable((), np.zeros((1, 0)))
    found = registry.create("simulator", "ode", {}).simulate(
        network, nobody, Schedule(), times, run
    )
    return {id: found.of(id)[0].round(4).tolist() for id in found.ids}


@pytest.mark.requirement("K9", "S2")
def test_a_state_that_is_reset_begins_anew(tmp_path: Path, run: RunContext) -> None:
    found = course(read(rising(reset("x", "x", "1", "0")), tmp_path), run)
    assert found["a.x"] == [0, 0.5, 0.5, 0.5, 0.5]


def test_the_time_resets_once_each(tmp_path: Path, run: RunContext) -> None:
    both = (reset("k", "t", "1", "3"), reset("k", "t", "<ci>y</ci>", "9", 2))
    text = rising(reset("k", "t", "1", "3"), reset("k", "t", "3", "9", 2))
    found = course(read(text, tmp_path), run)
    assert found["a.k"] == [2, 2, 3, 3, 9]
    assert found["a.z"] == [0, 1, 4.5, 7.5, 31.5]
    with pytest.raises(DataError, match="has another, of order"):
        read(rising(*both), tmp_path)


def test_a_reset_is_done_where_cells_begin(tmp_path: Path, run: RunContext) -> None:
    found = course(read(rising(reset("y", "t", "0", "7")), tmp_path), run)
    assert found["a.y"] == [7, 7, 7, 7, 7]


def test_a_state_is_met_from_both_sides(tmp_path: Path, run: RunContext) -> None:
    add = "<apply><plus/><ci>y</ci><ci>k</ci></apply>"
    found = course(read(rising(reset("y", "x", "1", add)), tmp_path), run)
    assert found["a.y"] == [5, 5, 7, 7, 7]
    falling = rising(reset("y", "x", "1", add), start="2").replace(
        equation(RATE.format("x"), ONE.format(1)), equation(RATE.format("x"), ONE.format(-1))
    )
    assert course(read(falling, tmp_path), run)["a.y"] == [5, 5, 7, 7, 7]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (rising(reset("y", "z", "1", "0")), "which is no state"),
        (rising(reset("z", "t", "1", "0")), "follows an equation"),
        (rising(reset("y", "x", "0", "0")), "may begin at its test value"),
        (rising(reset("x", "x", "1", "3")), "to either side of its test value"),
        (rising(reset("x", "x", "1", "<ci>y</ci>")), "to either side of its test value"),
        (rising(reset("y", "t", "<ci>x</ci>", "0")), "at a time that is no constant"),
        (rising(reset("y", "t", "1", "0"), reset("y", "t", "1", "3", 2)), "due with it"),
        (rising(reset("y", "t", "1", "<ci>nowhere</ci>")), "nowhere"),
    ],
)
def test_what_is_left_open_is_refused(text: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"m\.cellml") as caught:
        read(text, tmp_path)
    assert words in str(caught.value)
