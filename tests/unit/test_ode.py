"""The simulator of ordinary differential equations, against exact solutions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cellula.core.errors import CellulaError, DataError, EngineError
from cellula.core.network import (
    AlgebraicRule,
    AssignmentRule,
    Compartment,
    Event,
    Network,
    Parameter,
    RateRule,
    Rule,
    Species,
)
from cellula.core.run import RunContext, run_context
from cellula.core.simulation import Dose, ParameterTable, Schedule, Trajectory
from cellula.io.infix import parse
from cellula.models.mechanistic.ode import Ode
from cellula.models.mechanistic.solver import SolverOptions

NOBODY = ParameterTable((), np.zeros((1, 0)))
TIMES = np.linspace(0.0, 4.0, 9)


def network(
    rates: dict[str, str],
    events: tuple[Event, ...] = (),
    rules: tuple[Rule, ...] = (),
    **values: float,
) -> Network:
    """Parameters that follow rate rules, others beside them."""
    ids = dict.fromkeys((*rates, *values))
    return Network(
        "n",
        parameters=tuple(Parameter(id, values.get(id), is_constant=False) for id in ids),
        rules=(*(RateRule(id, parse(rate)) for id, rate in rates.items()), *rules),
        events=events,
    )


def event(id: str, trigger: str, delay: str = "", priority: str = "", **told: object) -> Event:
    sets = {k: parse(str(v)) for k, v in told.items() if not isinstance(v, bool)}
    flags = {k: v for k, v in told.items() if isinstance(v, bool)}
    return Event(
        id,
        parse(trigger),
        sets,
        parse(delay) if delay else None,
        parse(priority) if priority else None,
        **flags,
    )


def solved(
    model: Network, run: RunContext, cells: ParameterTable = NOBODY, **more: object
) -> Trajectory:
    options = SolverOptions(rtol=1e-8, atol=1e-12)
    doses = more.pop("doses", Schedule())
    times = more.pop("times", TIMES)
    assert not more
    return Ode(options).simulate(model, cells, doses, times, run)  # type: ignore[arg-type]


# -- events ----------------------------------------------------------------------------------------
@pytest.mark.requirement("K9")
def test_event_at_a_state(run: RunContext) -> None:
    """A saw tooth: x grows by 1 per time, back to 0 where it reaches 1.25."""
    model = network({"x": "1"}, (event("back", "x >= 1.25", x="0"),), x=0.0)
    assert solved(model, run).of("x")[0] == pytest.approx(TIMES % 1.25, abs=1e-9)


@pytest.mark.requirement("K9")
def test_a_pulse_that_is_shorter_than_any_step(run: RunContext) -> None:
    rate = "piecewise(1e5, (time >= 1.70001) && (time < 1.70002), 0)"
    found = solved(network({"x": rate}, x=0.0), run).of("x")[0]
    assert found == pytest.approx(np.where(TIMES < 1.7, 0.0, 1.0), abs=1e-9)


@pytest.mark.requirement("K9")
def test_steps_of_time_are_met_exactly(run: RunContext) -> None:
    found = solved(network({"x": "floor(time) + rem(time, 0.5) * 0"}, x=0.0), run).of("x")[0]
    whole = np.floor(TIMES)
    assert found == pytest.approx(whole * (whole - 1) / 2 + whole * (TIMES - whole), abs=1e-9)


@pytest.mark.requirement("K9")
@pytest.mark.parametrize(("early", "expected"), [(True, 1.0), (False, 3.0)])
def test_delayed_event_takes_the_values_of_its_trigger(
    run: RunContext, early: bool, expected: float
) -> None:
    model = network(
        {"x": "1"}, (event("e", "time >= 1", "2", y="x", uses_trigger_values=early),), x=0.0, y=0.0
    )
    found = solved(model, run).of("y")[0]
    assert found == pytest.approx(np.where(TIMES < 3, 0.0, expected), abs=1e-9)


@pytest.mark.requirement("K9")
@pytest.mark.parametrize(("persistent", "expected"), [(True, 1.0), (False, 0.0)])
def test_an_event_that_gives_up(run: RunContext, persistent: bool, expected: float) -> None:
    trigger = "(time > 1) && (time < 1.5)"
    model = network({}, (event("e", trigger, "1", y="1", is_persistent=persistent),), y=0.0)
    assert solved(model, run).of("y")[0, -1] == expected


@pytest.mark.requirement("K9")
def test_priorities_and_cascades_at_one_time(run: RunContext) -> None:
    model = network(
        {},
        (
            event("low", "time >= 1", priority="1", log="log * 10 + 1"),
            event("high", "time >= 1", priority="2", log="log * 10 + 2", uses_trigger_values=False),
            event("after", "log > 1", log="log * 10 + 3", uses_trigger_values=False),
        ),
        log=0.0,
    )
    # high first: 2, which triggers "after"; low next, with the value of its trigger: 1, which
    # turns that false; then "after": 13, which triggers it once more: 133
    assert solved(model, run).of("log")[0, -1] == 133.0


@pytest.mark.requirement("K9")
@pytest.mark.parametrize(("before", "expected"), [(True, 0.0), (False, 1.0)])
def test_trigger_that_is_true_at_the_start(run: RunContext, before: bool, expected: float) -> None:
    model = network({}, (event("e", "time >= 0", y="1", initial_trigger=before),), y=0.0)
    assert solved(model, run).of("y")[0, 0] == expected


def test_ties_go_either_way_and_the_same_every_time(run: RunContext) -> None:
    tie = [
        event("e1", "x >= 0.01", priority="1", x="0", n1="n1 + 1", is_persistent=False),
        event("e2", "x >= 0.01", priority="1", x="0", n2="n2 + 1", is_persistent=False),
    ]
    model = network({"x": "1"}, tuple(tie), x=0.0, n1=0.0, n2=0.0)
    first, again = solved(model, run), solved(model, run)
    assert np.array_equal(first.values, again.values)
    counts = [first.of(id)[0, -1] for id in ("n1", "n2")]
    assert sum(counts) == pytest.approx(400, abs=1)
    assert min(counts) > 150


def test_a_loop_without_end_is_named(run: RunContext) -> None:
    pair = (
        event("on", "x < 1", x="1", uses_trigger_values=False),
        event("off", "x >= 1", x="0", uses_trigger_values=False),
    )
    with pytest.raises(EngineError, match=r"event 'o[nf]+' goes off without end at time 1"):
        solved(network({}, (*pair, event("start", "time >= 1", x="0")), x=2.0), run)


def test_a_negative_delay_is_named(run: RunContext) -> None:
    model = network({}, (event("e", "time >= 1", "1 - time * 3", y="1"),), y=0.0)
    with pytest.raises(EngineError, match="the delay of event 'e' is -2"):
        solved(model, run)


# -- what changes with the cell --------------------------------------------------------------------
@pytest.mark.requirement("K9", "S2")
def test_cells_with_events_at_their_own_times(run: RunContext) -> None:
    speeds = np.array([0.3, 1.0, 2.0])
    model = network({"x": "v"}, (event("back", "x >= 1.25", x="0"),), x=0.0, v=1.0)
    found = solved(model, run, ParameterTable(("v",), speeds[:, None])).of("x")
    assert found == pytest.approx(speeds[:, None] * TIMES % 1.25, abs=1e-9)


@pytest.mark.requirement("K9")
def test_doses_set_off_events(run: RunContext) -> None:
    model = network({"x": "-x"}, (event("e", "x > 5", y="1"),), x=1.0, y=0.0)
    found = solved(model, run, doses=Schedule((Dose(1.2, "x", 10.0, "add"),)))
    assert found.of("y")[0] == pytest.approx(np.where(TIMES < 1.2, 0.0, 1.0))
    assert np.array_equal(found.times, TIMES)


@pytest.mark.requirement("K9")
def test_volume_that_shrinks_at_an_event_concentrates(run: RunContext) -> None:
    model = Network(
        "n",
        (Compartment("cell", 2.0, is_constant=False),),
        (Species("A", "cell", 3.0),),
        events=(event("e", "time >= 1", cell="0.5"),),
    )
    found = solved(model, run).of("A")[0]
    assert found == pytest.approx(np.where(TIMES < 1, 3.0, 12.0))


# -- algebraic rules -------------------------------------------------------------------------------
@pytest.mark.requirement("K9")
def test_nonlinear_algebraic_rule(run: RunContext) -> None:
    """z^3 + z = x, with x from 0 on; an event that moves x moves z at once."""
    model = network(
        {"x": "1"},
        (event("e", "time >= 2", x="x + 8"),),
        (AlgebraicRule(parse("z^3 + z - x")),),
        x=0.0,
        z=0.5,
    )
    found = solved(model, run)
    x, z = found.of("x")[0], found.of("z")[0]
    assert x == pytest.approx(np.where(TIMES < 2, TIMES, TIMES + 8))
    assert z**3 + z == pytest.approx(x, abs=1e-6)


def test_algebraic_rule_without_a_solution(run: RunContext) -> None:
    model = network({"x": "1"}, (), (AlgebraicRule(parse("z^2 + 1 + x")),), x=0.0, z=0.5)
    with pytest.raises(EngineError, match="cell 0"):
        solved(model, run)


# -- refusals --------------------------------------------------------------------------------------
def test_missing_values_are_named(run: RunContext) -> None:
    parameters = (Parameter("x", 1.0, is_constant=False), Parameter("k", None))
    lacking = Network("n", parameters=parameters, rules=(RateRule("x", parse("-k * x")),))
    with pytest.raises(DataError, match=r"rate of change of 'x' .* no value of k"):
        solved(lacking, run)
    unused = Network("n", parameters=(Parameter("k", None),))
    assert np.isnan(solved(unused, run).values).all()


def test_rate_that_is_undefined_is_named(run: RunContext) -> None:
    with pytest.raises(EngineError, match=r"cell 0 .* rate of change of 'x' is nan"):
        solved(network({"x": "ln(0 - x)"}, x=1.0), run)


def test_blow_up_names_cell_and_time(run: RunContext) -> None:
    cells = ParameterTable(("x",), np.array([[0.1], [1.0]]))
    with pytest.raises(EngineError, match=r"cell 1 has no solution beyond time (1|0\.99)"):
        solved(network({"x": "x^2"}, x=1.0), run, cells)


@pytest.mark.parametrize("times", [[], [0.0, 0.0], [1.0, 0.5], [0.0, np.inf]])
def test_times_that_do_not_ascend(run: RunContext, times: list[float]) -> None:
    with pytest.raises(DataError, match="times"):
        solved(network({"x": "1"}, x=0.0), run, times=np.array(times))


def test_what_follows_from_others_cannot_be_set(run: RunContext) -> None:
    model = network({"x": "1"}, (), (AssignmentRule("y", parse("2 * x")),), x=0.0, y=0.0)
    with pytest.raises(DataError, match="'y', which follows from other values"):
        solved(model, run, ParameterTable(("y",), np.ones((1, 1))))
    with pytest.raises(DataError, match="'y', which follows from other values"):
        solved(model, run, doses=Schedule((Dose(1.0, "y", 1.0),)))
    with pytest.raises(CellulaError, match="before the cells start"):
        solved(model, run, doses=Schedule((Dose(-1.0, "x", 1.0),)))


def test_threads_and_batches_change_no_bit(run: RunContext, tmp_path: Path) -> None:
    model = network({"x": "v * y", "y": "-x"}, (event("e", "x > 1", y="0.5"),), x=0.0, y=1.0, v=1.0)
    speeds = np.linspace(0.5, 3.0, 70)[:, None]
    whole = solved(model, run, ParameterTable(("v",), speeds)).values
    twice = solved(model, run_context(0, tmp_path, threads=2), ParameterTable(("v",), speeds))
    parts = ParameterTable(("v",), speeds).batches(33)
    assert np.array_equal(twice.values, whole)
    assert np.array_equal(np.concatenate([solved(model, run, one).values for one in parts]), whole)
