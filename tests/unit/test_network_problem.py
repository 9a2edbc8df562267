"""A network as a physical problem: its equations, its values, and what it cannot say."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cellula.core.errors import DataError, NotConverged
from cellula.core.network import Event
from cellula.core.physics import Measured, Unknown
from cellula.core.run import run_context
from cellula.io.infix import parse
from cellula.models.hybrid.exact import exact_solution
from cellula.models.hybrid.method_of_lines import plain_solution
from cellula.models.hybrid.network_problem import problem_of
from cellula.models.hybrid.physics_estimates import ensemble_estimates, plain_estimates
from cellula.models.hybrid.physics_informed import PhysicsInformed
from cellula.models.hybrid.physics_options import PhysicsOptions
from cellula.testing.simulator import decay

TIMES = np.linspace(0.0, 2.0, 9)


@pytest.mark.requirement("K9")
def test_a_network_says_the_same_as_a_problem(tmp_path: Path) -> None:
    network = decay()
    small = replace(network, compartments=(replace(network.compartments[0], size=0.5),))
    problem = problem_of(small, (0.0, 2.0))
    assert problem.ids == ("A", "B")
    found = plain_solution(problem, {}, TIMES, run_context(0, tmp_path))
    assert np.allclose(found[:, 0, 0], 2 * np.exp(-0.7 / 0.5 * TIMES), rtol=1e-6)
    assert np.allclose(found[:, 0].sum(axis=1), 2.0, atol=1e-9)


def test_what_a_problem_cannot_say_is_named() -> None:
    network = decay()
    event = replace(network, events=(Event("pulse", parse("A < 1"), {"A": parse("2")}),))
    with pytest.raises(DataError, match="event 'pulse', which no smooth function of time keeps"):
        problem_of(event, (0.0, 1.0))
    with pytest.raises(DataError, match="unknown 'q' is no parameter of network 'decay'"):
        problem_of(network, (0.0, 1.0), (Unknown("q", 0.1, 1.0),))
    swelling = replace(network.compartments[0], is_constant=False)
    with pytest.raises(DataError, match="'A' is a concentration in 'cell', whose size may change"):
        problem_of(replace(network, compartments=(swelling,)), (0.0, 1.0))
    nothing = replace(network.parameters[0], value=None)
    with pytest.raises(DataError, match="'k' has no value at the start"):
        problem_of(replace(network, parameters=(nothing,)), (0.0, 1.0))


def test_unknowns_by_least_squares_and_by_an_ensemble(tmp_path: Path) -> None:
    rng, run = np.random.default_rng(0), run_context(0, tmp_path)
    values = 2 * np.exp(-0.7 * TIMES) + 0.02 * rng.normal(size=9)
    data = [Measured("A", float(t), float(v), 0.02) for t, v in zip(TIMES, values, strict=True)]
    problem = problem_of(decay(), (0.0, 2.0), (Unknown("k", 0.05, 5.0, True),), data)
    (plain,) = plain_estimates(problem, run)
    assert plain.lower < 0.7 < plain.upper
    assert plain.upper / plain.lower < 1.2
    options = PhysicsOptions(
        widths=(8,), points=40, adam_steps=50, lbfgs_steps=100, data_weight=100.0
    )
    (ensemble,) = ensemble_estimates(PhysicsInformed(options), problem, 2, run)
    assert ensemble.lower <= ensemble.value <= ensemble.upper
    assert ensemble.value == pytest.approx(plain.value, rel=0.05)
    assert (plain.n, ensemble.n) == (9, 2)


def test_estimates_that_cannot_be_made_are_named(tmp_path: Path) -> None:
    run, k = run_context(0, tmp_path), Unknown("k", 0.05, 5.0, True)
    solver = PhysicsInformed(PhysicsOptions())
    at_start = Measured("A", 0.0, 2.0, 0.1)
    with pytest.raises(DataError, match="has no data; there is nothing to estimate"):
        plain_estimates(problem_of(decay(), (0.0, 2.0), (k,)), run)
    with pytest.raises(DataError, match="has no unknown"):
        ensemble_estimates(solver, problem_of(decay(), (0.0, 2.0), (), [at_start]), 3, run)
    with pytest.raises(DataError, match="1 seed tells no interval"):
        ensemble_estimates(solver, problem_of(decay(), (0.0, 2.0), (k,), [at_start]), 1, run)
    with pytest.raises(DataError, match="1 measurements for 1 unknowns"):
        plain_estimates(problem_of(decay(), (0.0, 2.0), (k,), [at_start]), run)
    with pytest.raises(NotConverged, match="do not tell all of its unknowns"):
        plain_estimates(problem_of(decay(), (0.0, 2.0), (k,), [at_start, at_start]), run)


def test_an_exact_solution_is_there_where_every_field_has_one() -> None:
    problem = problem_of(decay(), (0.0, 2.0))
    assert exact_solution(problem, {}, TIMES, None) is None
    fields = tuple(replace(one, exact=parse("2 * exp(-k * time)")) for one in problem.fields)
    found = exact_solution(replace(problem, fields=fields), {}, TIMES, None)
    assert found is not None
    assert np.allclose(found[:, 0, 0], 2 * np.exp(-0.7 * TIMES))
