"""``cellula simulate`` and ``cellula engine``."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pyarrow import parquet
from typer.testing import CliRunner

from cellula.cli.app import app
from cellula.core.errors import CellulaError
from cellula.core.flux import FluxBalance, FluxObjective
from cellula.core.network import Compartment, Network, Participant, Reaction, Species
from cellula.io.formats import write
from cellula.io.sbml import sbml_text
from cellula.testing.simulator import decay


def cellula(*words: str) -> str:
    result = CliRunner().invoke(app, list(words))
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Prepared models are kept here, not with those of the user."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "cellula" / "models"


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
        (("--spread", "k=0.2"), "--spread needs --n-cells"),
        (("--spread", "k=wide", "--n-cells", "2"), "is no ID=CV"),
        (("--spread", "k=0", "--n-cells", "2"), "expected a number above 0"),
        (("--spread", "z=1", "--n-cells", "2"), "'z' is to vary, which network 'decay' lacks"),
        (("--spread", "B=1", "--n-cells", "2"), "'B' is to vary around 0"),
        (("--cells", "cells.csv", "--n-cells", "2"), "leave out --n-cells"),
        (("--phase", "A,B"), "need --plot FOLDER"),
        (("--phase", "A,Z", "--plot", "pictures"), "names no two ids"),
        (("--show", "Z", "--plot", "pictures"), "--show names 'Z'"),
        (("--scheduler", "tcp://127.0.0.1:9"), "no Dask scheduler answers"),
    ],
)
def test_what_cannot_be_asked(words: tuple[str, ...], message: str, model: str) -> None:
    asked = ("--end", "4", "--points", "5")
    engine = () if "--engine" in words else ("--engine", "roadrunner")
    with pytest.raises(CellulaError, match=message):
        cellula("simulate", model, *asked, *engine, *words)


POPULATION = ("--end", "4", "--points", "5", "--n-cells", "200", "--spread", "k=0.3,cell=0.1")


@pytest.mark.requirement("S3", "S4")
def test_batches_are_the_whole(model: str, tmp_path: Path) -> None:
    told = []
    for name, more in (("whole", ()), ("parts", ("--batch", "33")), ("two", ("--threads", "2"))):
        words = (*POPULATION, "--out", str(tmp_path / f"{name}.parquet"), *more)
        told.append(json.loads(cellula("simulate", model, *words, "--json")))
    assert len({one["values_sha256"] for one in told}) == 1
    whole, parts = (pd.read_parquet(tmp_path / f"{name}.parquet") for name in ("whole", "parts"))
    pd.testing.assert_frame_equal(whole, parts)
    assert parquet.ParquetFile(tmp_path / "parts.parquet").num_row_groups == 7
    late = whole[whole["time"] == 4.0]
    assert np.allclose(late["A"], 2 * np.exp(-4 * late["k"] / late["cell"]), rtol=1e-4)
    gathered = tmp_path / "whole.csv"
    cellula("simulate", model, *POPULATION, "--out", str(gathered), "--batch", "64")
    assert np.allclose(pd.read_csv(gathered), whole, rtol=1e-12)


@pytest.mark.requirement("K9", "S4")
def test_a_cluster_of_processes_gives_the_same_bytes(model: str, tmp_path: Path) -> None:
    distributed = pytest.importorskip("distributed", reason="needs the extra cluster")
    words = (model, *POPULATION, "--batch", "33", "--json", "--out")
    here, there = tmp_path / "here.parquet", tmp_path / "there.parquet"
    told = [json.loads(cellula("simulate", *words, str(here)))]
    with distributed.LocalCluster(
        n_workers=2,
        threads_per_worker=1,
        processes=True,
        dashboard_address=":0",
        local_directory=str(tmp_path / "workers"),
    ) as cluster:
        address = ("--scheduler", cluster.scheduler_address)
        told.append(json.loads(cellula("simulate", *words, str(there), *address)))
    assert told[0]["values_sha256"] == told[1]["values_sha256"]
    assert here.read_bytes() == there.read_bytes()


@pytest.mark.requirement("K9")
def test_a_model_that_was_prepared_before_is_taken_from_the_cache(
    model: str, cache: Path, tmp_path: Path
) -> None:
    def told(*more: str) -> dict[str, str]:
        found: dict[str, str] = json.loads(cellula("simulate", model, *POPULATION, "--json", *more))
        return found

    first = told("--no-cache")
    assert not cache.exists()
    assert told("--engine", "roadrunner", "--batch", "200")["ids"] == first["ids"]
    assert not cache.exists()  # nobody asked for our equations
    second = told()
    (entry,) = cache.iterdir()
    entry.write_bytes(entry.read_bytes()[:-1])
    elsewhere = tmp_path / "other"
    others = [told(), told(), told("--cache", str(elsewhere)), told("--cache", str(elsewhere))]
    assert len(list(elsewhere.iterdir())) == 1
    assert all(one == first for one in (second, *others))


def test_another_seed_is_another_population(model: str) -> None:
    told = [
        json.loads(cellula("simulate", model, *POPULATION, "--seed", seed, "--json"))
        for seed in ("1", "1", "2")
    ]
    hashes = [one["values_sha256"] for one in told]
    assert hashes[0] == hashes[1] != hashes[2]


def test_engines_are_compared_over_all_batches(model: str) -> None:
    words = (*POPULATION, "--engine", "ode,roadrunner", "--json")
    whole, parts = (
        json.loads(cellula("simulate", model, *words, *more))["divergence"]["roadrunner"]
        for more in ((), ("--batch", "50"))
    )
    assert parts == whole
    assert max(one["cell"] for one in whole) > 50


def test_pictures_are_drawn_and_not_written_over(model: str, tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    words = ("simulate", model, *POPULATION, "--plot", str(folder), "--phase", "A,B")
    said = cellula(*words)
    assert f"wrote    {folder / 'phase.svg'}" in said
    bands = (folder / "bands.svg").read_text()
    assert "A at the end: median" in bands
    assert "decay at the end" not in bands
    with pytest.raises(CellulaError, match="replace a file with --force"):
        cellula(*words)
    cellula(*words, "--force", "--batch", "50")
    assert (folder / "bands.svg").read_text() == bands


def test_a_population_that_fails_leaves_no_file(model: str, tmp_path: Path) -> None:
    out = tmp_path / "course.parquet"
    words = (*POPULATION, "--batch", "50", "--out", str(out), "--perturb", "A=1e400@2")
    with pytest.raises(CellulaError):
        cellula("simulate", model, *words)
    assert list(tmp_path.glob("*course*")) == []
    assert list(tmp_path.glob(".*")) == []


@pytest.fixture
def balance(tmp_path: Path) -> str:
    """A is taken up, at most 10, and turned into B, of which biomass is made."""
    steps = (
        Reaction("uptake", (), (Participant("A"),)),
        Reaction("turn", (Participant("A"),), (Participant("B"),)),
        Reaction("biomass", (Participant("B"),), ()),
    )
    bounds = {"uptake": (0.0, 10.0), "turn": (-1000.0, 1000.0), "biomass": (0.0, 1000.0)}
    flux = FluxBalance(bounds, (FluxObjective("growth", {"biomass": 1.0}),), "growth")
    species = (Species("A", "cell"), Species("B", "cell"))
    network = Network("toy", (Compartment("cell"),), species, (), steps, flux=flux)
    path = tmp_path / "toy.sbml"
    write(network, path)
    return str(path)


@pytest.mark.requirement("S2", "S3")
def test_a_network_without_rates_is_solved_by_flux_balance(balance: str, tmp_path: Path) -> None:
    folder, out = tmp_path / "pictures", tmp_path / "fluxes.csv"
    words = ("simulate", balance, "--engine", "highs,cobra", "--plot", str(folder))
    told = json.loads(cellula(*words, "--out", str(out), "--json"))
    assert told["objective"] == pytest.approx(10.0)
    assert set(told["engines"]) == {"highs", "cobra"}
    assert told["divergence"]["cobra"]["objective"] < 1e-9
    assert "3 reactions of 3 run" in (folder / "flux_map.svg").read_text()
    assert list(pd.read_csv(out).columns) == ["reaction", "flux", "lower", "upper"]
    with pytest.raises(CellulaError, match="replace a file with --force"):
        cellula(*words)
    said = cellula(*words, "--force", "--option", "method=pfba")
    assert "highs: objective 10, 3 of 3 reactions run" in said


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--end", "3"), "no time and no cells; leave out --end"),
        (("--n-cells", "3"), "no time and no cells; leave out --n-cells"),
        (("--engine", "highs,ode"), "name solvers of one kind"),
    ],
)
def test_what_a_steady_state_does_not_tell(
    words: tuple[str, ...], message: str, balance: str
) -> None:
    with pytest.raises(CellulaError, match=message):
        cellula("simulate", balance, *words)


def test_a_model_needs_times(model: str) -> None:
    with pytest.raises(CellulaError, match="needs --end TIME and --points N"):
        cellula("simulate", model)


@pytest.mark.requirement("S2")
def test_states_of_a_logic_network_are_drawn(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    small, large = tmp_path / "small.bnet", tmp_path / "large.bnet"
    small.write_text("targets, factors\nA, !B\nB, !A\n")
    large.write_text("targets, factors\n" + "".join(f"X{k}, X{k}\n" for k in range(10)))
    folder = tmp_path / "pictures"
    words = ("--end", "4", "--points", "5", "--plot", str(folder))
    cellula("simulate", str(small), *words, "--option", "update=synchronous")
    assert "4 states, synchronous steps" in (folder / "states.svg").read_text()
    (folder / "bands.svg").unlink()
    with pytest.raises(CellulaError, match=r"states\.svg exists"):
        cellula("simulate", str(small), *words)
    cellula("simulate", str(large), *words, "--force")
    assert "the first 40 of 1,024" in (folder / "attractors.svg").read_text()


def test_engines_are_listed(tmp_path: Path) -> None:
    rows = json.loads(cellula("engine", "list", "--folder", str(tmp_path), "--json"))
    by_name = {row["name"]: row for row in rows}
    assert by_name["roadrunner"]["install"] == "pip install 'cellula[roadrunner]'"
    assert by_name["bionetgen"]["out_of_process"]
    assert not by_name["bionetgen"]["installed"]
    assert all(row["license"] for row in rows)
    with pytest.raises(CellulaError, match="no engine 'nothing'"):
        cellula("engine", "install", "nothing")
