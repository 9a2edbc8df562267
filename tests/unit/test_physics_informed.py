"""Physics-informed networks: solved against exact solutions, unknowns found, faults named."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from cellula.core.errors import DataError, NotConverged
from cellula.core.expression import Number, Symbol
from cellula.core.physics import Boundary, Field, LearnedTerm, Measured, PhysicsProblem, Unknown
from cellula.core.run import RunContext, run_context
from cellula.io.infix import parse
from cellula.models.hybrid.jet import JetNetwork, Points
from cellula.models.hybrid.method_of_lines import plain_solution
from cellula.models.hybrid.physics_informed import PhysicsInformed, PhysicsSolution
from cellula.models.hybrid.physics_options import PhysicsOptions

TIMES = np.linspace(0, 1, 21)
PLACES = np.linspace(0, 1, 33)


def heat(**changes: object) -> PhysicsProblem:
    """A sine that decays: u = exp(-pi^2 D t) sin(pi x)."""
    zero = Boundary("value", Number(0.0))
    field = Field("u", Number(0.0), parse("sin(pi * x)"), Symbol("D"), zero, zero)
    given = PhysicsProblem("heat", (field,), (0.0, 1.0), (0.0, 1.0), {"D": 0.1})
    return replace(given, **changes)  # type: ignore[arg-type]


def decay(**changes: object) -> PhysicsProblem:
    """u' = -k u from 2."""
    field = Field("u", parse("-k * u"), Number(2.0))
    given = PhysicsProblem("decay", (field,), (0.0, 1.0), parameters={"k": 1.5})
    return replace(given, **changes)  # type: ignore[arg-type]


def run(folder: Path, seed: int = 0) -> RunContext:
    return run_context(seed, folder)


def solved(
    problem: PhysicsProblem, folder: Path, seed: int = 0, **options: object
) -> PhysicsSolution:
    defaults: dict[str, Any] = {
        "widths": (16, 16),
        "points": 150,
        "adam_steps": 100,
        "lbfgs_steps": 250,
    }
    made = PhysicsOptions(**(defaults | options))
    return PhysicsInformed(made).solve(problem, run(folder, seed))


def relative(found: np.ndarray, exact: np.ndarray) -> float:
    return float(np.linalg.norm(found - exact) / np.linalg.norm(exact))


def exact_heat() -> np.ndarray:
    return np.exp(-0.1 * np.pi**2 * TIMES)[:, None] * np.sin(np.pi * PLACES)


def test_the_derivatives_of_a_network_are_those_of_automatic_differentiation() -> None:
    torch.manual_seed(3)
    network = JetNetwork([(0.0, 2.0), (-1.0, 1.0)], (7, 5), 2, fourier=3)
    time = torch.tensor([0.1, 1.7], dtype=torch.float64, requires_grad=True)
    place = torch.tensor([-0.3, 0.8], dtype=torch.float64, requires_grad=True)
    jet = network(network.inputs(Points(time.detach(), place.detach())))
    cut = torch.stack([2 * time / 2.0 - 1, place], dim=1)
    phase = cut @ network.get_buffer("waves")
    now = torch.cat([cut, torch.sin(phase), torch.cos(phase)], dim=1)
    for layer in network.layers[:-1]:
        now = torch.tanh(layer(now))
    value = network.layers[-1](now)[:, 1]
    by_time, by_place = torch.autograd.grad(value.sum(), (time, place), create_graph=True)
    (twice,) = torch.autograd.grad(by_place.sum(), place)
    wanted = torch.stack([value, by_time, by_place, twice]).detach()
    assert torch.allclose(jet[:, :, 1].detach(), wanted, atol=1e-12)


@pytest.mark.requirement("K9", "K4")
def test_heat_is_solved_and_edges_hold_by_construction(tmp_path: Path) -> None:
    found = solved(heat(), tmp_path)
    field = found.field(TIMES, PLACES)[:, :, 0]
    assert relative(field, exact_heat()) < 1e-3
    assert np.allclose(field[0], np.sin(np.pi * PLACES), atol=1e-12)
    assert np.allclose(field[:, [0, -1]], 0.0, atol=1e-12)
    assert found.data is None
    assert found.residual < 0.02
    first, last = found.convergence[0], found.convergence[-1]
    assert (first.phase, last.phase) == ("adam", "l-bfgs")
    assert last.residual < 1e-3 * first.residual


def test_soft_constraints_and_slopes_are_solved_too(tmp_path: Path) -> None:
    zero = Boundary("slope", Number(0.0))
    cosine = Field("u", Number(0.0), parse("cos(pi * x)"), Symbol("D"), zero, zero)
    exact = np.exp(-0.1 * np.pi**2 * TIMES)[:, None] * np.cos(np.pi * PLACES)
    for constraints in ("hard", "soft"):
        few = {"constraints": constraints, "widths": (12, 12), "points": 100, "lbfgs_steps": 100}
        found = solved(heat(fields=(cosine,)), tmp_path, **few)
        assert relative(found.field(TIMES, PLACES)[:, :, 0], exact) < 0.03
        assert (found.convergence[-1].initial is None) == (constraints == "hard")
    balanced = solved(decay(), tmp_path, constraints="soft", weights="balanced")
    assert relative(balanced.field(TIMES)[:, 0, 0], 2 * np.exp(-1.5 * TIMES)) < 0.01


def test_the_plain_solver_agrees_with_exact_solutions(tmp_path: Path) -> None:
    field = plain_solution(heat(), {}, TIMES, run(tmp_path), nodes=33)[:, :, 0]
    assert relative(field, exact_heat()) < 2e-3
    zero, value = Boundary("slope", Number(0.0)), Boundary("value", Number(0.0))
    quarter = Field("u", Number(0.0), parse("cos(pi * x / 2)"), Symbol("D"), zero, value)
    field = plain_solution(heat(fields=(quarter,)), {}, TIMES, run(tmp_path), nodes=33)[:, :, 0]
    exact = np.exp(-0.1 * np.pi**2 / 4 * TIMES)[:, None] * np.cos(np.pi * PLACES / 2)
    assert relative(field, exact) < 2e-3
    course = plain_solution(decay(), {}, TIMES, run(tmp_path))[:, 0, 0]
    assert relative(course, 2 * np.exp(-1.5 * TIMES)) < 1e-6


@pytest.mark.requirement("K4")
def test_windows_and_causal_weights_solve_the_same(tmp_path: Path) -> None:
    exact = 2 * np.exp(-1.5 * TIMES)
    for options in ({"windows": 3}, {"causality": 1.0}, {"fourier": 4}):
        few = {"widths": (12,), "adam_steps": 50, "lbfgs_steps": 100} | options
        found = solved(decay(), tmp_path, **few)
        assert relative(found.field(TIMES)[:, 0, 0], exact) < 1e-3, options
    found = solved(heat(), tmp_path, windows=2, lbfgs_steps=50, points=80)
    assert relative(found.field(TIMES, PLACES)[:, :, 0], exact_heat()) < 0.02


@pytest.mark.requirement("K9")
def test_an_unknown_is_found_from_noisy_data(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    times = np.linspace(0.1, 1.0, 10)
    values = 2 * np.exp(-1.5 * times) + 0.01 * rng.normal(size=10)
    data = tuple(Measured("u", t, v, 0.01) for t, v in zip(times, values, strict=True))
    problem = decay(parameters={}, unknowns=(Unknown("k", 0.1, 10.0, True),), data=data)
    found = solved(problem, tmp_path, residual_weight=100.0, widths=(12,))
    assert found.estimates["k"] == pytest.approx(1.5, rel=0.03)
    assert found.data is not None
    assert found.data < 2.0


def test_a_learned_term_is_found(tmp_path: Path) -> None:
    times = np.linspace(0.0, 1.0, 20)
    data = tuple(Measured("u", t, 2 * math.exp(-1.5 * t), 0.01) for t in times)
    unknown = Field("u", Symbol("f"), Number(2.0))
    problem = decay(fields=(unknown,), learned=(LearnedTerm("f", ("u",)),), data=data)
    found = solved(problem, tmp_path, widths=(12,), adam_steps=100, lbfgs_steps=250)
    at = np.linspace(0.6, 1.8, 9)
    assert relative(found.learned("f", {"u": at}), -1.5 * at) < 0.1
    with pytest.raises(DataError, match="no learned term 'g'"):
        found.learned("g", {"u": at})
    with pytest.raises(DataError, match="learned term 'f'"):
        plain_solution(problem, {}, TIMES, run(tmp_path))


def test_the_same_seed_gives_the_same_bits(tmp_path: Path) -> None:
    few = {"adam_steps": 20, "lbfgs_steps": 50}
    one, two, other = (solved(decay(), tmp_path, seed, **few) for seed in (4, 4, 5))
    assert np.array_equal(one.field(TIMES), two.field(TIMES))
    assert one.convergence == two.convergence
    assert not np.array_equal(one.field(TIMES), other.field(TIMES))


def test_what_cannot_be_solved_is_named(tmp_path: Path) -> None:
    root = replace(decay().fields[0], rate=parse("ln(u - 5)"))
    with pytest.raises(NotConverged, match="the residual term of 'decay' is nan at step 0 of adam"):
        solved(decay(fields=(root,)), tmp_path)
    one = Boundary("value", Number(1.0))
    corner = replace(heat().fields[0], left=one)
    with pytest.raises(DataError, match="left boundary of 'u' begins 1 away"):
        solved(heat(fields=(corner,)), tmp_path)
    sought = decay(parameters={}, unknowns=(Unknown("k", 0.1, 10.0),))
    with pytest.raises(DataError, match="windows = 2, expected 1"):
        solved(sought, tmp_path, windows=2)
    with pytest.raises(DataError, match="no value of the unknown 'k'"):
        plain_solution(sought, {}, TIMES, run(tmp_path))
    found = solved(decay(), tmp_path, adam_steps=10, lbfgs_steps=0)
    with pytest.raises(DataError, match="time 2 is outside of the domain of 'decay', 0 to 1"):
        found.field(np.array([0.5, 2.0]))
    with pytest.raises(DataError, match="needs no places"):
        found.field(TIMES, PLACES)
    elsewhere, solver = replace(run(tmp_path), device="cuda:9"), PhysicsInformed(PhysicsOptions())
    if not torch.cuda.is_available():
        with pytest.raises(DataError, match="'cuda:9' is not there"):
            solver.solve(decay(), elsewhere)
