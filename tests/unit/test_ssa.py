"""Stochastic simulators against exact distributions, and what they refuse."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.linalg import expm

from cellula.core.errors import DataError, EngineError
from cellula.core.expression import TIME, Expression, Number, Symbol, apply
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
from cellula.core.run import RunContext
from cellula.core.simulation import Dose, ParameterTable, Schedule, Trajectory
from cellula.io.infix import parse
from cellula.models.mechanistic.langevin import Langevin, LangevinOptions
from cellula.models.mechanistic.ssa import Ssa, SsaOptions
from cellula.models.mechanistic.tau_leaping import TauLeaping, TauLeapingOptions

CELLS = 2000
EXACT = [Ssa(SsaOptions()), Ssa(SsaOptions(method="next_reaction"))]
ALL = [*EXACT, TauLeaping(TauLeapingOptions()), Langevin(LangevinOptions())]


def reaction(id: str, before: str, after: str, rate: str, **more: Any) -> Reaction:
    sides = []
    for side in (before, after):
        names = side.split()
        sides.append(tuple(Participant(n, float(names.count(n))) for n in dict.fromkeys(names)))
    return Reaction(id, *sides, parse(rate), is_reversible=False, **more)


def network(
    counts: Mapping[str, float], reactions: tuple[Reaction, ...], **parameters: float
) -> Network:
    return Network(
        "toy",
        (Compartment("cell"),),
        tuple(Species(id, "cell", count, True, True) for id, count in counts.items()),
        tuple(Parameter(id, value) for id, value in parameters.items()),
        reactions,
    )


def simulate(
    simulator: Any,
    model: Network,
    run: RunContext,
    times: list[float],
    doses: tuple[Dose, ...] = (),
    cells: ParameterTable | None = None,
    n: int = CELLS,
) -> Trajectory:
    cells = cells or ParameterTable((), np.zeros((n, 0)))
    return simulator.simulate(model, cells, Schedule(doses), np.array(times), run)


def check_moments(counts: Any, mean: float, variance: float) -> None:
    """Mean and variance within 4 standard errors, the kurtosis being near that of a normal."""
    n = len(counts)
    assert abs(counts.mean() - mean) < 4 * np.sqrt(variance / n)
    assert abs(counts.var(ddof=1) - variance) < 4 * variance * np.sqrt(2.5 / n)


BIRTH_DEATH = network(
    {"X": 0}, (reaction("birth", "", "X", "k"), reaction("death", "X", "", "g * X")), k=40.0, g=0.5
)


@pytest.mark.requirement("K9", "S4")
@pytest.mark.parametrize("simulator", ALL, ids=lambda one: one.name)
def test_birth_and_death_is_poisson(simulator: Any, run: RunContext) -> None:
    found = simulate(simulator, BIRTH_DEATH, run, [0.0, 1.0, 4.0]).of("X")
    for place, time in ((1, 1.0), (2, 4.0)):
        mean = 80 * (1 - np.exp(-0.5 * time))
        check_moments(found[:, place], mean, mean)


def test_three_of_a_kind(run: RunContext) -> None:
    """From 3 molecules exactly one event can happen, at 6 c."""
    model = network({"X": 3}, (reaction("bind", "X X X", "", "c * X^3"),), c=0.1)
    left = simulate(EXACT[0], model, run, [0.0, 1.0]).of("X")[:, 1]
    p = np.exp(-0.6)
    check_moments(left / 3, p, p * (1 - p))


def dimerisation_law(start: int, c: float, time: float) -> tuple[float, float]:
    """Mean and variance of X in 2 X -> D with propensity c x (x - 1), by the master equation."""
    x = np.arange(start + 1)
    rate = c * x * (x - 1.0)
    generator = np.diag(-rate) + np.diag(rate[2:], 2)
    p = expm(generator * time)[:, start]
    return float(p @ x), float(p @ x**2 - (p @ x) ** 2)


@pytest.mark.parametrize("rate", ["c * X * (X - 1)", "c * X^2", "X * (-1 + X) * c", "c * X * X"])
@pytest.mark.parametrize("simulator", EXACT, ids=["direct", "next_reaction"])
def test_dimerisation_follows_the_master_equation(
    simulator: Any, rate: str, run: RunContext
) -> None:
    model = network({"X": 31, "D": 0}, (reaction("bind", "X X", "D", rate),), c=0.01)
    found = simulate(simulator, model, run, [0.0, 2.0])
    check_moments(found.of("X")[:, 1], *dimerisation_law(31, 0.01, 2.0))
    assert (found.of("X") + 2 * found.of("D") == 31).all()


@pytest.mark.parametrize("rate", ["k * A * cell", "cell * k * A", "cell * k * A / (1 + 0 * A)"])
def test_concentrations_are_counts_over_the_size(rate: str, run: RunContext) -> None:
    model = network({"A": 0, "B": 0}, (reaction("decay", "A", "B", rate),), k=0.7)
    species = (Species("A", "cell", 50.0), Species("B", "cell", 0.0))
    model = replace(model, species=species, compartments=(Compartment("cell", 4.0),))
    found = simulate(EXACT[0], model, run, [0.0, 1.0], (Dose(0.5, "A", 10.0, "add"),))
    p, late = np.exp(-0.7), np.exp(-0.35)
    check_moments(
        found.of("A")[:, 1] * 4, 200 * p + 40 * late, 200 * p * (1 - p) + 40 * late * (1 - late)
    )
    assert found.of("decay")[:, 0] == pytest.approx(0.7 * 50 * 4)


def test_functions_rules_and_many_reactions(run: RunContext) -> None:
    """A chain of 60 (a tree), rates through rules: each step is Poisson where it is linear."""
    steps = tuple(
        reaction(f"r{i}", f"X{i}", f"X{i + 1}", f"rate * X{i} * (1 + 0 * total)") for i in range(60)
    )
    counts = {f"X{i}": 100 * (i == 0) for i in range(61)}
    model = Network(
        "chain",
        (Compartment("cell"),),
        tuple(Species(id, "cell", count, True, True) for id, count in counts.items()),
        (Parameter("k", 2.0), Parameter("rate", None, False), Parameter("total", None, False)),
        steps,
        (
            AssignmentRule("rate", parse("k / 2")),
            AssignmentRule("total", parse("X0 + X1 + X2")),
        ),
    )
    for simulator in EXACT:
        found = simulate(simulator, model, run, [0.0, 1.0], n=500)
        check_moments(found.of("X0")[:, 1], 100 * np.exp(-1), 100 * np.exp(-1) * (1 - np.exp(-1)))
        assert (sum(found.of(f"X{i}") for i in range(61)) == 100).all()
        assert (found.of("total") == found.of("X0") + found.of("X1") + found.of("X2")).all()
        assert (found.of("rate") == 1).all()


SCHLOEGL = network(
    {"S": 2000, "E": 300, "C": 0, "P": 0},
    (
        reaction("on", "S E", "C", "k1 * S * E"),
        reaction("off", "C", "S E", "k2 * C"),
        reaction("turn", "C", "P E", "k3 * C"),
        reaction("hill", "P", "S", "v * P^2 / (K^2 + P^2)"),
    ),
    k1=0.002, k2=0.5, k3=1.0, v=120.0, K=400.0,
)  # fmt: skip


@pytest.mark.parametrize("simulator", ALL[2:], ids=lambda one: one.name)
def test_approximations_agree_with_exact_simulation(simulator: Any, run: RunContext) -> None:
    exact = simulate(EXACT[0], SCHLOEGL, run.child(1), [0.0, 1.0, 5.0], n=400).of("P")
    found = simulate(simulator, SCHLOEGL, run, [0.0, 1.0, 5.0], n=400)
    for place in (1, 2):
        one, two = exact[:, place], found.of("P")[:, place]
        assert abs(one.mean() - two.mean()) < 4 * np.sqrt((one.var() + two.var()) / 400)
        assert abs(np.log(one.var() / two.var())) < 4 * np.sqrt(2 * 2.5 / 400)
    total = sum(found.of(id) for id in ("S", "C", "P"))
    assert np.allclose(total, 2000, rtol=1e-9)
    assert all((found.of(id) >= 0).all() for id in "SECP")


@pytest.mark.parametrize("simulator", ALL, ids=lambda one: one.name)
def test_few_molecules_are_never_negative(simulator: Any, run: RunContext) -> None:
    model = network(
        {"A": 3, "B": 2, "C": 0}, (reaction("bind", "A B", "C", "50 * A * B"),
        reaction("free", "C", "A B", "5 * C"))
    )  # fmt: skip
    found = simulate(simulator, model, run, [0.0, 0.01, 1.0], n=200)
    assert all((found.of(id) >= 0).all() for id in "ABC")
    assert np.allclose(found.of("A") + found.of("C"), 3)


def test_events_at_known_times(run: RunContext) -> None:
    model = replace(
        BIRTH_DEATH,
        parameters=(Parameter("k", 0.0, False), Parameter("g", 0.0), Parameter("at", 2.0)),
        events=(
            Event("fill", parse("time >= at"), {"X": parse("X + 7"), "k": Number(0.0)}),
            Event("start", parse("time > 0"), {"X": Number(5.0)}),
            Event("late", parse("time > 1 && time < 8"), {"X": parse("2 * X")}, delay=Number(3.0),
                  uses_trigger_values=False),
        ),
    )  # fmt: skip
    cells = ParameterTable(("at",), np.array([[2.0], [3.5], [4.5]]))
    found = simulate(EXACT[0], model, run, [0.0, 1.0, 3.0, 4.2, 6.0], cells=cells).of("X")
    assert found.tolist() == [[5, 5, 12, 24, 24], [5, 5, 5, 24, 24], [5, 5, 5, 10, 17]]


def test_doses_of_parameters_and_at_the_ends(run: RunContext) -> None:
    model = replace(BIRTH_DEATH, parameters=(Parameter("k", 0.0), Parameter("g", 0.0)))
    doses = (Dose(0.0, "X", 3.0, "add"), Dose(1.0, "k", 100.0), Dose(2.0, "k", 0.0),
             Dose(3.0, "X", 2.0, "scale"))  # fmt: skip
    found = simulate(EXACT[0], model, run, [0.0, 0.5, 2.0, 3.0], doses)
    assert (found.of("X")[:, :2] == 3).all()
    check_moments(found.of("X")[:, 2], 103.0, 100.0)
    assert (found.of("X")[:, 3] == 2 * found.of("X")[:, 2]).all()
    assert found.of("k")[0].tolist() == [0, 0, 0, 0]


def test_fractions_are_refused_or_rounded(run: RunContext) -> None:
    model = network({"A": 2.3}, (reaction("decay", "A", "", "k * A"),), k=0.0)
    with pytest.raises(DataError, match=r"'A' is 2\.3 at the start in cell 0, no whole number"):
        simulate(EXACT[0], model, run, [0.0])
    near = simulate(Ssa(SsaOptions(fractions="nearest")), model, run, [0.0, 1.0]).of("A")
    assert (near == 2).all()
    chance = simulate(Ssa(SsaOptions(fractions="random")), model, run, [0.0, 1.0]).of("A")
    assert set(np.unique(chance)) == {2, 3}
    assert abs(chance[:, 0].mean() - 2.3) < 4 * np.sqrt(0.21 / CELLS)
    with pytest.raises(DataError, match="is -1 after the dose of 'A'"):
        simulate(
            Ssa(SsaOptions(fractions="nearest")), model, run, [0.0, 1.0], (Dose(0.5, "A", -1.0),)
        )


def test_moles_need_a_number_of_molecules(run: RunContext) -> None:
    model = network({"A": 2.0}, (reaction("decay", "A", "", "k * A"),), k=0.5)
    model = replace(model, units={"substance": "mole"})
    with pytest.raises(DataError, match="molecules_per_unit"):
        simulate(EXACT[0], model, run, [0.0])
    simulator = Ssa(SsaOptions(molecules_per_unit=100.0))
    found = simulate(simulator, model, run, [0.0, 1.0]).of("A") * 100
    p = np.exp(-0.5)
    check_moments(found[:, 1], 200 * p, 200 * p * (1 - p))


def with_rate(rate: Expression, **more: Any) -> Network:
    made = replace(BIRTH_DEATH.reactions[0], rate=rate, **more)
    return replace(BIRTH_DEATH, reactions=(made, BIRTH_DEATH.reactions[1]))


FREE = (Parameter("k", 40.0, False), Parameter("g", 0.5, False))
REFUSED: dict[str, tuple[Network, str]] = {
    "rate rule": (
        replace(BIRTH_DEATH, parameters=FREE, rules=(RateRule("k", Number(1.0)),)),
        "rate rule of 'k'",
    ),
    "algebraic": (replace(BIRTH_DEATH, rules=(AlgebraicRule(Symbol("k")),)), "an algebraic rule"),
    "ruled species": (
        replace(BIRTH_DEATH, rules=(AssignmentRule("X", TIME),)),
        "'X' follows an assignment rule and is changed",
    ),
    "time": (with_rate(parse("k * time")), "reaction 'birth' depends on the time"),
    "no rate": (with_rate(None), "reaction 'birth' has no rate"),  # type: ignore[arg-type]
    "fast": (with_rate(Symbol("k"), is_fast=True), "reaction 'birth' is fast"),
    "reversible": (
        with_rate(parse("cell * (k * X - g * X^2)"), is_reversible=True),
        "reaction 'birth' is reversible",
    ),
    "half a molecule": (
        with_rate(Symbol("k"), products=(Participant("X", 0.5),)),
        "reaction 'birth' changes 'X' by 0.5",
    ),
    "delay": (with_rate(apply("delay", Symbol("k"), 1)), "has delay"),
    "event on the state": (
        replace(BIRTH_DEATH, events=(Event("e", parse("X > 5"), {"X": Number(0.0)}),)),
        "event 'e' depends on the state",
    ),
    "event on a wave": (
        replace(BIRTH_DEATH, events=(Event("e", parse("sin(time) > 0"), {"X": Number(0.0)}),)),
        "event 'e' is no comparison of the time",
    ),
    "loop": (
        replace(
            BIRTH_DEATH,
            parameters=FREE,
            rules=(AssignmentRule("k", Symbol("g")), AssignmentRule("g", Symbol("k"))),
        ),
        "in a loop",
    ),
    "no value": (
        replace(BIRTH_DEATH, parameters=(Parameter("k", None), FREE[1])),
        "'k' of network 'toy' has no value",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_has_no_stochastic_meaning_is_refused_by_name(case: str, run: RunContext) -> None:
    model, words = REFUSED[case]
    with pytest.raises(DataError, match=words):
        simulate(EXACT[0], model, run, [0.0, 1.0], n=1)


@pytest.mark.parametrize("simulator", ALL, ids=lambda one: one.name)
def test_a_negative_rate_names_cell_time_and_reaction(simulator: Any, run: RunContext) -> None:
    with pytest.raises(EngineError, match=r"cell 0 at time .* reaction 'birth' is negative"):
        simulate(simulator, with_rate(parse("5.5 - X")), run, [0.0, 50.0], n=1)


@pytest.mark.parametrize("simulator", EXACT, ids=["direct", "next_reaction"])
def test_an_event_without_reactants_and_an_explosion_are_told(
    simulator: Any, run: RunContext
) -> None:
    model = network({"A": 2}, (reaction("leak", "A", "", "k"),), k=5.0)
    with pytest.raises(EngineError, match="reaction 'leak' happened without enough"):
        simulate(simulator, model, run, [0.0, 50.0], n=1)
    bounded = type(simulator)(simulator.options.model_copy(update={"max_steps": 1000}))
    model = network({"A": 2}, (reaction("grow", "A", "A A", "k * A"),), k=5.0)
    with pytest.raises(EngineError, match=r"1000 steps are used up.*max_steps"):
        simulate(bounded, model, run, [0.0, 50.0], n=1)


@pytest.mark.parametrize(
    ("times", "doses", "cells", "words"),
    [
        ([0.0, 0.0], (), None, "do not ascend"),
        ([0.0, np.nan], (), None, "finite"),
        ([1.0, 2.0], (Dose(0.5, "X", 1.0),), None, "before the start"),
        ([0.0], (), ParameterTable(("birth",), np.ones((1, 1))), "'birth' follows from others"),
        ([0.0], (), ParameterTable(("X", "X"), np.ones((1, 2))), "given twice"),
        ([0.0], (), ParameterTable(("k",), np.full((1, 1), np.nan)), "'k' starts as nan in cell 0"),
    ],
)
def test_bad_input_is_named(
    times: list[float], doses: Any, cells: Any, words: str, run: RunContext
) -> None:
    with pytest.raises(DataError, match=words):
        simulate(EXACT[0], BIRTH_DEATH, run, times, doses, cells, n=1)
