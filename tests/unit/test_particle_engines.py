"""Smoldyn and ReaDDy: one network as particles in a box, beside the well-stirred SSA."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cellula.core import registry
from cellula.core.errors import CellulaError, DataError, EngineError
from cellula.core.network import (
    Compartment,
    Network,
    Parameter,
    Participant,
    Reaction,
    Species,
)
from cellula.core.particles import particle_model
from cellula.core.run import run_context
from cellula.core.simulation import Dose, ParameterTable, Schedule
from cellula.engines.catalogue import ENGINES, version_of
from cellula.io.infix import parse
from cellula.models.mechanistic.ssa import Ssa, SsaOptions

pytest.importorskip("readdy")
pytest.importorskip("smoldyn")
pytestmark = pytest.mark.requirement("K9", "S2")
BOTH = pytest.mark.parametrize("engine", ["readdy", "smoldyn"])
FAST = {"A": 5.0, "B": 5.0, "C": 5.0}
TIMES = np.array([0.0, 0.25, 0.5, 1.0])


def binding(size: float = 1.0, rate: str = "cell*k*A*B") -> Network:
    """A + B <-> C of concentrations, 60 and 80 molecules."""
    a, b, c = Participant("A"), Participant("B"), Participant("C")
    return Network(
        "binding",
        (Compartment("cell", size),),
        (Species("A", "cell", 60 / size), Species("B", "cell", 80 / size), Species("C", "cell")),
        (Parameter("k", 0.05 * size), Parameter("l", 1.0)),
        (
            Reaction("on", (a, b), (c,), parse(rate), is_reversible=False),
            Reaction("off", (c,), (a, b), parse("cell*l*C"), is_reversible=False),
        ),
    )


def alike(n: int) -> ParameterTable:
    return ParameterTable((), np.zeros((n, 0)))


def simulated(engine: str, network: Network, folder: Path, n: int = 1, **options: Any) -> Any:
    doses = options.pop("doses", Schedule())
    simulator = registry.create("simulator", engine, options)
    return simulator.simulate(network, alike(n), doses, TIMES, run_context(5, folder))


@BOTH
@pytest.mark.parametrize("size", [8.0])
def test_fast_diffusion_is_well_stirred(engine: str, size: float, tmp_path: Path) -> None:
    """The mean of C within 4 standard errors of the SSA's; nothing is lost."""
    network, n = binding(size), 8
    step = {"diffusion": {id: d * size ** (2 / 3) for id, d in FAST.items()}}
    found = simulated(engine, network, tmp_path, n, **step)
    exact = Ssa(SsaOptions()).simulate(
        network, alike(2000), Schedule(), TIMES, run_context(5, tmp_path)
    )
    late, reference = found.of("C")[:, 1:] * size, exact.of("C")[:, 1:] * size
    allowed = 5 if engine == "readdy" else 4  # ReaDDy takes no seed: another chance every time
    error = reference.std(axis=0) * np.sqrt(1 / n + 1 / 2000)
    assert np.all(np.abs(late.mean(axis=0) - reference.mean(axis=0)) < allowed * error)
    for id, total in (("A", 60), ("B", 80)):
        assert np.allclose((found.of(id) + found.of("C")) * size, total)
    rate = found.of("on")
    assert np.allclose(rate, 0.05 * size * found.of("A") * found.of("B") * size)


@BOTH
def test_doses_of_species_and_parameters(engine: str, tmp_path: Path) -> None:
    network = replace(binding(), reactions=binding().reactions[1:])
    doses = Schedule((Dose(0.25, "C", 30.0, "add"), Dose(0.5, "l", 0.0), Dose(1.0, "A", 0.0)))
    found = simulated(engine, network, tmp_path, doses=doses)
    total = found.of("A")[0] + found.of("C")[0]
    assert total.tolist()[:3] == [60.0, 90.0, 90.0]
    assert found.of("A")[0, 3] == 0
    assert found.of("C")[0, 3] == found.of("C")[0, 2], "without a rate nothing happens"
    assert found.of("l")[0].tolist() == [1.0, 1.0, 0.0, 0.0]


@BOTH
def test_the_version_is_known(engine: str) -> None:
    entry = next(one for one in ENGINES if one.name == engine)
    assert registry.create("simulator", engine, {}).version == version_of(entry) != ""


@BOTH
def test_nothing_is_written_to_standard_output(
    engine: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    simulated(engine, binding(), tmp_path, diffusion=FAST)
    assert capfd.readouterr() == ("", "")


def test_smoldyn_repeats_itself_to_the_bit(tmp_path: Path) -> None:
    one, two = (simulated("smoldyn", binding(), tmp_path, 2, diffusion=FAST) for _ in range(2))
    assert one.values.tobytes() == two.values.tobytes()


# -- faults ------------------------------------------------------------------------------------
def changed(**words: Any) -> Network:
    return replace(binding(), **words)


A, C = Participant("A"), Participant("C")


@pytest.mark.parametrize(
    ("network", "words"),
    [
        (binding(rate="cell*k*A*B/(1+A)"), "'on' is no mass action: A in it"),
        (binding(rate="cell*k*A"), "'on' is no mass action of its reactants A"),
        (binding(rate="cell*k*A*B*C"), "'on' is no mass action"),
        (changed(reactions=(Reaction("r", (A, A), (C,), parse("k*A*A")),)), "A . A"),
        (changed(reactions=(Reaction("r", (Participant("A", 0.5),), (C,), parse("k*A")),)), "0.5"),
        (changed(reactions=(Reaction("r", (A,), (C,)),)), "'r' has no rate"),
        (changed(initial={"A": parse("k")}), "initial value of 'A'"),
        (changed(compartments=(Compartment("cell", -1.0),)), "size -1"),
        (changed(compartments=(Compartment("cell", 1.0, dimensions=2),)), "without a volume"),
        (changed(parameters=(Parameter("k", -1.0), Parameter("l", 1.0))), "'on' is -1"),
    ],
)
def test_what_particles_cannot_do_is_refused(network: Network, words: str) -> None:
    with pytest.raises(DataError, match=words):
        particle_model(network, {})


@BOTH
@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "diffus"),
        ({"diffusion": {"Q": 1.0}}, "'Q', no species"),
        ({"diffusion": {"A": -1.0}}, "'A' is -1"),
    ],
)
def test_coefficients_that_do_not_fit_are_refused(
    engine: str, options: dict[str, Any], words: str, tmp_path: Path
) -> None:
    with pytest.raises(CellulaError, match=words):
        simulated(engine, binding(), tmp_path, **options)


def test_readdy_refuses_what_it_has_no_word_for(tmp_path: Path) -> None:
    a, b = Participant("A"), Participant("B")
    rate = parse("cell*k*A*B")
    gone = changed(reactions=(Reaction("r", (a, b), (), rate, is_reversible=False),))
    with pytest.raises(EngineError, match="2 to 0 particles as 'r'"):
        simulated("readdy", gone, tmp_path, diffusion=FAST)
    with pytest.raises(EngineError, match=r"diffusion within radius 0\.0001"):
        simulated("readdy", binding(), tmp_path, diffusion=FAST, radius=0.0001)
    with pytest.raises(EngineError, match="steps; give a larger radius"):
        simulated("readdy", binding(), tmp_path, diffusion=FAST, radius=0.0005)
