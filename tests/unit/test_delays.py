"""Delays, against exact solutions by the method of steps."""

from __future__ import annotations

import numpy as np
import pytest

from cellula.core.errors import EngineError
from cellula.core.network import AssignmentRule, Event, Network, Parameter, RateRule, Rule
from cellula.core.run import RunContext
from cellula.core.simulation import ParameterTable, Schedule
from cellula.io.infix import parse
from cellula.models.mechanistic.ode import Ode
from cellula.models.mechanistic.solver import SolverOptions

NOBODY = ParameterTable((), np.zeros((1, 0)))
TIMES = np.linspace(0.0, 3.0, 13)


def solved(
    run: RunContext,
    *rules: Rule,
    cells: ParameterTable = NOBODY,
    events: tuple[Event, ...] = (),
    **values: float,
) -> dict[str, np.ndarray]:
    model = Network(
        "n",
        parameters=tuple(Parameter(id, value, is_constant=False) for id, value in values.items()),
        rules=rules,
        events=events,
    )
    options = SolverOptions(rtol=1e-8, atol=1e-12)
    found = Ode(options).simulate(model, cells, Schedule(), TIMES, run)
    return {id: found.of(id) for id in found.ids}


def exact(t: np.ndarray, lag: float) -> np.ndarray:
    """x' = -x(t - lag), x = 1 until 0: a sum of powers, each from its own time on."""
    terms = [1.0 + 0 * t]
    factorial = 1.0
    for k in range(1, 40):
        factorial *= k
        left = t - (k - 1) * lag
        terms.append(np.where(left > 0, (-1.0) ** k * np.maximum(left, 0.0) ** k / factorial, 0.0))
    return np.sum(terms, axis=0)


@pytest.mark.requirement("K9")
def test_constant_lag_of_every_cell(run: RunContext) -> None:
    lags = np.array([0.3, 1.0, 2.5])
    rule = RateRule("x", parse("-delay(x, lag)"))
    found = solved(run, rule, cells=ParameterTable(("lag",), lags[:, None]), x=1.0, lag=1.0)
    for row, lag in zip(found["x"], lags, strict=True):
        assert row == pytest.approx(exact(TIMES, lag), abs=1e-7)


@pytest.mark.requirement("K9")
def test_lag_that_changes_and_begins_at_zero(run: RunContext) -> None:
    """x' = 1, so x(t - t/2) = t/2."""
    rules = (RateRule("x", parse("1")), AssignmentRule("y", parse("delay(x, time / 2)")))
    assert solved(run, *rules, x=0.0, y=0.0)["y"][0] == pytest.approx(TIMES / 2, abs=1e-9)


@pytest.mark.requirement("K9")
def test_delay_of_a_delay_and_of_time(run: RunContext) -> None:
    rules = (
        AssignmentRule("a", parse("delay(time, 0.5)")),
        AssignmentRule("b", parse("delay(a, 0.25)")),
        RateRule("c", parse("delay(b, 1)")),
    )
    found = solved(run, *rules, a=0.0, b=0.0, c=0.0)
    assert found["b"][0] == pytest.approx(TIMES - 0.75, abs=1e-9)
    assert found["c"][0] == pytest.approx((TIMES - 1.75) ** 2 / 2 - 1.75**2 / 2, abs=1e-8)


@pytest.mark.requirement("K9")
def test_jump_comes_back_after_the_lag(run: RunContext) -> None:
    event = Event("e", parse("time >= 0.9"), {"x": parse("5")})
    rules = (AssignmentRule("y", parse("delay(x, 0.7)")), RateRule("z", parse("delay(x, 0.7)")))
    found = solved(run, *rules, events=(event,), x=1.0, y=0.0, z=0.0)
    assert found["y"][0] == pytest.approx(np.where(TIMES < 1.6, 1.0, 5.0), abs=1e-9)
    assert found["z"][0] == pytest.approx(TIMES + 4 * np.maximum(TIMES - 1.6, 0), abs=1e-7)


def test_no_looking_ahead(run: RunContext) -> None:
    with pytest.raises(EngineError, match=r"cell 0: a delay is -.* cannot look ahead"):
        solved(run, RateRule("x", parse("delay(x, 1 - time)")), x=1.0)
