"""Myokit: its files, formulas in its words, networks as its models, what it refuses."""

from __future__ import annotations

import math
import pickle
from dataclasses import replace
from pathlib import Path

import myokit
import numpy as np
import pytest

from cellula.core import registry
from cellula.core.errors import DataError, EngineError, MissingExtra
from cellula.core.evaluation import evaluate
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
from cellula.engines.myokit.formula import formula_text
from cellula.engines.myokit.program import program
from cellula.engines.myokit.reader import Mmt
from cellula.engines.myokit.simulator import Myokit, MyokitOptions
from cellula.models.mechanistic.stimulus import own_pulses, stimulus_of, voltage_of
from cellula.testing.simulator import decay

#: A cell that is paced by its own protocol.
CELL = """[[model]]
name: relaxing
membrane.V = -80

[engine]
pace = 0 bind pace
time = 0 [ms] bind time
    in [ms]

[membrane]
i_stim = engine.pace * amplitude
    in [mV/ms]
amplitude = 2 [mV/ms]
    in [mV/ms]
dot(V) = i_stim - (V + 80 [mV]) / 10 [ms]
    in [mV]

[[protocol]]
# Level  Start    Length   Period   Multiplier
1.0      100.0    0.5      1000.0   0
"""
X, Y = Symbol("x"), Symbol("y")
NOBODY = ParameterTable((), np.zeros((1, 0)))


def engine() -> Myokit:
    return Myokit(MyokitOptions(rtol=1e-9, atol=1e-11))


def simulated(network: Network, run: RunContext, doses: Schedule | None = None) -> Trajectory:
    times = np.array([0.5, 1.0, 2.0, 3.0])
    try:
        return engine().simulate(network, NOBODY, doses or Schedule(), times, run)
    except MissingExtra as missing:
        pytest.skip(str(missing))


def test_a_file_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "cell.mmt"
    path.write_text(CELL)
    network = Mmt().read(path)
    assert network.units["time"] == "0.001 second"
    voltage, stimulus = voltage_of(network), stimulus_of(network)
    assert voltage == "membrane.V"
    found = own_pulses(network, stimulus)
    assert found is not None
    assert (found.period, found.start, found.duration, found.level) == (1000.0, 100.0, 0.5, 2.0)
    for text, words in (
        (CELL.replace("[[model]]\n", ""), "no whole Myokit model"),
        ("[[script]]\nprint(1)\n", r"no \[\[model\]\]"),
        (CELL.replace("V + 80", "W + 80"), "no whole Myokit model"),
    ):
        path.write_text(text)
        with pytest.raises(DataError, match=words):
            Mmt().read(path)
    with pytest.raises(DataError, match="cannot be read"):
        Mmt().read(tmp_path / "absent.mmt")
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(DataError, match="is no text"):
        Mmt().read(path)


ONE = ("exp", "ln", "abs", "ceiling", "floor", "sin", "cos", "tan", "arcsin", "arccos", "arctan")
MORE_OF_ONE = ("sec", "csc", "cot", "sinh", "cosh", "tanh", "minus", "not")
TWO = ("plus", "times", "minus", "divide", "power", "root", "log", "rem", "quotient")
TRUTHS = ("eq", "neq", "gt", "lt", "geq", "leq", "and", "or", "xor", "implies", "max", "min")


@pytest.mark.parametrize("function", [*ONE, *MORE_OF_ONE, *TWO, *TRUTHS])
def test_a_formula_means_the_same(function: str) -> None:
    formula = apply(function, X) if function in ONE + MORE_OF_ONE else apply(function, X, Y)
    same_sign = [(0.3, 0.7), (0.7, 0.3), (0.4, 0.4)]
    others = [(-0.3, 0.7), (0.7, -0.3)] if function in {*TRUTHS, "rem", "quotient"} else []
    for x, y in same_sign + others:
        text = formula_text(formula, {"x": f"({x!r})", "y": f"({y!r})"}, "0")
        found = myokit.parse_expression(text).eval()
        wanted = float(evaluate(formula, {"x": x, "y": y}, 0.0))
        assert found == pytest.approx(wanted, rel=1e-14), (text, x, y)


def test_cases_and_empty_functions() -> None:
    cases = apply("piecewise", 1.0, apply("gt", X, 1.0), 2.0, apply("gt", X, 0.0), 3.0)
    for x, wanted in ((2.0, 1.0), (0.5, 2.0), (-1.0, 3.0)):
        assert myokit.parse_expression(formula_text(cases, {"x": repr(x)}, "0")).eval() == wanted
    for name, wanted in (("plus", 0.0), ("times", 1.0), ("and", 1.0), ("or", 0.0)):
        assert myokit.parse_expression(formula_text(apply(name), {}, "0")).eval() == wanted
    assert formula_text(TIME, {}, "time") == "time"


@pytest.mark.parametrize(
    ("formula", "words"),
    [
        (apply("delay", X, 1.0), "no function 'delay'"),
        (apply("factorial", X), "no function 'factorial'"),
        (Number(math.inf), "no number inf"),
        (apply("piecewise", 1.0, apply("gt", X, 1.0)), "no value for all other cases"),
    ],
)
def test_what_it_has_no_words_for(formula: Expression, words: str) -> None:
    with pytest.raises(EngineError, match=words):
        formula_text(formula, {"x": "x"}, "time")


def mixed() -> Network:
    """A concentration in 2 litres, an amount, a rule, a rate rule, an initial value, a clock."""
    flow = apply("times", Symbol("k"), Symbol("A"), Symbol("cell"))
    return Network(
        "mixed",
        (Compartment("cell", 2.0),),
        (
            Species("A", "cell", 3.0),
            Species("B", "cell", 1.0, is_amount=True, initial_is_amount=True),
        ),
        (
            Parameter("k", 0.5),
            Parameter("double", None, False),
            Parameter("told", None, False),
            Parameter("late", None, False),
            Parameter("w", None, False),
            Parameter("idle", None),
        ),
        (Reaction("flow", (Participant("A"),), (Participant("B", 2.0),), flow),),
        (
            AssignmentRule("double", apply("times", 2.0, Symbol("k"))),
            AssignmentRule("told", apply("plus", Symbol("A"), Symbol("B"))),
            AssignmentRule("late", apply("times", 3.0, TIME)),
            RateRule("w", apply("minus", Symbol("double"))),
        ),
        initial={"w": apply("plus", Symbol("k"), 1.0)},
    )


def test_a_network_of_all_kinds_is_that_of_ours(run: RunContext) -> None:
    doses = Schedule(
        (Dose(1.0, "A", 2.0, "add"), Dose(1.0, "k", 0.5, "scale"), Dose(2.5, "w", 0.0))
    )
    found = simulated(mixed(), run, doses)
    ours = registry.create("simulator", "ode", {"rtol": 1e-9, "atol": 1e-11})
    wanted = ours.simulate(mixed(), NOBODY, doses, found.times, run)
    assert found.ids == mixed().ids
    np.testing.assert_allclose(found.values, wanted.values, rtol=1e-6)
    assert np.isnan(found.of("idle")).all()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"events": (Event("e", apply("gt", TIME, 1.0), {"w": Number(0.0)}),)}, "has no events"),
        ({"rules": (AlgebraicRule(Symbol("w")),), "initial": {}}, "has no algebraic rules"),
        ({"conversion_factor": "k"}, "has no conversion factors"),
        ({"reactions": (replace(mixed().reactions[0], rate=None),)}, "without a rate"),
        ({"reactions": (replace(mixed().reactions[0], is_fast=True),)}, "no fast reactions"),
    ],
)
def test_what_it_refuses(change: dict[str, object], words: str) -> None:
    with pytest.raises(EngineError, match=words):
        program(replace(mixed(), **change), "myokit")  # type: ignore[arg-type]


def test_no_solution_says_where(run: RunContext) -> None:
    square = replace(
        decay(),
        reactions=(replace(decay().reactions[0], reactants=(), products=(Participant("A", 9.0),),
                           rate=apply("times", Symbol("A"), Symbol("A"))),),
    )  # fmt: skip
    with pytest.raises(EngineError, match=r"no solution of cell 0 beyond time"):
        simulated(square, run)


def test_a_machine_without_a_compiler(monkeypatch: pytest.MonkeyPatch, run: RunContext) -> None:
    def fails(*_: object) -> None:
        raise myokit.CompilationError("fatal error: cvodes/cvodes.h: No such file or directory")

    monkeypatch.setattr("cellula.engines.myokit.simulator._SIMULATION", fails)
    with pytest.raises(MissingExtra, match=r"apt-get install gcc libc6-dev libsundials-dev"):
        engine().simulate(decay(), NOBODY, Schedule(), np.array([0.0, 1.0]), run)


def test_what_is_compiled_does_not_travel() -> None:
    copy = pickle.loads(pickle.dumps(engine()))
    assert copy.options == engine().options
