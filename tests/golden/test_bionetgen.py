"""Networks that BioNetGen generated give the trajectories that BioNetGen computed.

Files of BioNetGen's own validation, ``Validate/DAT_validate`` (RuleWorld/bionetgen, MIT).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cellula.core.run import RunContext
from cellula.core.simulation import ParameterTable, Schedule
from cellula.io.bionetgen_net import BioNetGenNet
from cellula.models.mechanistic.ode import Ode
from cellula.models.mechanistic.solver import SolverOptions
from cellula.models.mechanistic.ssa import Ssa, SsaOptions

#: Deterministic courses that start where the network does; in the others the protocol of the
#: model changes concentrations or parameters first, which a .net file does not say.
COURSES = (
    "CaOscillate_Func", "CaOscillate_Sat", "Haugh2b", "Motivating_example",
    "Motivating_example_cBNGL", "Repressilator", "SHP2_base_model", "localfunc", "motor",
    "simple_system", "test_fixed", "test_sbml_flat", "test_sbml_structured",
    "test_synthesis_complex", "tlbr", "toy-jim", "univ_synth",
)  # fmt: skip
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
