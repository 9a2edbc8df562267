"""Populations of logic networks follow the laws of their update."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from cellula.core import registry
from cellula.core.errors import DataError
from cellula.core.expression import Expression, Symbol, apply
from cellula.core.logic import Component, LogicNetwork
from cellula.core.run import RunContext
from cellula.core.simulation import Dose, ParameterTable, Schedule, Trajectory
from cellula.testing import LogicSimulatorConformance
from cellula.testing.logic_simulator import cascade

UPDATES = ("synchronous", "asynchronous", "continuous")


def simulated(
    network: LogicNetwork,
    update: str,
    times: list[float],
    run: RunContext,
    doses: tuple[Dose, ...] = (),
    n_cells: int = 4000,
) -> Trajectory:
    simulator = registry.create("simulator", "logic", {"update": update})
    cells = ParameterTable((), np.zeros((n_cells, 0)))
    found: Trajectory = simulator.simulate(network, cells, Schedule(doses), np.array(times), run)
    return found


@pytest.mark.requirement("K9", "S2")
@pytest.mark.parametrize("update", UPDATES)
def test_every_update_keeps_the_contract(update: str, run: RunContext) -> None:
    LogicSimulatorConformance(registry.load("simulator", "logic"), {"update": update}).check(run)


def test_a_synchronous_step_moves_all_at_once(run: RunContext) -> None:
    found = simulated(cascade(), "synchronous", [0, 1, 1.9, 2, 3], run, n_cells=2)
    expected = [[1, 0, 1, 0], [1, 1, 1, 1], [1, 1, 1, 1], [1, 1, 0, 1], [1, 1, 0, 1]]
    assert np.array_equal(found.values[0], expected)
    assert np.array_equal(found.values[1], expected)


def test_an_asynchronous_step_moves_one_that_is_drawn(run: RunContext) -> None:
    found = simulated(cascade(), "asynchronous", [0, 1], run)
    steps = found.values[:, 1] - found.values[:, 0]
    assert np.abs(steps).sum(axis=1).max() == 1
    share = found.of("b")[:, 1].mean()
    assert share == pytest.approx(1 / 3, abs=4 * np.sqrt(2 / 9 / 4000))


def exact(network: LogicNetwork, times: list[float]) -> NDArray[np.float64]:
    """The mean levels by the matrix exponential of all states: (times, components)."""
    from scipy.linalg import expm

    spans = [range(one.max_level + 1) for one in network.components]
    states = list(itertools.product(*spans))
    place = {state: at for at, state in enumerate(states)}
    matrix = np.zeros((len(states), len(states)))
    for state in states:
        levels = dict(zip(network.ids, state, strict=True))
        for at, one in enumerate(network.components):
            if one.target is None:
                continue
            goal = valued(one.target, levels)
            step = int(np.sign(goal - state[at]))
            rate = network.rates.get(one.id, (1.0, 1.0))[0 if step > 0 else 1] * abs(step)
            other = (*state[:at], state[at] + step, *state[at + 1 :])
            matrix[place[state], place[other]] += rate
            matrix[place[state], place[state]] -= rate
    start = np.zeros(len(states))
    start[place[tuple(one.initial or 0 for one in network.components)]] = 1
    return np.array([start @ expm(matrix * t) @ np.array(states) for t in times])


def valued(expression: Expression, levels: dict[str, int]) -> float:
    """The value of an expression, by recursion."""
    if isinstance(expression, Symbol):
        return levels[expression.id]
    arguments = [valued(one, levels) for one in getattr(expression, "arguments", ())]
    match getattr(expression, "function", "number"):
        case "number":
            return float(expression.value)  # type: ignore[union-attr]
        case "and":
            return float(all(arguments))
        case "not":
            return float(not arguments[0])
        case "geq":
            return float(arguments[0] >= arguments[1])
        case "piecewise":
            return arguments[0] if arguments[1] else arguments[2]
    raise AssertionError(expression)


def two_levels() -> LogicNetwork:
    """``x`` rises to level 2 unless ``y`` is on; ``y`` goes on where ``x`` is 2, z follows y."""
    target = apply("piecewise", 0, Symbol("y"), 2)
    return LogicNetwork(
        "two_levels",
        (
            Component("x", target, 2, 0),
            Component("y", apply("geq", Symbol("x"), 2), 1, 0),
            Component("z", apply("and", Symbol("y"), apply("not", Symbol("z"))), 1, 0),
        ),
        {"x": (2.0, 0.5), "y": (1.0, 3.0)},
    )


def test_continuous_time_has_the_means_of_the_markov_process(run: RunContext) -> None:
    times = [0.0, 0.5, 1.0, 3.0, 10.0]
    found = simulated(two_levels(), "continuous", times, run)
    means = exact(two_levels(), times)
    errors = found.values.std(axis=0) / np.sqrt(len(found.values))
    assert (np.abs(found.values.mean(axis=0) - means) <= 4.5 * errors + 1e-9).all()
    assert found.values[:, :, 0].max() == 2


def test_a_level_moves_by_one(run: RunContext) -> None:
    for update in ("synchronous", "asynchronous"):
        found = simulated(two_levels(), update, [0, 1, 2, 3, 4, 5], run, n_cells=50)
        assert np.abs(np.diff(found.values, axis=1)).max() == 1


@pytest.mark.parametrize("update", UPDATES)
def test_a_dose_holds_from_its_time_on(update: str, run: RunContext) -> None:
    doses = (Dose(2.0, "b", 1.0), Dose(40.0, "b", 0.0))
    silent = replace(
        cascade(), components=(Component("a", None, initial=0), *cascade().components[1:])
    )
    found = simulated(silent, update, [0, 1.9, 2.0, 39, 40, 90], run, doses, 20)
    assert found.of("b").mean(axis=0).tolist() == [0, 0, 1, 1, 0, 0]
    assert found.of("c")[:, -1].min() == 1


def test_what_is_not_given_is_drawn_for_every_cell(run: RunContext) -> None:
    free = LogicNetwork("free", (Component("a", None, 2), Component("b", None)))
    found = simulated(free, "synchronous", [0], run).values[:, 0]
    shares = [np.mean(found[:, 0] == level) for level in range(3)]
    assert shares == pytest.approx([1 / 3] * 3, abs=0.03)
    assert np.corrcoef(found.T)[0, 1] == pytest.approx(0, abs=0.07)


def test_what_cannot_be_simulated_is_refused(run: RunContext) -> None:
    odd = LogicNetwork("odd", (Component("a", apply("sin", Symbol("a"))),))
    high = LogicNetwork("high", (Component("a", apply("plus", Symbol("a"), 1)),))
    for network, told in ((odd, "'a' has 'sin'"), (high, "'a' gives level 2; it has")):
        with pytest.raises(DataError, match=told):
            simulated(network, "synchronous", [0, 1], run)
    with pytest.raises(DataError, match="do not ascend"):
        simulated(cascade(), "continuous", [1, 0], run)
    with pytest.raises(DataError, match="'add'; a logic network knows 'set'"):
        simulated(cascade(), "continuous", [0, 1], run, (Dose(0, "a", 1, "add"),))
    with pytest.raises(DataError, match=r"'a' has the levels 0 to 1, not 0\.5"):
        simulated(cascade(), "continuous", [0, 1], run, (Dose(0, "a", 0.5),))
