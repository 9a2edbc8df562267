"""roadrunner, COPASI and bngsim behind one contract, against exact solutions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cellula.core import registry
from cellula.core.errors import DataError, EngineError, MissingExtra
from cellula.core.expression import TIME, Symbol, apply
from cellula.core.network import (
    AlgebraicRule,
    Event,
    Network,
    Parameter,
    RateRule,
    Species,
)
from cellula.core.run import RunContext
from cellula.core.simulation import Dose, ParameterTable, Schedule, Trajectory
from cellula.testing.simulator import decay

ENGINES = ("bngsim", "copasi", "roadrunner")
NONE = ParameterTable((), np.zeros((1, 0)))
TIMES = np.linspace(0.0, 2.0, 5)

pytestmark = [pytest.mark.requirement("K9", "S2"), pytest.mark.parametrize("engine", ENGINES)]


def simulated(
    engine: str,
    network: Network,
    run: RunContext,
    cells: ParameterTable = NONE,
    doses: Schedule | None = None,
    **options: object,
) -> Trajectory:
    try:
        simulator = registry.create("simulator", engine, options)
    except MissingExtra as missing:
        pytest.skip(str(missing))
    found: Trajectory = simulator.simulate(network, cells, doses or Schedule(), TIMES, run)
    return found


def one_way(initial: float = 100.0) -> Network:
    network = decay(initial=initial)
    return replace(network, reactions=(replace(network.reactions[0], is_reversible=False),))


def test_all_ids_are_told(engine: str, run: RunContext) -> None:
    found = simulated(engine, decay(), run)
    assert found.ids == ("cell", "A", "B", "k", "decay")
    assert np.allclose(found.of("decay"), 0.7 * found.of("A"))
    assert np.all(found.of("cell") == 1)
    assert np.all(found.of("k") == 0.7)


def test_amounts_and_concentrations(engine: str, run: RunContext) -> None:
    """A is told as an amount, B as a concentration, in a volume of 4 and in others."""
    network = decay()
    first, second = network.species
    network = replace(
        network,
        species=(replace(first, is_amount=True, initial=2.0), second),
        compartments=(replace(network.compartments[0], size=4.0),),
    )
    cells = ParameterTable(("cell", "A"), np.array([[4.0, 8.0], [2.0, 8.0]]))
    found = simulated(engine, network, run, cells)
    exact = 8 * np.exp(-0.7 * TIMES)
    assert np.allclose(found.of("A"), exact, rtol=1e-5)
    assert np.allclose(found.of("B"), (8 - exact) / np.array([[4.0], [2.0]]), rtol=1e-5)


def test_what_an_initial_value_gives_follows_the_cell(engine: str, run: RunContext) -> None:
    network = replace(decay(), initial={"A": apply("times", Symbol("k"), 10)})
    cells = ParameterTable(("k",), np.array([[0.1], [0.9]]))
    found = simulated(engine, network, run, cells)
    assert np.allclose(found.of("A")[:, 0], [1.0, 9.0])
    assert np.allclose(found.of("A")[:, -1], [np.exp(-0.2), 9 * np.exp(-1.8)], rtol=1e-5)


def test_time_starts_where_it_is_asked_to(engine: str, run: RunContext) -> None:
    """p grows by time: from 5 to 7 by (49 - 25) / 2."""
    network = replace(
        decay(),
        parameters=(*decay().parameters, Parameter("p", 1.0, is_constant=False)),
        rules=(RateRule("p", TIME),),
    )
    simulator = registry.create("simulator", engine)
    doses = Schedule((Dose(6.0, "p", 100.0, "add"),))
    found = simulator.simulate(network, NONE, doses, np.array([5.0, 6.5, 7.0]), run)
    assert found.of("p")[0, -1] == pytest.approx(1 + 12 + 100, rel=1e-5)


def test_a_dose_at_the_start_acts_on_every_cell(engine: str, run: RunContext) -> None:
    cells = ParameterTable(("k",), np.array([[0.0], [0.5]]))
    found = simulated(engine, decay(), run, cells, Schedule((Dose(0.0, "A", 3.0, "add"),)))
    assert np.allclose(found.of("A")[:, -1], [5.0, 5 * np.exp(-1.0)], rtol=1e-5)


def test_an_event_at_the_start_acts_once(engine: str, run: RunContext) -> None:
    event = Event(
        "e", apply("geq", TIME, 0), {"A": apply("plus", Symbol("A"), 1)}, initial_trigger=False
    )
    network = replace(decay(k=0.0), events=(event,))
    found = simulated(engine, network, run, ParameterTable(("B",), np.array([[1.0], [2.0]])))
    assert np.allclose(found.of("A")[:, -1], 3.0)


def test_ids_that_sbml_does_not_allow(engine: str, run: RunContext) -> None:
    network = decay()
    odd = replace(
        network,
        parameters=(Parameter("r.k", 0.7),),
        reactions=(replace(network.reactions[0], rate=apply("times", Symbol("r.k"), Symbol("A"))),),
    )
    found = simulated(engine, odd, run, ParameterTable(("r.k",), np.array([[0.2]])))
    assert np.allclose(found.of("r.k"), 0.2)
    assert found.of("A")[0, -1] == pytest.approx(2 * np.exp(-0.4), rel=1e-5)


def test_stochastic_courses_have_the_right_moments(engine: str, run: RunContext) -> None:
    """The numbers of A are binomial: mean n p, variance n p (1 - p), within 4 errors."""
    n_cells, n = 400, 100
    cells = ParameterTable(("k",), np.full((n_cells, 1), 0.7))
    found = simulated(engine, one_way(n), run, cells, method="ssa").of("A")[:, -1]
    p = np.exp(-0.7 * TIMES[-1])
    assert abs(found.mean() - n * p) < 4 * np.sqrt(n * p * (1 - p) / n_cells)
    assert found.var() == pytest.approx(n * p * (1 - p), rel=4 * np.sqrt(2 / n_cells))
    again = simulated(engine, one_way(n), run, cells, method="ssa").of("A")[:, -1]
    assert np.array_equal(found, again)


def test_stochastic_courses_count_molecules(engine: str, run: RunContext) -> None:
    with pytest.raises(DataError, match=r"starts with 2.5 molecules"):
        simulated(engine, one_way(2.5), run, method="ssa")


def test_a_logic_network_is_refused(engine: str, run: RunContext) -> None:
    from cellula.core.logic import Component, LogicNetwork

    network = LogicNetwork("n", (Component("A", None),))
    with pytest.raises(DataError, match="takes networks of reactions"):
        simulated(engine, network, run)  # type: ignore[arg-type]


def test_no_solution_names_the_cell(engine: str, run: RunContext) -> None:
    """x grows as x^2 and has no value at 1 / x(0)."""
    network = Network(
        "blow_up",
        parameters=(Parameter("x", 1.0, is_constant=False),),
        rules=(RateRule("x", apply("power", Symbol("x"), 2)),),
    )
    cells = ParameterTable(("x",), np.array([[0.1], [2.0]]))
    with pytest.raises(EngineError, match="cell 1"):
        simulated(engine, network, run, cells, max_steps=2000)


def test_nothing_is_printed(
    engine: str, run: RunContext, capfd: pytest.CaptureFixture[str]
) -> None:
    simulated(engine, decay(), run, doses=Schedule((Dose(1.0, "k", 0.0),)))
    assert capfd.readouterr() == ("", "")


def test_an_algebraic_rule_is_refused(engine: str, run: RunContext) -> None:
    network = replace(
        decay(),
        species=(*decay().species, Species("C", "cell", 2.0)),
        rules=(AlgebraicRule(apply("minus", Symbol("C"), Symbol("A"))),),
    )
    with pytest.raises(EngineError, match="lgebraic"):
        simulated(engine, network, run)


def test_ids_like_methods_of_the_engine(engine: str, run: RunContext) -> None:
    network = replace(decay(), parameters=(*decay().parameters, Parameter("reset", 1.0)))
    for _ in range(2):
        assert np.all(simulated(engine, network, run).of("reset") == 1)
    assert len(simulated(engine, decay(), run).ids) == 5


def test_an_empty_population(engine: str, run: RunContext) -> None:
    found = simulated(engine, decay(), run, ParameterTable(("k",), np.zeros((0, 1))))
    assert found.values.shape[0] == 0
