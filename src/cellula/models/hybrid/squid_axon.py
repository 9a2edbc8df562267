"""The squid's giant axon, written from the paper, and traces of it under current steps.

C dV/dt = I - g_Na m^3 h (V - E_Na) - g_K n^4 (V - E_K) - g_L (V - E_L) [hodgkin1952]_, in mV, ms,
uA/cm2, mS/cm2 and uF/cm2, with rest near -65 mV.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from cellula.core.expression import TIME, Expression, Symbol, apply
from cellula.core.network import AssignmentRule, Network, Parameter, RateRule, Rule
from cellula.core.run import RunContext
from cellula.core.simulation import ParameterTable, Schedule
from cellula.models.mechanistic.ode import Ode
from cellula.models.mechanistic.solver import SolverOptions

__all__ = ["CONSTANTS", "CurrentStep", "Traces", "recorded", "squid_axon"]

Floats = NDArray[np.float64]
#: Conductances in mS/cm2, potentials in mV, capacitance in uF/cm2.
CONSTANTS = {
    "C": 1.0, "g_Na": 120.0, "g_K": 36.0, "g_L": 0.3, "E_Na": 50.0, "E_K": -77.0, "E_L": -54.387,
}  # fmt: skip
REST = -65.0


@final
@dataclass(frozen=True, slots=True)
class CurrentStep:
    """``amplitude`` (uA/cm2) from ``begin`` to ``end`` (ms); g_Na and g_K times what is open."""

    amplitude: float
    begin: float = 2.0
    end: float = 18.0
    open_na: float = 1.0
    open_k: float = 1.0


@final
@dataclass(frozen=True, slots=True)
class Traces:
    """What was recorded: times (times,) in ms, evenly apart; current and v (steps, times)."""

    steps: tuple[CurrentStep, ...]
    times: Floats
    current: Floats
    v: Floats


def squid_axon() -> Network:
    """The axon with a step of current ``amplitude`` from ``begin`` to ``end``."""
    v = Symbol("V")
    rates = {
        "alpha_m": _linoid(0.1, 40.0, 10.0),
        "beta_m": _exponential(4.0, 65.0, -18.0),
        "alpha_h": _exponential(0.07, 65.0, -20.0),
        "beta_h": apply("divide", 1, apply("plus", 1, _exponential(1.0, 35.0, -10.0))),
        "alpha_n": _linoid(0.01, 55.0, 10.0),
        "beta_n": _exponential(0.125, 65.0, -80.0),
    }
    rules: list[Rule] = [AssignmentRule(id, one) for id, one in rates.items()]
    gates = {id: (Symbol(f"alpha_{id}"), Symbol(f"beta_{id}")) for id in "mhn"}
    initial: dict[str, Expression] = {}
    for id, (alpha, beta) in gates.items():
        opening = apply("times", alpha, apply("minus", 1, Symbol(id)))
        rules.append(RateRule(id, apply("minus", opening, apply("times", beta, Symbol(id)))))
        initial[id] = apply("divide", alpha, apply("plus", alpha, beta))
    is_on = apply("and", apply("geq", TIME, Symbol("begin")), apply("lt", TIME, Symbol("end")))
    rules.append(AssignmentRule("I", apply("piecewise", Symbol("amplitude"), is_on, 0)))
    conductances: dict[str, Expression] = {
        "Na": apply("times", Symbol("g_Na"), apply("power", Symbol("m"), 3), Symbol("h")),
        "K": apply("times", Symbol("g_K"), apply("power", Symbol("n"), 4)),
        "L": Symbol("g_L"),
    }
    for id, conductance in conductances.items():
        force = apply("minus", v, Symbol(f"E_{id}"))
        rules.append(AssignmentRule(f"i_{id}", apply("times", conductance, force)))
    total = apply("plus", *(Symbol(f"i_{id}") for id in conductances))
    rules.append(RateRule("V", apply("divide", apply("minus", Symbol("I"), total), Symbol("C"))))
    fixed = CONSTANTS | {"amplitude": 10.0, "begin": 2.0, "end": 18.0}
    changing = {"V": REST, **dict.fromkeys((*rates, *"mhn", "I", "i_Na", "i_K", "i_L"))}
    parameters = [Parameter(id, value) for id, value in fixed.items()]
    parameters += [Parameter(id, value, is_constant=False) for id, value in changing.items()]
    units = {"time": "millisecond"}
    return Network(
        "squid_axon", parameters=tuple(parameters), rules=tuple(rules), initial=initial, units=units
    )


def recorded(
    steps: Sequence[CurrentStep], end: float, step: float, noise: float, run: RunContext
) -> Traces:
    """The axon's voltage under current steps, every ``step`` ms until ``end``, by the solver.

    noise: the standard deviation in mV of what is added to every value, from the run's stream.
    """
    times: Floats = np.arange(round(end / step) + 1, dtype=np.float64) * step
    ids = ("amplitude", "begin", "end", "g_Na", "g_K")
    rows = [
        (s.amplitude, s.begin, s.end, CONSTANTS["g_Na"] * s.open_na, CONSTANTS["g_K"] * s.open_k)
        for s in steps
    ]
    solver = Ode(SolverOptions(rtol=1e-7, atol=1e-9, max_steps=100_000, max_step=None))
    cells = ParameterTable(ids, np.array(rows))
    course = solver.simulate(squid_axon(), cells, Schedule(), times, run)
    v = course.of("V") + noise * run.rng.normal(size=(len(steps), len(times)))
    current = np.array(
        [
            np.where((times >= s.begin - 1e-9) & (times < s.end - 1e-9), s.amplitude, 0)
            for s in steps
        ]
    )
    return Traces(tuple(steps), times, current, v)


def _linoid(rate: float, shift: float, width: float) -> Expression:
    """Rate (V + shift) / (1 - exp(-(V + shift) / width)), and its limit where V is -shift."""
    u = apply("divide", apply("plus", Symbol("V"), shift), width)
    near = apply("times", rate * width, apply("plus", 1, apply("divide", u, 2)))
    below = apply("minus", 1, apply("exp", apply("minus", u)))
    far = apply("divide", apply("times", rate * width, u), below)
    return apply("piecewise", near, apply("lt", apply("abs", u), 1e-6), far)


def _exponential(rate: float, shift: float, width: float) -> Expression:
    """Rate exp((V + shift) / width)."""
    u = apply("divide", apply("plus", Symbol("V"), shift), width)
    return apply("times", rate, apply("exp", u))
