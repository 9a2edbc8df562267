"""Fast reactions keep their equilibrium while the rest moves on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cellula.core.errors import DataError, EngineError, NotConverged
from cellula.core.network import (
    AssignmentRule,
    Compartment,
    Event,
    Network,
    Parameter,
    Participant,
    Reaction,
    Species,
)
from cellula.core.run import RunContext
from cellula.core.simulation import Dose, ParameterTable, Schedule
from cellula.io.infix import parse
from cellula.models.mechanistic.ode import Ode
from cellula.models.mechanistic.solver import SolverOptions

TIMES = np.linspace(0.0, 2.0, 5)
ALONE = ParameterTable((), np.zeros((1, 0)))


def reaction(id: str, left: str, right: str, rate: str, is_fast: bool = False) -> Reaction:
    parts = [tuple(Participant(one) for one in side.split()) for side in (left, right)]
    return Reaction(id, parts[0], parts[1], parse(rate), is_fast=is_fast)


def chain(fast: str = "k * A - B", *more: Parameter) -> Network:
    """A and B in a fast equilibrium B = k A, and B decays slowly."""
    return Network(
        "chain",
        (Compartment("cell"),),
        tuple(Species(id, "cell", value) for id, value in (("A", 3.0), ("B", 0.0), ("C", 0.0))),
        (Parameter("k", 2.0), Parameter("d", 0.6), *more),
        (
            reaction("exchange", "A", "B", fast, is_fast=True),
            reaction("decay", "B", "C", "d * B"),
        ),
    )


def ode() -> Ode:
    return Ode(SolverOptions(rtol=1e-8))


def test_the_equilibrium_holds_and_the_rest_follows_it(run: RunContext) -> None:
    """A + B = T decays by T' = -d k / (1 + k) T."""
    cells = ParameterTable(("k", "A"), np.array([[2.0, 3.0], [0.5, 1.0]]))
    found = ode().simulate(chain(), cells, Schedule(), TIMES, run)
    k, total = cells.values[:, :1], cells.values[:, 1:]
    left = total * np.exp(-0.6 * k / (1 + k) * TIMES)
    np.testing.assert_allclose(found.of("A"), left / (1 + k), rtol=1e-6)
    np.testing.assert_allclose(found.of("B"), left * k / (1 + k), rtol=1e-6)
    np.testing.assert_allclose(
        found.of("A") + found.of("B") + found.of("C"), total + 0 * left, rtol=1e-9
    )


def test_a_dose_is_shared_at_once(run: RunContext) -> None:
    found = ode().simulate(chain(), ALONE, Schedule((Dose(1.0, "A", 6.0, "add"),)), TIMES, run)
    after = 3 * np.exp(-0.4) + 6
    assert found.of("B")[0, 2] == pytest.approx(after * 2 / 3, rel=1e-6)
    assert found.of("B")[0, 4] == pytest.approx(after * 2 / 3 * np.exp(-0.4), rel=1e-6)


def test_an_event_may_begin_the_fast_reaction(run: RunContext) -> None:
    begun = replace(
        chain("on * (k * A - B)", Parameter("on", 0.0, is_constant=False)),
        events=(Event("begin", parse("time > 0.9"), {"on": parse("1")}),),
    )
    found = ode().simulate(begun, ALONE, Schedule(), TIMES, run)
    np.testing.assert_allclose(found.of("A")[0, :2], 3.0)
    assert found.of("A")[0, 2] == pytest.approx(np.exp(-0.4 * 0.1), rel=1e-6)


def test_what_cannot_be_is_named(run: RunContext) -> None:
    with pytest.raises(NotConverged, match="'A' went from"):
        ode().simulate(chain("-1"), ALONE, Schedule(), TIMES, run)
    with pytest.raises(EngineError, match="'exchange' is fast and its rate names that of 'decay'"):
        ode().simulate(chain("A - decay"), ALONE, Schedule(), TIMES, run)
    late = replace(
        chain(),
        parameters=(*chain().parameters, Parameter("late", None, is_constant=False)),
        rules=(AssignmentRule("late", parse("delay(A, 1)")),),
    )
    with pytest.raises(EngineError, match="fast reactions beside delays"):
        ode().simulate(late, ALONE, Schedule(), TIMES, run)
    missing = replace(chain(), parameters=(Parameter("k", None), Parameter("d", 0.6)))
    with pytest.raises(DataError, match="no value of k"):
        ode().simulate(missing, ALONE, Schedule(), TIMES, run)
