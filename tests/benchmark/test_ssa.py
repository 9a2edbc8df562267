"""Exact stochastic simulation against two peers: one thread each, in one process, CPU time.

A cycle of phosphorylation with enzyme complexes, as one stage of a MAPK cascade, beside the birth
and death of a protein: 8 reactions, 9 species, about 11,000 events in a trajectory.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from cellula.core.expression import Expression, Symbol, apply
from cellula.core.network import Compartment, Network, Parameter, Participant, Reaction, Species
from cellula.core.run import run_context
from cellula.core.simulation import ParameterTable, Schedule
from cellula.io.formats import read, write
from cellula.io.sbml import sbml_ids, sbml_text
from cellula.models.mechanistic.ssa import Ssa, SsaOptions

antimony = pytest.importorskip("antimony")
roadrunner = pytest.importorskip("roadrunner")
bngsim = pytest.importorskip("bngsim")

COUNTS = {"E": 60, "S": 500, "ES": 0, "P": 0, "F": 40, "FP": 0, "X": 20, "Q": 0}
RATES = {"k1": 0.02, "k2": 1.0, "k3": 2.0, "k4": 0.02, "k5": 1.0, "k6": 2.0, "k7": 10.0, "k8": 0.5}
REACTIONS = (
    ("k1", "E S", "ES"), ("k2", "ES", "E S"), ("k3", "ES", "E P"), ("k4", "F P", "FP"),
    ("k5", "FP", "F P"), ("k6", "FP", "F S"), ("k7", "", "X"), ("k8", "X", "Q"),
)  # fmt: skip
END, POINTS = 15.5, 11
TRAJECTORIES = 600


def network() -> Network:
    def reaction(k: str, before: str, after: str) -> Reaction:
        rate: Expression = apply("times", Symbol(k), *map(Symbol, before.split()))
        sides = [tuple(map(Participant, side.split())) for side in (before, after)]
        return Reaction(f"with_{k}", sides[0], sides[1], rate, is_reversible=False)

    species = tuple(Species(id, "cell", n, True, True) for id, n in COUNTS.items())
    return Network(
        "cycle",
        (Compartment("cell"),),
        species,
        tuple(Parameter(id, value) for id, value in RATES.items()),
        tuple(reaction(*one) for one in REACTIONS),
    )


def ours(scratch: Path, times: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
    simulator, run = Ssa(SsaOptions()), run_context(1, scratch)
    cells = ParameterTable((), np.zeros((TRAJECTORIES, 0)))
    simulator.simulate(network(), ParameterTable((), np.zeros((1, 0))), Schedule(), times, run)
    begin = time.process_time()
    found = simulator.simulate(network(), cells, Schedule(), times, run)
    return time.process_time() - begin, found.of("P")[:, -1]


def timed(
    one: Callable[[int], float], n_trajectories: int = TRAJECTORIES
) -> tuple[float, NDArray[np.float64]]:
    one(0)
    begin = time.process_time()
    found = np.array([one(seed) for seed in range(1, n_trajectories + 1)])
    return time.process_time() - begin, found


def of_bngsim(scratch: Path) -> tuple[float, NDArray[np.float64]]:
    write(network(), scratch / "cycle.net")
    model = bngsim.Model.from_net(str(scratch / "cycle.net"))
    simulator = bngsim.Simulator(model, method="ssa")

    def one(seed: int) -> float:
        model.reset()
        found = simulator.run((0.0, END), POINTS, seed=seed + 1)
        return float(np.asarray(found.species)[-1, list(COUNTS).index("P")])

    return timed(one)


def of_roadrunner() -> tuple[float, NDArray[np.float64]]:
    lines = [f"{' + '.join(a.split())} -> {' + '.join(b.split())}; {' * '.join([k, *a.split()])};"
             for k, a, b in REACTIONS]  # fmt: skip
    values = [f"{id} = {value};" for id, value in {**COUNTS, **RATES}.items()]
    antimony.loadAntimonyString("model m()\n" + "\n".join(lines + values) + "\nend")
    model = roadrunner.RoadRunner(antimony.getSBMLString("m"))
    model.setIntegrator("gillespie")
    model.getIntegrator().setValue("variable_step_size", False)

    def one(seed: int) -> float:
        model.resetAll()
        model.getIntegrator().setValue("seed", seed + 1)
        return float(model.simulate(0.0, END, POINTS, ["P"])[-1][0])

    return timed(one)


def test_ssa_against_peers(tmp_path: Path) -> None:
    times = np.linspace(0.0, END, POINTS)
    found = {"cellula": ours(tmp_path, times), "bngsim": of_bngsim(tmp_path),
             "roadrunner": of_roadrunner()}  # fmt: skip
    for name, (seconds, last) in found.items():
        print(f"{name:>10}: {1e3 * seconds / TRAJECTORIES:.3f} ms a trajectory, "
              f"P at the end {last.mean():.2f}, variance {last.var(ddof=1):.1f}")  # fmt: skip
    seconds, last = found["cellula"]
    for name in ("bngsim", "roadrunner"):
        other = found[name][1]
        error = np.sqrt((last.var() + other.var()) / TRAJECTORIES)
        assert abs(last.mean() - other.mean()) < 4 * error, name
        spread = last.var(ddof=1) / other.var(ddof=1)
        assert abs(np.log(spread)) < 4 * np.sqrt(4 / TRAJECTORIES), name
    assert found["roadrunner"][0] / seconds > 8
    assert found["bngsim"][0] / seconds > 1


#: Of BioNetGen's own validation: 16 species, 21 reactions, counts up to two million; about
#: 12,000 events in a trajectory. No part of our methods was tuned on it.
OTHER, OTHER_END, OTHER_TRAJECTORIES = "Repressilator", 2.0, 300


def every(scratch: Path, file: Path, of: str) -> dict[str, tuple[float, NDArray[np.float64]]]:
    """Seconds of all trajectories and one species at their ends, by three programs."""
    given = read(file)
    assert isinstance(given, Network)
    times, place = np.linspace(0.0, OTHER_END, POINTS), [one.id for one in given.species].index(of)
    simulator, run = Ssa(SsaOptions()), run_context(1, scratch)
    simulator.simulate(given, ParameterTable((), np.zeros((1, 0))), Schedule(), times, run)
    cells = ParameterTable((), np.zeros((OTHER_TRAJECTORIES, 0)))
    begin = time.process_time()
    found = simulator.simulate(given, cells, Schedule(), times, run)
    own = time.process_time() - begin, found.of(of)[:, -1]

    network_file = bngsim.Model.from_net(str(file))
    solver = bngsim.Simulator(network_file, method="ssa")

    def by_bngsim(seed: int) -> float:
        network_file.reset()
        told = solver.run((0.0, OTHER_END), POINTS, seed=seed + 1)
        return float(np.asarray(told.species)[-1, place])

    model = roadrunner.RoadRunner(sbml_text(given))
    model.setIntegrator("gillespie")
    model.getIntegrator().setValue("variable_step_size", False)

    def by_roadrunner(seed: int) -> float:
        model.resetAll()
        model.getIntegrator().setValue("seed", seed + 1)
        return float(model.simulate(0.0, OTHER_END, POINTS, [sbml_ids(given)[of]])[-1][0])

    return {
        "cellula": own,
        "bngsim": timed(by_bngsim, OTHER_TRAJECTORIES),
        "roadrunner": timed(by_roadrunner, OTHER_TRAJECTORIES),
    }


def test_a_model_that_nothing_was_tuned_on(data_dir: Path, tmp_path: Path) -> None:
    file = data_dir / "models" / "bngl" / "DAT_validate" / f"{OTHER}.net"
    given = read(file)
    assert isinstance(given, Network)
    (of,) = (one.id for one in given.species if one.name == "mTetR()")
    found = every(tmp_path, file, of)
    for name, (took, last) in found.items():
        print(f"{name:>10}: {1e3 * took / OTHER_TRAJECTORIES:.3f} ms a trajectory, "
              f"{of} at the end {last.mean():.2f}, variance {last.var(ddof=1):.1f}")  # fmt: skip
    seconds, last = found["cellula"]
    for name in ("bngsim", "roadrunner"):
        other = found[name][1]
        error = np.sqrt((last.var() + other.var()) / OTHER_TRAJECTORIES)
        assert abs(last.mean() - other.mean()) < 4 * error, name
        spread = last.var(ddof=1) / other.var(ddof=1)
        assert abs(np.log(spread)) < 4 * np.sqrt(4 / OTHER_TRAJECTORIES), name
        print(f"  {found[name][0] / seconds:.2f} x {name}")
    assert found["roadrunner"][0] / seconds > 1
