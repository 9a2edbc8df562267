"""Pacing: the model's own protocol, pulses at exact times, what is read off every beat."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from cellula.cli.app import app
from cellula.core import registry
from cellula.core.errors import CellulaError, DataError, MissingExtra
from cellula.core.expression import TIME, Expression, Number, Symbol, apply
from cellula.core.network import AssignmentRule, Network, Parameter, RateRule
from cellula.core.run import RunContext
from cellula.core.simulation import ParameterTable, Schedule, Trajectory
from cellula.models.mechanistic.beats import Beats, beats_of
from cellula.models.mechanistic.pacing import Pacing, course_times, paced, protocol, schedule
from cellula.models.mechanistic.stimulus import own_pulses, stimulus_of, voltage_of, volts

NOBODY = ParameterTable((), np.zeros((1, 0)))
PERIOD, START, DURATION, LEVEL = (Symbol(id) for id in ("period", "start", "long", "level"))


def phase() -> Expression:
    """The time since the last pulse began, as published models write it."""
    since = apply("minus", TIME, START)
    turns = apply("floor", apply("divide", since, PERIOD))
    return apply("minus", since, apply("times", turns, PERIOD))


def pulse(condition: Expression | None = None) -> Expression:
    is_on = apply("and", apply("geq", TIME, START), condition or apply("leq", phase(), DURATION))
    return apply("piecewise", LEVEL, is_on, 0.0)


def excitable(stimulus: Expression, **values: float) -> Network:
    """FitzHugh-Nagumo in millivolts and milliseconds, with a stimulus that follows a formula."""
    numbers = {"period": 400.0, "start": 20.0, "long": 0.7, "level": 60.0, **values}
    v, w = Symbol("V"), Symbol("w")
    x = apply("divide", apply("plus", v, 80.0), 100.0)
    cubic = apply("times", x, apply("minus", 1.0, x), apply("minus", x, 0.1))
    rate = apply("plus", apply("times", 100.0, apply("minus", cubic, w)), Symbol("I"))
    recovery = apply("times", 0.004, apply("minus", apply("times", 0.5, x), w))
    return Network(
        "excitable",
        parameters=(
            Parameter("V", -80.0, False, "0.001 volt"),
            Parameter("w", 0.0, False),
            Parameter("I", None, False),
            *(Parameter(id, value) for id, value in numbers.items()),
        ),
        rules=(
            RateRule("V", rate),
            RateRule("w", recovery),
            AssignmentRule("I", stimulus),
        ),
        units={"time": "0.001 second"},
    )


def beats(
    network: Network, asked: Pacing, run: RunContext, engine: str = "ode", **options: float
) -> tuple[Beats, Trajectory]:
    given = protocol(network, asked)
    simulator = registry.create("simulator", engine, options)
    times = course_times(given)
    course = simulator.simulate(paced(network, given), NOBODY, schedule(given), times, run)
    return beats_of(course, given), course


def test_the_models_own_pulses_are_found_to_the_last_digit() -> None:
    network = excitable(pulse())
    assert (stimulus_of(network), voltage_of(network)) == ("I", "V")
    found = own_pulses(network, "I")
    assert found is not None
    assert (found.period, found.start, found.duration) == (400.0, 20.0, 0.7)
    assert (found.level, found.rest) == (60.0, 0.0)
    assert own_pulses(network, "w") is None


def test_a_pulse_within_the_period() -> None:
    """As ten Tusscher and Grandi write it: from start to start + duration of each period."""
    turns = apply("floor", apply("divide", TIME, PERIOD))
    since = apply("minus", TIME, apply("times", turns, PERIOD))
    until = apply("leq", since, apply("plus", START, DURATION))
    condition = apply("and", apply("geq", since, START), until)
    network = excitable(apply("piecewise", LEVEL, condition, 0.0))
    found = own_pulses(network, "I")
    assert found is not None
    assert (found.period, found.start, found.duration) == (400.0, 20.0, 0.7)
    remainder = apply("lt", apply("rem", TIME, PERIOD), DURATION)
    found = own_pulses(excitable(apply("piecewise", LEVEL, remainder, 0.0)), "I")
    assert found is not None
    assert (found.start, found.duration) == (0.0, 0.7)


def test_what_is_asked_for_comes_before_the_model(run: RunContext) -> None:
    asked = Pacing(beats=3, period=500.0, amplitude=80.0)
    given = protocol(excitable(pulse()), asked)
    assert given.own == ("duration", "start")
    assert list(given.begins) == [20.0, 520.0, 1020.0]
    assert given.end == 1520.0
    doses = schedule(given).doses
    assert [dose.value for dose in doses] == [80.0, 0.0] * 3
    assert [dose.time for dose in doses[:2]] == [20.0, 20.7]
    times = course_times(given)
    assert times[0] == 0.0
    assert times[-1] == 1520.0
    assert set(given.begins) <= set(times)


def test_beats_are_those_of_the_formula_with_short_steps(run: RunContext) -> None:
    network = excitable(pulse())
    mine, course = beats(network, Pacing(beats=3), run)
    assert not mine.reasons
    simulator = registry.create("simulator", "ode", {"rtol": 1e-9, "atol": 1e-11, "max_step": 0.3})
    formula = simulator.simulate(network, NOBODY, Schedule(), course.times, run)
    theirs = beats_of(formula, protocol(network, Pacing(beats=3)))
    np.testing.assert_allclose(mine.apd90, theirs.apd90, rtol=1e-5)
    np.testing.assert_allclose(mine.peak, theirs.peak, rtol=1e-5)
    np.testing.assert_allclose(mine.rest, theirs.rest, rtol=1e-5)
    assert mine.rest[0, 0] == pytest.approx(-80.0, abs=1e-6)
    assert (mine.steepest > 0).all()


def test_the_stimulus_is_told_at_its_edges(run: RunContext) -> None:
    network = excitable(pulse())
    given = protocol(network, Pacing(beats=2))
    simulator = registry.create("simulator", "ode", {})
    times = np.array([0.0, 19.999, 20.0, 20.699999, 20.7, 419.999, 420.0, 430.0])
    course = simulator.simulate(paced(network, given), NOBODY, schedule(given), times, run)
    assert list(course.of("I")[0]) == [0.0, 0.0, 60.0, 60.0, 0.0, 0.0, 60.0, 0.0]


def test_what_is_no_action_potential_has_no_duration(run: RunContext) -> None:
    found, _ = beats(excitable(pulse()), Pacing(beats=2, amplitude=1.0), run)
    assert np.isnan(found.apd90).all()
    assert [(cell, beat) for cell, beat, _ in found.reasons] == [(0, 0), (0, 1)]
    assert "no action potential" in found.reasons[0][2]
    found, _ = beats(excitable(pulse()), Pacing(beats=1, period=30.0), run)
    assert "does not come back" in found.reasons[0][2]


def test_a_beat_that_is_not_told(run: RunContext) -> None:
    network = excitable(pulse())
    given = protocol(network, Pacing(beats=1))
    course = Trajectory(("V",), np.array([0.0, 20.0, 100.0]), np.zeros((1, 3, 1)))
    with pytest.raises(DataError, match="the beat from 20 to 420 is told at 2 times"):
        beats_of(course, given)


@pytest.mark.parametrize(
    ("network", "asked", "words"),
    [
        (excitable(Number(0.0)), {}, "has no one stimulus"),
        (excitable(pulse()), {"stimulus": "J"}, "has no 'J'"),
        (excitable(pulse()), {"stimulus": "level"}, "no pulses of its own; give its period"),
        (excitable(pulse()), {"duration": 500.0}, "expected a pulse that ends before the next"),
        (excitable(pulse(apply("leq", TIME, 50.0))), {}, "tells no one period"),
        (
            excitable(apply("times", apply("sin", TIME), pulse())),
            {},
            "expected one rectangular pulse a period",
        ),
        (excitable(pulse(apply("leq", phase(), Symbol("V")))), {}, "has no one stimulus"),
        (
            replace(
                excitable(pulse()),
                parameters=tuple(replace(one, unit="") for one in excitable(pulse()).parameters),
            ),
            {},
            "has 0 variables in volts",
        ),
    ],
)
def test_what_tells_no_protocol(network: Network, asked: Mapping[str, object], words: str) -> None:
    with pytest.raises(DataError, match=words):
        protocol(network, Pacing.model_validate(asked))


def test_what_has_a_rate_is_not_paced() -> None:
    network = excitable(pulse())
    pulses = {"period": 9.0, "duration": 1.0, "amplitude": 1.0, "start": 0.0, "stimulus": "V"}
    with pytest.raises(DataError, match="'V' has a rate of change"):
        paced(network, protocol(network, Pacing.model_validate(pulses)))


def test_units_of_voltage() -> None:
    assert (volts("0.001 volt"), volts("volt"), volts("0.001 second")) == (0.001, 1.0, None)
    assert volts("") is None
    assert volts("2 3 volt") is None


def cardiac(data_dir: Path, name: str) -> Network:
    path = data_dir / "models" / "cellml" / name
    if not path.exists():
        pytest.skip(f"{path} is not there")
    network: Network = registry.load("reader", "cellml")().read(path)
    return network


@pytest.mark.data
@pytest.mark.requirement("K9", "S2")
def test_a_cardiac_model_paced_is_the_same_by_myokit(data_dir: Path, run: RunContext) -> None:
    network = cardiac(data_dir, "beeler_reuter_model_1977.cellml")
    mine, _ = beats(network, Pacing(beats=20), run)
    try:
        theirs, _ = beats(network, Pacing(beats=20), run, "myokit")
    except MissingExtra as missing:
        pytest.skip(str(missing))
    assert mine.apd90[0, -1] == pytest.approx(285.3, abs=0.1)
    np.testing.assert_allclose(mine.apd90, theirs.apd90, rtol=1e-3)
    np.testing.assert_allclose(mine.peak, theirs.peak, rtol=1e-3)
    np.testing.assert_allclose(mine.rest, theirs.rest, rtol=1e-3)


@pytest.mark.data
def test_pacing_by_the_command_line(data_dir: Path, tmp_path: Path) -> None:
    model = str(data_dir / "models" / "cellml" / "luo_rudy_1991.cellml")
    words = ["simulate", model, "--pace", "beats=2,period=600", "--json"]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["pacing"]["amplitude"] == -25.5
    assert found["pacing"]["of_the_model"] == ["duration", "amplitude", "start"]
    assert [row["beat"] for row in found["beats"]] == [1, 2]
    assert found["beats"][0]["apd90"] == pytest.approx(342.2, abs=0.1)
    result = CliRunner().invoke(app, words[:-1])
    assert "2 pulses of -25.5 that last 2, every 600 from 100 on" in result.output
    for more, said in (
        (["--end", "5"], "--pace tells the times"),
        (["--pace", "beats=0"], "--pace beats"),
        (["--pace", "tempo=3"], "--pace tempo"),
    ):
        result = CliRunner().invoke(app, [*words[:-1], *more])
        assert isinstance(result.exception, CellulaError | SystemExit)
        assert said in result.output + str(result.exception)
