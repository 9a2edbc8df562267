"""How far physics-informed networks get: errors against exact and plain solutions, printed."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cellula.core.expression import Number, Symbol
from cellula.core.physics import Boundary, Field, Measured, PhysicsProblem, Unknown
from cellula.core.run import run_context
from cellula.io.infix import parse
from cellula.models.hybrid.constraint_sweep import Truth, constraint_sweep, relative_error
from cellula.models.hybrid.exact import exact_solution
from cellula.models.hybrid.method_of_lines import plain_solution
from cellula.models.hybrid.network_problem import problem_of
from cellula.models.hybrid.physics_estimates import ensemble_estimates, plain_estimates
from cellula.models.hybrid.physics_informed import PhysicsInformed
from cellula.models.hybrid.physics_options import PhysicsOptions
from cellula.models.hybrid.squid_axon import squid_axon

WAVE = "(1 + exp(({place} - 5 * time / sqrt(6)) / sqrt(6)))^(-2)"


def heat() -> PhysicsProblem:
    zero = Boundary("value", Number(0.0))
    start = parse("sin(pi * x) + 0.5 * sin(3 * pi * x)")
    exact = parse(
        "exp(-pi^2 * D * time) * sin(pi * x) + 0.5 * exp(-9 * pi^2 * D * time) * sin(3 * pi * x)"
    )
    field = Field("u", Number(0.0), start, Symbol("D"), zero, zero, exact)
    return PhysicsProblem("heat", (field,), (0.0, 0.5), (0.0, 1.0), {"D": 0.4})


def fisher() -> PhysicsProblem:
    """The wave of advance at the one speed at which it has a closed form."""
    left, right = (Boundary("value", parse(WAVE.format(place=at))) for at in ("-5", "15"))
    start, exact = parse("(1 + exp(x / sqrt(6)))^(-2)"), parse(WAVE.format(place="x"))
    field = Field("u", parse("u * (1 - u)"), start, Number(1.0), left, right, exact)
    return PhysicsProblem("fisher", (field,), (0.0, 4.0), (-5.0, 15.0))


def two_compartments(folder: Path) -> PhysicsProblem:
    """An oral dose, ten plasma concentrations with 10 % noise; ka = 1.2 and ke = 0.25 sought."""
    rates = {
        "gut": "-ka * gut",
        "central": "ka * gut - (ke + k12) * central + k21 * peripheral",
        "peripheral": "k12 * central - k21 * peripheral",
    }
    fields = tuple(
        Field(id, parse(rate), Number(10.0 if id == "gut" else 0.0), scale=5.0)
        for id, rate in rates.items()
    )
    sought = (Unknown("ka", 0.1, 10.0, True), Unknown("ke", 0.02, 2.0, True))
    known = {"k12": 0.3, "k21": 0.2}
    given = PhysicsProblem("two_compartments", fields, (0.0, 12.0), None, known, sought)
    times = np.array([0.25, 0.5, 1, 1.5, 2, 3, 4, 6, 8, 12])
    truth = plain_solution(given, {"ka": 1.2, "ke": 0.25}, times, run_context(0, folder))[:, 0, 1]
    sigma = 0.1 * truth + 0.02
    values = truth + sigma * np.random.default_rng(1).normal(size=len(times))
    rows = zip(times.tolist(), values.tolist(), sigma.tolist(), strict=True)
    return replace(given, data=tuple(Measured("central", t, v, s) for t, v, s in rows))


@pytest.mark.slow
@pytest.mark.requirement("K9")
@pytest.mark.parametrize(("problem", "bound"), [(heat(), 1e-3), (fisher(), 5e-3)], ids=lambda p: "")
def test_a_partial_differential_equation(
    problem: PhysicsProblem, bound: float, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    begin, run = time.process_time(), run_context(0, tmp_path)
    options = PhysicsOptions(adam_steps=500 if problem.id == "heat" else 200, lbfgs_steps=1000)
    found = PhysicsInformed(options).solve(problem, run)
    spent = time.process_time() - begin
    assert problem.place is not None
    times, places = np.linspace(*problem.time, 51), np.linspace(*problem.place, 101)
    exact = exact_solution(problem, {}, times, places)
    assert exact is not None
    error = relative_error(found.field(times, places), exact)
    plain = relative_error(plain_solution(problem, {}, times, run, nodes=101), exact)
    with capsys.disabled():
        print(
            f"\n| {problem.id} | {error:.1e} | {plain:.1e} | {found.residual:.1e} | {spent:.0f} |"
        )
    assert error < bound


@pytest.mark.slow
@pytest.mark.requirement("K9")
def test_two_compartments(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    problem, run = two_compartments(tmp_path), run_context(0, tmp_path)
    options = PhysicsOptions(
        widths=(16, 16), points=120, adam_steps=300, lbfgs_steps=200, data_weight=1e3, ramp=4
    )
    networks = ensemble_estimates(PhysicsInformed(options), problem, 5, run)
    with capsys.disabled():
        print()
        for way, told in (("network", networks), ("plain", plain_estimates(problem, run))):
            for one in told:
                interval = f"{one.lower:.3f} to {one.upper:.3f}"
                print(f"| {one.id} | {way} | {one.value:.3f} | {interval} | {one.n} |")


@pytest.mark.slow
@pytest.mark.requirement("K4")
def test_the_weight_of_the_equations(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    problem, run = two_compartments(tmp_path), run_context(0, tmp_path)
    times = np.linspace(*problem.time, 49)
    known = plain_solution(problem, {"ka": 1.2, "ke": 0.25}, times, run)
    options = PhysicsOptions(
        widths=(16, 16), points=120, adam_steps=300, lbfgs_steps=400, data_weight=1e3
    )
    weights = (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0)
    found = constraint_sweep(
        PhysicsInformed(options), problem, weights, Truth(times, None, known), run
    )
    with capsys.disabled():
        print()
        for one in found:
            told = " | ".join(f"{value:.3f}" for value in one.estimates.values())
            errors = f"{one.error:.3f} | {one.residual:.2e} | {one.data:.2f}"
            print(f"| {one.weight:g} | {errors} | {told} |")


@pytest.mark.slow
@pytest.mark.requirement("K9")
def test_a_spike(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Hodgkin and Huxley's equations, stiff, in windows; what is told is how far it is off."""
    network = squid_axon()
    always = {"begin": 0.0, "end": 100.0}
    parameters = tuple(
        replace(one, value=always.get(one.id, one.value)) for one in network.parameters
    )
    problem = problem_of(replace(network, parameters=parameters), (0.0, 12.0))
    scales = tuple(replace(one, scale=50.0 if one.id == "V" else 1.0) for one in problem.fields)
    problem, run = replace(problem, fields=scales), run_context(0, tmp_path)
    times = np.linspace(0, 12, 241)
    truth = plain_solution(problem, {}, times, run)[:, 0, problem.ids.index("V")]
    options = PhysicsOptions(
        widths=(20, 20), points=60, windows=12, adam_steps=100, lbfgs_steps=150
    )
    begin = time.process_time()
    v = PhysicsInformed(options).solve(problem, run).field(times)[:, 0, problem.ids.index("V")]
    error = float(np.sqrt(np.square(v - truth).mean()))
    with capsys.disabled():
        print(
            f"\n| {error:.1f} mV | {v.max():.1f} of {truth.max():.1f} mV | "
            f"{times[v.argmax()]:.2f} of {times[truth.argmax()]:.2f} ms | "
            f"{time.process_time() - begin:.0f} |"
        )
