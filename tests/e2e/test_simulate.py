"""``cellula simulate`` and ``cellula engine``."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from cellula.cli.app import app
from cellula.core.errors import CellulaError
from cellula.io.sbml import sbml_text
from cellula.testing.simulator import decay


def cellula(*words: str) -> str:
    result = CliRunner().invoke(app, list(words))
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.fixture
def model(tmp_path: Path) -> str:
    path = tmp_path / "decay.xml"
    path.write_text(sbml_text(decay()))
    return str(path)


@pytest.mark.requirement("S2", "S3")
def test_engines_check_each_other(model: str, tmp_path: Path) -> None:
    cells = tmp_path / "cells.csv"
    cells.write_text("k,A\n0.3,1\n0.9,5\n")
    out = tmp_path / "course.csv"
    words = (model, "--end", "4", "--points", "5", "--engine", "roadrunner,copasi")
    more = ("--cells", str(cells), "--perturb", "k=0@2", "--out", str(out), "--json")
    told = json.loads(cellula("simulate", *words, *more))
    assert set(told["engines"]) == {"roadrunner", "copasi"}
    assert all(one["version"] for one in told["engines"].values())
    assert told["divergence"]["copasi"][0]["relative"] < 1e-5
    table = pd.read_csv(out)
    assert list(table.columns) == ["cell_number", "time", "cell", "A", "B", "k", "decay"]
    late = table[table["time"] == 4.0]["A"]
    assert np.allclose(late, [np.exp(-0.6), 5 * np.exp(-1.8)], rtol=1e-5)


def test_it_says_where_engines_differ(model: str) -> None:
    words = ("--end", "4", "--points", "5", "--engine", "roadrunner,bngsim")
    said = cellula("simulate", model, *words)
    assert "roadrunner and bngsim: greatest difference" in said
    assert "cell 0, time" in said


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--perturb", "k=fast@2"), "is no NAME=VALUE@TIME"),
        (("--perturb", "k=1"), "is no NAME=VALUE@TIME"),
        (("--perturb", "z=1@2"), "'z', which network 'decay' lacks"),
        (("--engine", "roadrunner,roadrunner"), "several different ones"),
        (("--engine", "roadrunr"), "did you mean roadrunner"),
        (("--amount", "k"), "'k' is no species"),
        (("--out", "course.docx"), "no writer for"),
    ],
)
def test_what_cannot_be_asked(words: tuple[str, ...], message: str, model: str) -> None:
    asked = ("--end", "4", "--points", "5")
    engine = () if "--engine" in words else ("--engine", "roadrunner")
    with pytest.raises(CellulaError, match=message):
        cellula("simulate", model, *asked, *engine, *words)


def test_engines_are_listed(tmp_path: Path) -> None:
    rows = json.loads(cellula("engine", "list", "--folder", str(tmp_path), "--json"))
    by_name = {row["name"]: row for row in rows}
    assert by_name["roadrunner"]["install"] == "pip install 'cellula[roadrunner]'"
    assert by_name["bionetgen"]["out_of_process"]
    assert not by_name["bionetgen"]["installed"]
    assert all(row["license"] for row in rows)
    with pytest.raises(CellulaError, match="no engine 'nothing'"):
        cellula("engine", "install", "nothing")
