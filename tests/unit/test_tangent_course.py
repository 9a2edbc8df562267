"""Forward sensitivities against central differences of tight courses."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from cellula.core.errors import DataError, EngineError
from cellula.core.expression import Number
from cellula.core.network import (
    AlgebraicRule,
    AssignmentRule,
    Compartment,
    Event,
    Network,
    Parameter,
    Participant,
    RateRule,
    Reaction,
    Species,
)
from cellula.core.simulation import ParameterTable
from cellula.io.infix import parse
from cellula.models.mechanistic.solver import SolverOptions
from cellula.models.mechanistic.tangent_course import tangent_courses
from cellula.models.mechanistic.tangent_system import tangent

Floats = NDArray[np.float64]
TIGHT = SolverOptions(rtol=1e-10, atol=1e-13)
IDS = ("k", "n", "start", "size")
AT = np.array([0.7, 2.5, 1.3, 2.0])
#: A Hill rate from 0, an initial assignment, a volume that is no 1, a rule.
PLAIN = Network(
    "plain",
    (Compartment("cell", 2.0),),
    (
        Species("A", "cell", 1.0),
        Species("B", "cell", 0.0),
        Species("size", "cell", 2.0, is_boundary=True, is_constant=True),
    ),
    (
        Parameter("k", 0.7),
        Parameter("n", 2.5),
        Parameter("start", 1.3),
        Parameter("sum", None, is_constant=False),
    ),
    (
        Reaction(
            "r",
            (Participant("A"),),
            (Participant("B", 2.0),),
            parse("cell * k * A + cell * B ^ n / (size + B ^ n)"),
        ),
    ),
    rules=(AssignmentRule("sum", parse("A + k * B")),),
    initial={"A": parse("start + k")},
)


def of_events(*events: Event, **more: object) -> Network:
    rules = (RateRule("x", parse("-k * x")), RateRule("y", parse("x - 0.5 * y * n")))
    return Network(
        "events",
        (Compartment("cell"),),
        (),
        (
            Parameter("x", 1.0, is_constant=False),
            Parameter("y", 0.0, is_constant=False),
            *(Parameter(id, value) for id, value in zip(IDS, AT, strict=True)),
        ),
        rules=rules,
        events=events,
        initial={"x": parse("start")},
        **more,  # type: ignore[arg-type]
    )


NETWORKS = {
    "plain": PLAIN,
    "time of an event": of_events(
        Event("e", parse("time >= size"), {"x": parse("x + k * y + time")})
    ),
    "state of an event": of_events(
        Event("e", parse("x < 0.5"), {"x": parse("2 * start"), "y": parse("y / n")})
    ),
    "switched rate": replace(
        of_events(),
        rules=(
            RateRule("x", parse("piecewise(k, time < size, -k * x)")),
            RateRule("y", parse("piecewise(x, x > 1.6, n * y)")),
        ),
    ),
    "algebraic": Network(
        "algebraic",
        (Compartment("cell"),),
        (),
        (
            Parameter("x", 1.0, is_constant=False),
            Parameter("y", 0.5, is_constant=False),
            *(Parameter(id, value) for id, value in zip(IDS, AT, strict=True)),
        ),
        rules=(
            RateRule("x", parse("-k * x + y")),
            AlgebraicRule(parse("y + y ^ 3 - n * x * size + start")),
        ),
    ),
}


def courses(network: Network, at: Floats, n: int, told: tuple[str, ...]) -> tuple[Floats, Floats]:
    """Values and slopes by every one of IDS, all directions beside one cell."""
    table = ParameterTable(IDS, at[None])
    found = tangent_courses(
        tangent(network, told, n), table, np.eye(len(IDS))[None, :, :n], np.linspace(0, 5, 8), TIGHT
    )
    return found.values[0], found.slopes[0]


@pytest.mark.requirement("K9")
@pytest.mark.parametrize("name", NETWORKS)
def test_slopes_are_those_of_the_course(name: str) -> None:
    network = NETWORKS[name]
    told = ("A", "B", "sum") if name == "plain" else ("x", "y")
    values, slopes = courses(network, AT, len(IDS), told)
    assert slopes.shape == (8, len(told), len(IDS))
    np.testing.assert_allclose(courses(network, AT, 0, told)[0], values, rtol=1e-7, atol=1e-9)
    for k in range(len(IDS)):
        step = np.zeros(len(IDS))
        step[k] = 1e-5
        high, low = (courses(network, AT + sign * step, 0, told)[0] for sign in (1, -1))
        expected = (high - low) / 2e-5
        scale = np.abs(slopes).max()
        np.testing.assert_allclose(slopes[:, :, k], expected, rtol=1e-4, atol=1e-5 * scale)


def test_the_time_of_an_event_matters() -> None:
    """Without the jump of the slopes they would be wrong by far: the fault is seen."""
    slopes = courses(NETWORKS["time of an event"], AT, 4, ("x", "y"))[1]
    assert abs(slopes[-1, 1, 3]) > 0.01


def test_what_has_no_slopes_is_named() -> None:
    late = Event("late", parse("x < 0.5"), {"x": parse("1")}, delay=Number(1.0))
    with pytest.raises(EngineError, match=r"'late'.*has a delay"):
        tangent(of_events(late), ("x",), 1)
    tangent(of_events(late), ("x",), 0)
    delayed = replace(of_events(), rules=(RateRule("x", parse("-delay(x, 1)")),))
    with pytest.raises(EngineError, match="has delays"):
        tangent(delayed, ("x",), 1)


def test_shapes_are_checked() -> None:
    made = tangent(of_events(), ("x",), 1)
    table = ParameterTable(("k",), np.ones((2, 1)))
    with pytest.raises(DataError, match=r"shape \(2, 1, 2\); expected \(2, 1, 1\)"):
        tangent_courses(made, table, np.zeros((2, 1, 2)), np.array([0.0, 1.0]), TIGHT)


def test_a_rate_that_is_no_number_is_named() -> None:
    bad = replace(of_events(), rules=(RateRule("x", parse("ln(-k)")),))
    with pytest.raises(EngineError, match="rate of change of 'x' is nan"):
        courses(bad, AT, 1, ("x",))
