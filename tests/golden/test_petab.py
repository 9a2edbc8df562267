"""Problems of the PEtab benchmark collection; tools/petab_conformance.py runs all."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from cellula.core import registry
from cellula.core.petab import PetabProblem
from cellula.core.run import RunContext
from cellula.io.formats import read
from cellula.models.mechanistic.petab_likelihood import negative_log_likelihood
from cellula.models.mechanistic.petab_simulation import petab_simulation
from cellula.testing.petab_reference import problem_file, reference_file, relative_difference

pytest.importorskip("cellula.io.sbml", reason="needs the extra sbml")

#: Pre-equilibration, conditions, a steady state, an event, overrides by row: small problems.
SMALL = (
    "Blasi_CellSystems2016",
    "Brannmark_JBC2010",
    "Elowitz_Nature2000",
    "Liu_IFACPapersOnLine2025",
    "Weber_BMC2015",
)


def simulated(
    folder: Path, run: RunContext, parameters: dict[str, float] | None = None, engine: str = "ode"
) -> tuple[PetabProblem, pd.DataFrame]:
    problem = read(problem_file(folder), "petab")
    assert isinstance(problem, PetabProblem)
    options = {"rtol": 1e-8, "atol": 1e-14} if engine == "ode" else {}
    simulator = registry.create("simulator", engine, options)
    return problem, petab_simulation(problem, simulator, run, parameters)


@pytest.mark.requirement("K9", "S2")
@pytest.mark.parametrize("name", SMALL)
def test_simulations_equal_the_reference(name: str, data_dir: Path, run: RunContext) -> None:
    folder = data_dir / "models" / "petab" / name
    reference = reference_file(folder)
    assert reference is not None
    found, where = relative_difference(simulated(folder, run)[1], reference)
    assert found < 1e-4, where


def test_a_wrong_parameter_is_seen(data_dir: Path, run: RunContext) -> None:
    folder = data_dir / "models" / "petab" / "Weber_BMC2015"
    reference = reference_file(folder)
    assert reference is not None
    table = simulated(folder, run, {"a11": 0.1827})[1]
    assert relative_difference(table, reference)[0] > 1e-4


def test_perelson_reference_has_other_parameters(data_dir: Path, run: RunContext) -> None:
    """Its file is not of the nominal values but of these, as a fit of two parameters tells."""
    folder = data_dir / "models" / "petab" / "Perelson_Science1996"
    reference = reference_file(folder)
    assert reference is not None
    table = simulated(folder, run, {"c": 1.86392495, "delta": 0.65789413})[1]
    assert relative_difference(table, reference)[0] < 1e-6


def test_sneyd_reference_exchanges_two_conditions(data_dir: Path, run: RunContext) -> None:
    folder = data_dir / "models" / "petab" / "Sneyd_PNAS2002"
    reference = reference_file(folder)
    assert reference is not None
    table = simulated(folder, run)[1]
    assert relative_difference(table, reference)[0] > 0.1
    fifth, sixth = "Ca_dose_response__5", "Ca_dose_response__6"
    names = table["simulationConditionId"].replace({fifth: sixth, sixth: fifth})
    exchanged = table.assign(simulationConditionId=names)
    assert relative_difference(exchanged, reference)[0] < 1e-3


def test_zheng_reference_is_the_measurements(data_dir: Path, run: RunContext) -> None:
    """What is called a simulation there is the data; roadrunner says what we say."""
    folder = data_dir / "models" / "petab" / "Zheng_PNAS2012"
    problem, table = simulated(folder, run)
    measured = problem.measurements.rename(columns={"measurement": "simulation"})
    reference = reference_file(folder)
    assert reference is not None
    assert relative_difference(measured, reference)[0] < 1e-12
    pytest.importorskip("roadrunner", reason="needs the extra roadrunner")
    theirs = simulated(folder, run, engine="roadrunner")[1]
    assert abs(table["simulation"] - theirs["simulation"]).max() < 1e-6


def test_likelihood_of_a_known_optimum(data_dir: Path, run: RunContext) -> None:
    """From the reference's simulations, which were made elsewhere, as from ours."""
    folder = data_dir / "models" / "petab" / "Elowitz_Nature2000"
    problem, table = simulated(folder, run)
    reference = reference_file(folder)
    assert reference is not None
    theirs = table.assign(simulation=pd.read_csv(reference, sep="\t")["simulation"])
    ours = negative_log_likelihood(problem, table)
    assert ours == pytest.approx(negative_log_likelihood(problem, theirs), abs=1e-3)
