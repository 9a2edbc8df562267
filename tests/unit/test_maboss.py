"""Boolean networks in continuous time by MaBoSS, as an engine."""

from __future__ import annotations

import numpy as np
import pytest

from cellula.core import registry
from cellula.core.errors import DataError
from cellula.core.expression import Expression, Symbol, apply
from cellula.core.logic import Component, LogicNetwork
from cellula.core.run import RunContext
from cellula.core.simulation import Dose, ParameterTable, Schedule
from cellula.testing.simulator import decay

pytest.importorskip("cmaboss", reason="the extra 'maboss' is not installed")

TIMES = np.linspace(0.0, 3.0, 4)
NONE = ParameterTable((), np.zeros((1, 0)))


def switch(target: Expression | None = None) -> LogicNetwork:
    """A is an input that is on; B turns on at rate 2 while A is on and then stays."""
    rule = target or Symbol("A")
    parts = (Component("A", None, initial=1), Component("B", rule, initial=0))
    return LogicNetwork("switch", parts, {"B": (2.0, 0.5)})


def test_a_component_turns_on_at_its_rate(run: RunContext) -> None:
    simulator = registry.create("simulator", "maboss", {"samples": 4000, "windows": 20})
    found = simulator.simulate(switch(), NONE, Schedule(), TIMES, run)
    window = 1 / 20
    edges = np.stack([TIMES, TIMES + window])
    exact = 1 - (np.exp(-2 * edges[0]) - np.exp(-2 * edges[1])) / (2 * window)
    assert np.abs(found.of("B")[0] - exact).max() < 4 * 0.5 / np.sqrt(4000)
    assert np.allclose(found.of("A"), 1)


def test_the_same_seed_gives_the_same_shares_in_any_batches(run: RunContext) -> None:
    simulator = registry.create("simulator", "maboss", {"samples": 50})
    cells = ParameterTable(("A",), np.array([[0.0], [1.0], [0.5]]))
    whole = simulator.simulate(switch(), cells, Schedule(), TIMES, run).values
    parts = [
        simulator.simulate(switch(), part, Schedule(), TIMES, run).values
        for part in cells.batches(2)
    ]
    assert np.array_equal(whole, np.concatenate(parts))
    assert np.all(whole[0] == 0)


def test_a_dose_at_the_start_holds_a_component(run: RunContext) -> None:
    simulator = registry.create("simulator", "maboss", {"samples": 50})
    found = simulator.simulate(switch(), NONE, Schedule((Dose(0.0, "B", 0),)), TIMES, run)
    assert np.all(found.of("B") == 0)


@pytest.mark.parametrize(
    ("network", "cells", "doses", "times", "words"),
    [
        (decay(), NONE, (), TIMES, "takes logic networks"),
        (switch(), ParameterTable(("x",), np.ones((1, 1))), (), TIMES, "'x', which"),
        (switch(), ParameterTable(("A",), np.full((1, 1), 2.0)), (), TIMES, "from 0 to 1"),
        (switch(), NONE, (Dose(1.0, "A", 0),), TIMES, "at the start, 0"),
        (switch(), NONE, (Dose(0.0, "x", 0),), TIMES, "a dose sets 'x'"),
        (switch(), NONE, (), np.array([0.0, 1.0, 3.0]), "equally spaced"),
        (switch(apply("eq", Symbol("A"), 1)), NONE, (), TIMES, "'eq'; MaBoSS takes"),
        (LogicNetwork("m", (Component("A", None, 2),)), NONE, (), TIMES, "levels up to 2"),
    ],
)
def test_what_it_does_not_take(
    network: object,
    cells: ParameterTable,
    doses: tuple[Dose, ...],
    times: np.ndarray,
    words: str,
    run: RunContext,
) -> None:
    simulator = registry.create("simulator", "maboss")
    with pytest.raises(DataError, match=words):
        simulator.simulate(network, cells, Schedule(doses), times, run)
