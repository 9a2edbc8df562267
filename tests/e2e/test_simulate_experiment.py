"""``cellula simulate`` of SED-ML and of COMBINE archives."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from test_simulate import cellula

from cellula.core.errors import CellulaError
from cellula.io.omex import Omex
from cellula.io.sbml import sbml_text
from cellula.io.sedml import SedMl
from cellula.testing.simulator import decay
from experiment_example import decay_archive, decay_experiment, replaced


@pytest.fixture
def experiment(tmp_path: Path) -> str:
    (tmp_path / "decay.xml").write_text(sbml_text(decay()))
    SedMl().write(decay_experiment(), tmp_path / "decay.sedml")
    return str(tmp_path / "decay.sedml")


@pytest.mark.requirement("S2", "S3")
def test_reports_and_plots_are_written(experiment: str, tmp_path: Path) -> None:
    words = (experiment, "--out", str(tmp_path / "r.csv"), "--plot", str(tmp_path / "pictures"))
    said = cellula("simulate", *words)
    assert "method   course: ode in place of CVODE (KISAO:0000019)" in said
    assert "step:" not in said  # a Rosenbrock method is what it asks for
    told = pd.read_csv(tmp_path / "r_told.csv")
    assert list(told.columns) == ["time", "A"]
    assert np.allclose(told["A"], 2 * np.exp(-0.7 * told["time"]), rtol=1e-5)
    scanned = pd.read_csv(tmp_path / "r_scanned.csv")
    assert list(scanned.columns) == ["iteration", "time", "A"]
    assert len(scanned) == 27
    assert "over k" in (tmp_path / "pictures" / "drawn.svg").read_text()
    with pytest.raises(CellulaError, match="replace a file with --force"):
        cellula("simulate", *words)


def test_engines_check_each_other(experiment: str) -> None:
    told = json.loads(cellula("simulate", experiment, "--engine", "ode,roadrunner", "--json"))
    assert told["divergence"]["roadrunner"]["A_scan"] < 1e-5
    assert told["engines"]["course"]["options"]["rtol"] == 1e-8


def test_an_archive_is_an_experiment(tmp_path: Path) -> None:
    archive = decay_archive()
    Omex().write(archive, tmp_path / "decay.omex")
    with pytest.raises(CellulaError, match=r"'decay\.xml', which is not there"):
        cellula("simulate", str(tmp_path / "decay.omex"))
    text = archive.entries[1].data.replace(b'source="decay.xml"', b'source="../decay.xml"')
    moved = replaced(archive, 1, text)
    Omex().write(moved, tmp_path / "decay.omex")
    told = json.loads(cellula("simulate", str(tmp_path / "decay.omex"), "--json"))
    assert told["generators"]["A_scan"] == [3, 9]
    out = archive.entries[1].data.replace(b'source="decay.xml"', b'source="../../decay.xml"')
    Omex().write(replaced(archive, 1, out), tmp_path / "decay.omex")
    with pytest.raises(CellulaError, match="outside of the archive"):
        cellula("simulate", str(tmp_path / "decay.omex"))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--end", "4"), "says that itself; leave out --end"),
        (("--perturb", "k=1@2"), "leave out --perturb"),
        (("--engine", "roadrunr"), "did you mean roadrunner"),
        (("--out", "r.docx"), "no writer for"),
    ],
)
def test_what_cannot_be_asked(words: tuple[str, ...], message: str, experiment: str) -> None:
    with pytest.raises(CellulaError, match=message):
        cellula("simulate", experiment, *words)


def test_an_unknown_method_needs_an_engine(experiment: str) -> None:
    path = Path(experiment)
    path.write_text(path.read_text().replace("KISAO:0000019", "KISAO:0000437"))
    with pytest.raises(CellulaError, match="KISAO:0000437, which no engine here"):
        cellula("simulate", experiment)
    said = cellula("simulate", experiment, "--engine", "ode")
    assert "ode in place of KISAO:0000437" in said


def test_a_model_needs_its_times(tmp_path: Path) -> None:
    (tmp_path / "decay.xml").write_text(sbml_text(decay()))
    with pytest.raises(CellulaError, match="a model needs --end TIME and --points N"):
        cellula("simulate", str(tmp_path / "decay.xml"), "--end", "3")


@pytest.mark.requirement("S2", "S3")
@pytest.mark.parametrize("name", ["run.sedml", "run.omex"])
def test_what_ran_is_written_and_runs_again(name: str, tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    model = tmp_path / "models" / "decay.xml"
    model.write_text(sbml_text(decay()))
    words = ("--end", "4", "--points", "9", "--out", str(tmp_path / "first.csv"))
    tight = ("--option", "rtol=1e-8", "--sedml", str(tmp_path / name))
    cellula("simulate", str(model), *words, *tight)
    said = cellula("simulate", str(tmp_path / name), "--out", str(tmp_path / "again.csv"))
    assert "method" not in said
    first, again = (pd.read_csv(tmp_path / f"{one}.csv") for one in ("first", "again"))
    pd.testing.assert_frame_equal(first, again[list(first.columns)])
    with pytest.raises(CellulaError, match="replace a file with --force"):
        cellula("simulate", str(model), *words, *tight, "--out", str(tmp_path / "second.csv"))
    with pytest.raises(CellulaError, match="leave out --perturb"):
        cellula("simulate", str(model), "--end", "4", "--points", "9", *tight, "--perturb", "k=1@2")
