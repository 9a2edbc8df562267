"""Physical problems as TOML: out and in again, and every wrong file is named."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from cellula.core.errors import DataError
from cellula.core.expression import Number, Symbol
from cellula.core.physics import Boundary, Field, LearnedTerm, Measured, PhysicsProblem, Unknown
from cellula.io.formats import read, write
from cellula.io.infix import parse
from cellula.testing.simulator import decay

TEXT = """
physics = 1
id = "wave"
time = [0.0, 2.0]
place = [0.0, 1.0]

[parameters]
r = 1.5

[unknowns.D]
lower = 0.01
upper = 1.0
scale = "log"

[learned.sink]
inputs = ["u"]

[fields.u]
rate = "r * u * (1 - u) - sink"
diffusion = "D"
initial = "exp(-x)"
left = { slope = 0 }
right = { value = "exp(-1.0)" }

[[data]]
field = "u"
time = 1.0
place = 0.5
value = 0.7
sigma = 0.05
"""


def told(folder: Path, text: str) -> PhysicsProblem:
    (folder / "t.physics.toml").write_text(text)
    found = read(folder / "t.physics.toml")
    assert isinstance(found, PhysicsProblem)
    return found


def whole() -> PhysicsProblem:
    left, right = Boundary("slope", Number(0.0)), Boundary("value", parse("exp(-1.0)"))
    rate = parse("r * u * (1 - u) - sink")
    return PhysicsProblem(
        "wave",
        (Field("u", rate, parse("exp(-x)"), Symbol("D"), left, right),),
        (0.0, 2.0),
        (0.0, 1.0),
        {"r": 1.5},
        (Unknown("D", 0.01, 1.0, True),),
        (LearnedTerm("sink", ("u",)),),
        (Measured("u", 1.0, 0.7, 0.05, 0.5),),
    )


@pytest.mark.requirement("K9", "S2")
def test_a_problem_is_read_as_it_is_declared(tmp_path: Path) -> None:
    assert told(tmp_path, TEXT) == whole()


def test_what_was_written_reads_back_equal(tmp_path: Path) -> None:
    plain = Field("u", parse("-k * u"), Number(2.0), exact=parse("2 * exp(-k * time)"), scale=2.0)
    ode = PhysicsProblem('odd "id"', (plain,), (0.0, 1.0), parameters={"k": 0.25})
    for problem in (whole(), ode):
        write(problem, tmp_path / "t.physics.toml")
        assert read(tmp_path / "t.physics.toml") == problem
    with pytest.raises(DataError, match="found Network"):
        write(decay(), tmp_path / "t.physics.toml")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("physics = 1", "physics = ", "no TOML"),
        ("physics = 1", "physics = 7", "physics: Input should be 1"),
        ('scale = "log"', 'scales = "log"', "unknowns.D.scales"),
        ('"r * u * (1', '"r * u * q * (1', "names 'q', which problem 'wave' has not declared"),
        ("left = { slope = 0 }", "", "no boundary condition on the left"),
        ("slope = 0 }", 'slope = 0, value = "1" }', "tells 2 things"),
        ("time = 1.0", "time = 3.0", "measurement 1 of problem 'wave' is at time 3, outside"),
        ("place = 0.5", "place = 1.5", "at place 1.5, outside of the domain 0 to 1"),
        ("place = 0.5", "", "has no place, unlike the problem"),
        ("sigma = 0.05", "sigma = 0.0", "sigma 0; expected finite numbers, sigma positive"),
        ('field = "u"', 'field = "w"', "is of 'w'; expected a field: u"),
        ("lower = 0.01", "lower = -1.0", "'D' lies between -1 and 1; expected bounds that are"),
        ('inputs = ["u"]', 'inputs = ["w"]', "learned term 'sink' depends on"),
        ("[0.0, 2.0]", "[2.0, 0.0]", "expected two finite numbers that ascend"),
        ("r = 1.5", "r = 1.5\nu = 2.0", "id 'u' is used twice"),
        ('diffusion = "D"', "", "a boundary condition, and no diffusion"),
        ("place = [0.0, 1.0]", "", "names 'x'|the problem no place"),
        ('initial = "exp(-x)"', 'initial = "factorial(x)"', "'factorial', which has no derivative"),
        ('initial = "exp(-x)"', 'initial = "exp(-x"', "formula"),
        ('"exp(-1.0)"', '"exp(-u)"', "the right boundary of 'u' names 'u'"),
    ],
)
def test_a_wrong_problem_is_named(old: str, new: str, message: str, tmp_path: Path) -> None:
    assert old in TEXT
    with pytest.raises(DataError, match=message) as caught:
        told(tmp_path, TEXT.replace(old, new, 1))
    assert "t.physics.toml" in str(caught.value)


def test_a_field_that_is_not_there_is_named() -> None:
    assert whole().of("u").id == "u"
    with pytest.raises(DataError, match="no field 'v'; it has u"):
        whole().of("v")
    with pytest.raises(DataError, match="has no field; declare"):
        replace(whole(), fields=())
