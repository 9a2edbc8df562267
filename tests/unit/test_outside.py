"""Engines in a process and an environment of their own."""

from __future__ import annotations

import os
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from cellula.core import registry
from cellula.core.errors import DataError, EngineError, MissingExtra, PluginError
from cellula.core.network import Network
from cellula.core.run import SilentProgress
from cellula.engines.outside import environment, worker
from cellula.engines.outside.bionetgen import BIONETGEN, network_text
from cellula.engines.outside.catalogue import ENVIRONMENTS
from cellula.engines.outside.catalogue import environment as named
from cellula.engines.outside.child import finished
from cellula.engines.outside.environment import Environment, install, installed, require
from cellula.engines.outside.pysb import PYSB
from cellula.engines.outside.worker import Question, answered

#: A package that pip has already, so that nothing is fetched.
EMPTY = Environment("empty", "nothing", "nothing", ("nothing==1.0",), "MIT")

BNGL = """begin model
begin parameters
 k 0.5
end parameters
begin molecule types
 A(s~u~p)
end molecule types
begin seed species
 A(s~u) 100
end seed species
begin observables
 Molecules P A(s~p)
end observables
begin reaction rules
 A(s~u) -> A(s~p) k
end reaction rules
end model
simulate({method=>"ode",t_end=>10,n_steps=>10})
"""


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return "Z" not in Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]


def test_a_child_tells_its_code_and_what_it_says(tmp_path: Path) -> None:
    heard: list[str] = []
    program = "print('one'); print('two'); raise SystemExit(3)"
    assert finished([sys.executable, "-c", program], tmp_path, 20, heard.append) == (
        3,
        ["one", "two"],
    )
    assert heard == ["one", "two"]


def test_a_child_that_is_late_is_killed_with_its_children(tmp_path: Path) -> None:
    program = (
        "import subprocess, sys, time;"
        "c = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']);"
        "print(c.pid, flush=True); time.sleep(60)"
    )
    heard: list[str] = []
    began = time.monotonic()
    with pytest.raises(EngineError, match="did not end within 1 s"):
        finished([sys.executable, "-c", program], tmp_path, 1.0, heard.append)
    assert time.monotonic() - began < 20
    time.sleep(0.2)
    assert not is_alive(int(heard[0]))


def test_what_a_child_leaves_running_is_killed(tmp_path: Path) -> None:
    program = (
        "import subprocess, sys;"
        "c = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'],"
        " stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL); print(c.pid)"
    )
    _, said = finished([sys.executable, "-c", program], tmp_path, 20)
    time.sleep(0.2)
    assert not is_alive(int(said[0]))


def test_a_program_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="cannot be started"):
        finished([str(tmp_path / "absent")], tmp_path, 1)


def test_an_environment_is_there_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(MissingExtra, match="cellula engine install empty"):
        require(EMPTY, tmp_path)

    def pip(code: int) -> object:
        return lambda *_: (code, ["no network"])

    monkeypatch.setattr(environment, "finished", pip(1))
    with pytest.raises(EngineError, match=r"nothing was kept.*\n.*no network"):
        install(EMPTY, SilentProgress(), tmp_path)
    assert installed(EMPTY, tmp_path) is None
    assert not (tmp_path / "empty-1.0").exists()
    monkeypatch.setattr(environment, "finished", pip(0))
    place = install(EMPTY, SilentProgress(), tmp_path)
    assert installed(EMPTY, tmp_path) == place == install(EMPTY, SilentProgress(), tmp_path)
    (place / "installed.json").write_text("{")
    assert installed(EMPTY, tmp_path) is None


def test_what_an_environment_needs(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="'no-such-program', which is not on this machine"):
        install(replace(EMPTY, needs=("no-such-program",)), SilentProgress(), tmp_path)
    with pytest.raises(DataError, match=r"runs on Python 3.6 to 3.7"):
        install(replace(EMPTY, python=((3, 6), (3, 7))), SilentProgress(), tmp_path)


@pytest.mark.parametrize(
    ("program", "words"),
    [
        ("import sys; print('no such model'); sys.exit(2)", r"exit code 2(.|\n)*no such model"),
        ("pass", "It said:\n  nothing"),
        ("import sys; open(sys.argv[2], 'w').write('{')", "no JSON"),
    ],
)
def test_a_worker_that_fails(
    program: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environment, "finished", lambda *_: (0, []))
    install(EMPTY, SilentProgress(), tmp_path)
    monkeypatch.setattr(worker, "WORKERS", tmp_path)
    (tmp_path / "asked.py").write_text(program)
    with pytest.raises(EngineError, match=words):
        answered(EMPTY, Question("asked", {}, 20, tmp_path), tmp_path / "work")


def test_a_worker_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "finished", lambda *_: (0, []))
    install(EMPTY, SilentProgress(), tmp_path)
    monkeypatch.setattr(worker, "WORKERS", tmp_path)
    (tmp_path / "asked.py").write_text(
        "import json, sys; a = json.load(open(sys.argv[1]));"
        "json.dump({'twice': 2 * a['x']}, open(sys.argv[2], 'w'))"
    )
    assert answered(EMPTY, Question("asked", {"x": 2}, 20, tmp_path), tmp_path) == {"twice": 4}


def test_names_of_environments() -> None:
    assert named("bionetgen") is BIONETGEN
    assert all(one.version for one in ENVIRONMENTS)
    with pytest.raises(PluginError, match="no engine 'copasi' has an environment of its own"):
        named("copasi")


@pytest.mark.parametrize(("name", "file"), [("bngl", "m.bngl"), ("pysb", "m.pysb.py")])
def test_half_a_model_is_refused(name: str, file: str, tmp_path: Path) -> None:
    path = tmp_path / file
    path.write_text(BNGL[: len(BNGL) // 2] if name == "bngl" else "model = Model(\n")
    with pytest.raises(DataError, match="no whole .bngl" if name == "bngl" else "no Python"):
        registry.load("reader", name)().read(path)


@pytest.mark.slow_install
def test_rules_become_a_network(tmp_path: Path) -> None:
    if installed(BIONETGEN) is None:
        pytest.skip("BioNetGen is not installed: cellula engine install bionetgen")
    path = tmp_path / "switch.bngl"
    path.write_text(BNGL)
    network = registry.load("reader", "bngl")().read(path)
    assert isinstance(network, Network)
    assert network.id == "switch"
    assert len(network.species) == 2
    assert len(network.reactions) == 1
    path.write_text(BNGL.replace("A(s~u~p)", "B(s~u~p)"))
    with pytest.raises(DataError, match=r"does not accept switch\.bngl"):
        network_text(path, tmp_path / "work")


@pytest.mark.slow_install
def test_a_program_becomes_a_network(tmp_path: Path) -> None:
    if installed(BIONETGEN) is None or installed(PYSB) is None:
        pytest.skip("PySB or BioNetGen is not installed: cellula engine install pysb")
    path = tmp_path / "bind.pysb.py"
    path.write_text(
        "from pysb import *\n"
        "Model()\n"
        "Monomer('A', ['b']); Monomer('B', ['a'])\n"
        "Parameter('kf', 1e-3); Parameter('kr', 1e-1)\n"
        "Parameter('A0', 100); Parameter('B0', 50)\n"
        "Initial(A(b=None), A0); Initial(B(a=None), B0)\n"
        "Rule('bind', A(b=None) + B(a=None) | A(b=1) % B(a=1), kf, kr)\n"
    )
    network = registry.load("reader", "pysb")().read(path)
    assert sorted(one.initial or 0.0 for one in network.species) in ([0.0, 0.0, 0.0], [0, 50, 100])
    assert len(network.reactions) == 2
    path.write_text("model = 3\n")
    with pytest.raises(EngineError, match="defines no PySB model"):
        registry.load("reader", "pysb")().read(path)
