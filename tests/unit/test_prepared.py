"""The equations of a network, kept from batch to batch."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from cellula.core.errors import EngineError
from cellula.core.network import Network, Parameter
from cellula.core.run import run_context
from cellula.core.simulation import ParameterTable, Schedule
from cellula.io.infix import parse
from cellula.models.mechanistic.ode import Ode
from cellula.models.mechanistic.prepared import Kept, prepared
from cellula.models.mechanistic.solver import SolverOptions
from cellula.testing.simulator import decay


def test_one_network_is_prepared_once_and_the_last_alone_is_kept() -> None:
    kept, one, other = Kept(), decay(), decay()
    first = kept.of(one)
    assert kept.of(one) is first
    assert kept.of(other) is not first
    assert kept.of(one) is not first


def test_what_travels_is_empty_and_still_works() -> None:
    network = decay()
    ode = Ode(SolverOptions())
    ode.kept.of(network)
    copy = pickle.loads(pickle.dumps(ode))
    assert copy == ode
    assert copy.kept.of(network).system.states == prepared(network).system.states


def test_a_kept_network_gives_the_same_numbers(tmp_path: Path) -> None:
    network, run = decay(), run_context(0, tmp_path)
    times, cells = np.linspace(0.0, 4.0, 5), ParameterTable(("k",), np.array([[0.3], [0.9]]))
    kept = Ode(SolverOptions())
    for _ in range(2):
        again = kept.simulate(network, cells, Schedule(), times, run).values
        fresh = Ode(SolverOptions()).simulate(network, cells, Schedule(), times, run).values
        assert np.array_equal(again, fresh)


def test_a_cell_that_fails_is_called_by_its_number_in_the_population(tmp_path: Path) -> None:
    network = decay()
    broken = Network(
        id="broken",
        compartments=network.compartments,
        parameters=(*network.parameters, Parameter("b", 1.0)),
        species=network.species,
        reactions=(network.reactions[0],),
        initial={"A": parse("1 / b")},
    )
    cells = ParameterTable(("b",), np.array([[1.0], [0.0]]), first=40)
    with pytest.raises(EngineError, match="cell 41 has no solution"):
        Ode(SolverOptions()).simulate(
            broken, cells, Schedule(), np.linspace(0.0, 4.0, 5), run_context(0, tmp_path)
        )
