"""Spaces as TOML files, fields as Zarr folders, pictures, and ``cellula simulate --space``."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from cellula.cli.app import app
from cellula.core.errors import DataError
from cellula.core.field_course import FieldCourse
from cellula.core.network import Compartment, Network, Parameter, Participant, Reaction, Species
from cellula.core.space import Gaussian, Grid, Step, Values
from cellula.io.field_store import field_store, read_fields
from cellula.io.formats import write
from cellula.io.infix import parse
from cellula.io.space_file import read_space
from cellula.report.field_picture import field_picture

pytestmark = pytest.mark.requirement("K9", "S2")
TEXT = """
lengths = [4.0, 2.0]
cells = [8, 4]
periodic = ["y"]
end = 0.2
points = 3
[diffusion]
u = 0.5
[fixed.u]
x_low = 1.0
[initial]
u = {step = "x", at = 1.0, below = 1.0, above = 0.0}
k = {file = "k.npy", noise = 0.1}
"""


def written(folder: Path, text: str = TEXT) -> Path:
    path = folder / "space.toml"
    path.write_text(text, encoding="utf-8")
    np.save(folder / "k.npy", np.full((8, 4), 0.5))
    return path


def test_a_space_is_read_as_it_is_written(tmp_path: Path) -> None:
    found = read_space(written(tmp_path))
    assert (found.end, found.points) == (0.2, 3)
    assert found.space.grid == Grid((4.0, 2.0), (8, 4), (False, True))
    assert found.space.fixed == {"u": {"x_low": 1.0}}
    assert found.space.initial["u"] == Step("x", 1.0, 1.0, 0.0)
    assert isinstance(found.space.initial["k"], Values)
    assert found.space.noise == {"k": 0.1}
    line = "lengths = [9]\ncells = [9]\ninitial.u = {gaussian = [3], width = 1, height = 2}\n"
    assert read_space(written(tmp_path, line)).space.initial["u"] == Gaussian((3.0,), 1.0, 2.0)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("lengths = [", "is no TOML"),
        ("lengths = [1.0]", "cells: Field required"),
        (TEXT + "[difusion]\nu = 1", "difusion: Extra inputs"),
        (TEXT.replace("[8, 4]", "[8.5, 4]"), "cells"),
        (TEXT.replace('["y"]', '["z"]'), "periodic names 'z'"),
        (TEXT.replace("u = 0.5", "u = -0.5"), "coefficient of 'u' is -0.5"),
        (TEXT.replace("x_low", "y_low"), "sides that can be held are x_low, x_high"),
        (TEXT.replace("k.npy", "absent.npy"), "absent.npy is no NumPy file"),
        (TEXT.replace("k.npy", "space.toml"), "space.toml is no NumPy file"),
        (TEXT.replace("above = 0.0", "abve = 0.0"), "initial.u"),
    ],
)
def test_a_file_that_describes_no_space_is_refused(text: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=words):
        read_space(written(tmp_path, text))


def course() -> FieldCourse:
    grid = Grid((4.0, 2.0), (8, 4), (False, True))
    values = np.random.default_rng(1).random((3, 2, 8, 4))
    values[0, 0] = 0.0
    return FieldCourse(grid, ("u", "v"), np.array([0.0, 1.0, 2.0]), values)


def stored(path: Path, given: FieldCourse) -> None:
    with field_store(path, given.grid, given.ids, given.times) as add:
        for fields in given.values:
            add(fields)


def test_fields_come_back_from_the_disk(tmp_path: Path) -> None:
    given = course()
    for _ in range(2):  # the second replaces the first
        stored(tmp_path / "f.zarr", given)
    found = read_fields(tmp_path / "f.zarr")
    assert (found.grid, found.ids) == (given.grid, given.ids)
    assert np.array_equal(found.values, given.values)
    assert np.array_equal(found.times, given.times)


def test_fields_that_are_not_whole_are_not_there_or_refused(tmp_path: Path) -> None:
    given, path = course(), tmp_path / "f.zarr"
    with (
        pytest.raises(DataError, match="1 of 3 times"),
        field_store(path, given.grid, given.ids, given.times) as add,
    ):
        add(given.values[0])
    assert not path.exists()
    stored(path, given)
    chunk = next(one for one in (path / "values").rglob("*") if one.is_file() and "0" in one.name)
    chunk.unlink()
    with pytest.raises(DataError, match="lacks a chunk"):
        read_fields(path)
    shutil.rmtree(path / "times")
    with pytest.raises(DataError, match=r"damaged|no fields"):
        read_fields(path)
    with pytest.raises(DataError, match="no folder of fields"):
        read_fields(tmp_path / "absent.zarr")
    with (
        pytest.raises(DataError, match=r"NAME\.zarr"),
        field_store(tmp_path / "f.csv", given.grid, given.ids, given.times),
    ):
        pass


def test_pictures_of_lines_rectangles_and_boxes() -> None:
    flat = course()
    picture = field_picture(flat, ("u", "v"), "toy")
    assert picture == field_picture(flat, ("u", "v"), "toy")
    assert "8 x 4 voxels at time 2" in picture
    line = FieldCourse(Grid((1.0,), (300,)), ("u",), np.array([0.0, 1.0]), np.ones((2, 1, 300)))
    assert "300 voxels over time" in field_picture(line, ("u",), "toy")
    box = FieldCourse(Grid((1.0,) * 3, (2, 3, 4)), ("u",), np.zeros(1), np.ones((1, 1, 2, 3, 4)))
    assert "cut at z = 0.5" in field_picture(box, ("u",), "toy")
    with pytest.raises(DataError, match="no 'w' among the fields"):
        field_picture(flat, ("w",), "toy")
    with pytest.raises(DataError, match="needs an id"):
        field_picture(flat, (), "toy")


def prepared(folder: Path) -> tuple[str, str]:
    written(folder)
    u = Participant("u")
    network = Network(
        "toy",
        (Compartment("cell"),),
        (Species("u", "cell"),),
        (Parameter("k", 1.0),),
        (Reaction("decay", (u,), (), parse("cell*k*u"), is_reversible=False),),
    )
    write(network, folder / "toy.sbml")
    return str(folder / "toy.sbml"), str(folder / "space.toml")


def test_the_command_simulates_stores_and_draws(tmp_path: Path) -> None:
    model, space = prepared(tmp_path)
    out, plot = tmp_path / "f.zarr", tmp_path / "plots"
    words = ["simulate", model, "--space", space, "--out", str(out), "--plot", str(plot), "--json"]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, (result.output, result.exception)
    told = json.loads(result.stdout)
    assert told["cells"] == [8, 4]
    found = read_fields(out)
    assert found.total("u")[-1] == pytest.approx(told["fields"]["u"]["total"])
    assert (plot / "fields.svg").read_text(encoding="utf-8").startswith("<svg")
    again = CliRunner().invoke(app, words)
    assert again.exit_code == 1
    assert "--force" in str(again.exception)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--engine", "ode"], "has a grid in place of cells; leave out --engine"),
        (["--spread", "k=0.1"], "has a grid in place of cells; leave out --spread"),
        (["--show", "w"], "--show names 'w'"),
        (["--option", "rtoll=1"], "rtoll"),
    ],
)
def test_the_command_refuses_what_has_no_meaning_on_a_grid(
    more: list[str], words: str, tmp_path: Path
) -> None:
    model, space = prepared(tmp_path)
    result = CliRunner().invoke(app, ["simulate", model, "--space", space, *more])
    assert result.exit_code == 1
    assert words in str(result.exception)


def test_without_a_space_the_times_are_asked_for(tmp_path: Path) -> None:
    model, _ = prepared(tmp_path)
    result = CliRunner().invoke(app, ["simulate", model])
    assert result.exit_code == 1
    assert "needs --end TIME and --points N" in str(result.exception)
