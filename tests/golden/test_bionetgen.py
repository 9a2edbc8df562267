"""Networks that BioNetGen generated give the trajectories that BioNetGen computed.

Files of BioNetGen's own validation, ``Validate/DAT_validate`` (RuleWorld/bionetgen, MIT).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cellula.core.errors import DataError
from cellula.core.run import RunContext
from cellula.core.simulation import Dose, ParameterTable, Schedule
from cellula.io.bionetgen_net import BioNetGenNet
from cellula.models.mechanistic.ode import Ode
from cellula.models.mechanistic.solver import SolverOptions
from cellula.models.mechanistic.ssa import Ssa, SsaOptions

#: Deterministic courses that start where the network does; in the others the protocol of the
#: model changes concentrations or parameters first, which a .net file does not say.
COURSES = (
    "CaOscillate_Func", "CaOscillate_Sat", "Haugh2b", "Motivating_example",
    "Motivating_example_cBNGL", "Repressilator", "SHP2_base_model", "localfunc", "motor",
    "simple_system", "test_ANG_synthesis_simple", "test_fixed", "test_sbml_flat",
    "test_sbml_structured", "test_synthesis_cBNGL_simple", "test_synthesis_complex",
    "test_synthesis_complex_0_cBNGL", "test_synthesis_complex_source_cBNGL",
    "test_synthesis_simple", "tlbr", "toy-jim", "toy-jim_equil", "univ_synth",
)  # fmt: skip
#: What a protocol changes first, beside concentrations, and what it does then. Its values at the
#: start are those of the reference: the file was written at the end.
PROTOCOLS: dict[str, tuple[dict[str, float], tuple[tuple[float, str, float | str, str], ...]]] = {
    "continue": ({}, ((10.0, "A()", 0.0, "set"),)),
    "heise": ({"vu": 1.0, "vl": 0.0}, ((20.0, "vu", 0.0, "set"), (20.0, "vl", 1.0, "set"))),
    "michment": ({}, ((10.0, "S(a~0,c~R)", "S0", "add"),)),
    "michment_cont": ({}, ((10.0, "S(a~0,c~R)", "S0", "add"),)),
}
#: Columns of observables and functions, where no species are told.
OBSERVED = {"issue_198_short": ("Afree",), "test_time": ("t", "x_exact", "f_correct", "f_builtin")}
#: BioNetGen's own tolerance in this file, 1e-8, is more than a fifth of a thousandth of its
#: scarcest species.
SCARCE = "test_network_gen"
#: Simulated by chance there, or not at all.
WITHOUT = (
    "blbr", "deleteMolecules", "empty_compartments_block", "isingspin_energy",
    "isingspin_localfcn", "statfactor", "test_ANG_SSA_synthesis_simple",
    "test_ANG_parscan_synthesis_simple", "test_assignment", "test_compartment_XML",
    "test_heterogeneous_adaptive_scaling",
)  # fmt: skip
#: A protocol of saved concentrations, which no dose says.
SAVED = "test_setconc"
REFUSED = {"test_mratio": "no function 'mratio'"}
ALIKE = ParameterTable((), np.zeros((1, 0)))


@pytest.mark.data
@pytest.mark.requirement("S2", "A5")
@pytest.mark.parametrize("name", COURSES)
def test_the_course_is_that_of_bionetgen(name: str, data_dir: Path, run: RunContext) -> None:
    folder = data_dir / "models" / "bngl" / "DAT_validate"
    network = BioNetGenNet().read(folder / f"{name}.net")
    course = np.loadtxt(folder / f"{name}.cdat", comments="#")
    times, counts = course[:, 0], course[:, 1:]
    simulator = Ode(SolverOptions(rtol=1e-8, atol=1e-8))
    found = simulator.simulate(network, ALIKE, Schedule(), times, run).values[0]
    columns = [network.ids.index(one.id) for one in network.species]
    scale = np.abs(counts).max(axis=0) + 1e-6
    assert np.max(np.abs(found[:, columns] - counts) / scale) < 1e-4


def folder_of(data_dir: Path) -> Path:
    return data_dir / "models" / "bngl" / "DAT_validate"


@pytest.mark.data
@pytest.mark.requirement("S2", "A5")
def test_every_network_is_accounted_for(data_dir: Path) -> None:
    known = (*COURSES, *PROTOCOLS, *OBSERVED, SCARCE, *WITHOUT, SAVED, *REFUSED)
    assert sorted(known) == sorted(path.stem for path in folder_of(data_dir).glob("*.net"))
    for name in (*WITHOUT, SAVED):
        assert BioNetGenNet().read(folder_of(data_dir) / f"{name}.net").species
    for name, message in REFUSED.items():
        with pytest.raises(DataError, match=message):
            BioNetGenNet().read(folder_of(data_dir) / f"{name}.net")


@pytest.mark.data
@pytest.mark.requirement("S2", "A5")
@pytest.mark.parametrize("name", PROTOCOLS)
def test_a_protocol_is_a_schedule_of_doses(name: str, data_dir: Path, run: RunContext) -> None:
    network = BioNetGenNet().read(folder_of(data_dir) / f"{name}.net")
    course = np.loadtxt(folder_of(data_dir) / f"{name}.cdat", comments="#")
    times, counts = course[:, 0], course[:, 1:]
    set_first, steps = PROTOCOLS[name]
    ids = {one.name: one.id for one in network.species} | {one: one for one in network.ids}
    values = {one.id: one.value or 0.0 for one in network.parameters}
    doses = Schedule(
        tuple(
            Dose(time, ids[what], values[by] if isinstance(by, str) else by, how)  # type: ignore[arg-type]
            for time, what, by, how in steps
        )
    )
    start = dict(zip((one.id for one in network.species), counts[0], strict=True)) | set_first
    cells = ParameterTable(tuple(start), np.array([list(start.values())]))
    simulator = Ode(SolverOptions(rtol=1e-8, atol=1e-8))
    found = simulator.simulate(network, cells, doses, times, run).values[0]
    columns = [network.ids.index(one.id) for one in network.species]
    told = times != steps[0][0]  # BioNetGen tells what was just before
    scale = np.abs(counts).max(axis=0) + 1e-6
    assert np.max((np.abs(found[:, columns] - counts) / scale)[told]) < 1e-4


@pytest.mark.data
@pytest.mark.parametrize("name", [*OBSERVED, SCARCE])
def test_observables_are_those_of_bionetgen(name: str, data_dir: Path, run: RunContext) -> None:
    network = BioNetGenNet().read(folder_of(data_dir) / f"{name}.net")
    path = folder_of(data_dir) / f"{name}.gdat"
    names = path.read_text().splitlines()[0].split()[1:]
    course = np.loadtxt(path, comments="#")
    simulator = Ode(SolverOptions(rtol=1e-9, atol=1e-9))
    found = simulator.simulate(network, ALIKE, Schedule(), course[:, 0], run).values[0]
    for id in OBSERVED.get(name, names[1:]):
        told = course[:, names.index(id)]
        assert np.max(np.abs(found[:, network.ids.index(id)] - told)) < 1e-4 * np.abs(told).max()
    if name == "test_time":  # the reference's own x_builtin is off by 1.5 %, as its author shows
        exact = course[:, names.index("x_exact")]
        assert np.max(np.abs(found[:, network.ids.index("x_builtin")] - exact)) < 1e-4 * exact[-1]


@pytest.mark.data
def test_stochastic_means_are_near_the_deterministic_course(
    data_dir: Path, run: RunContext
) -> None:
    """A linear network: the mean is the deterministic course, here within 4 standard errors."""
    folder = data_dir / "models" / "bngl" / "DAT_validate"
    network = BioNetGenNet().read(folder / "test_synthesis_complex.net")
    times = np.linspace(0.0, 50.0, 6)
    cells = ParameterTable((), np.zeros((500, 0)))
    exact = Ode(SolverOptions()).simulate(network, ALIKE, Schedule(), times, run).values[0]
    found = Ssa(SsaOptions()).simulate(network, cells, Schedule(), times, run).values
    error = found.std(axis=0, ddof=1) / np.sqrt(500)
    species = [network.ids.index(one.id) for one in network.species]
    gap = np.abs(found.mean(axis=0) - exact)[:, species]
    assert (gap <= 4 * error[:, species] + 1e-6 * exact[:, species] + 1e-9).all()
