"""PEtab problems simulated: conditions, pre-equilibration, steady states, likelihoods."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, get_args

import numpy as np
import pandas as pd
import pytest

from cellula.core import registry
from cellula.core.errors import DataError, NotConverged
from cellula.core.network import Compartment, Network, Parameter, RateRule, Species
from cellula.core.petab import Distribution, PetabObservable, PetabParameter, PetabProblem, Scale
from cellula.core.run import RunContext
from cellula.core.simulation import Simulator
from cellula.io.infix import parse
from cellula.models.mechanistic.petab_likelihood import (
    negative_log_likelihood,
    negative_log_likelihoods,
)
from cellula.models.mechanistic.petab_simulation import petab_simulation
from cellula.models.mechanistic.steady_state import SteadyCriterion

TURNOVER = Network(
    "turnover",
    (Compartment("cell"),),
    (Species("x", "cell", 1.0, is_boundary=True), Species("z", "cell", 5.0, is_boundary=True)),
    (Parameter("s", 1.0), Parameter("d", 2.0)),
    rules=(RateRule("x", parse("s - d * x")), RateRule("z", parse("-z"))),
)
ROWS = [
    ("y", "", "low", 0.4, 1.0, "3", "0.1"),
    ("y", "", "high", 0.4, 0.5, "gain", "0.1"),
    ("y", "before", "high", 0.4, 0.0, "gain", "sigma"),
    ("y", "before", "high", 0.4, 1.0, "gain", "sigma"),
    ("y", "before", "kept", 0.4, 1.0, "gain", "sigma"),
    ("y", "", "low", 0.4, np.inf, "gain", "sigma"),
    ("late", "", "low", 0.4, 2.0, "", ""),
]


def problem(rows: Sequence[tuple[object, ...]] = ROWS, network: Network = TURNOVER) -> PetabProblem:
    columns = [
        "observableId", "preequilibrationConditionId", "simulationConditionId", "measurement",
        "time", "observableParameters", "noiseParameters",
    ]  # fmt: skip
    return PetabProblem(
        "turnover",
        network,
        (
            PetabParameter("d", 2.0, True, "log10", 1e-3, 1e3),
            PetabParameter("gain", 10.0, False),
            PetabParameter("sigma", 0.2, True),
        ),
        {"low": {"s": 1.0}, "high": {"s": 6.0, "x": 0.0}, "before": {"s": 4.0}, "kept": {"s": 6.0}},
        (
            PetabObservable(
                "y", parse("observableParameter1_y * x"), parse("noiseParameter1_y * y")
            ),
            PetabObservable("late", parse("x + time", constants={}), parse("sigma"), "log"),
        ),
        pd.DataFrame(rows, columns=columns),
    )


@pytest.fixture
def ode() -> Simulator:
    made: Simulator = registry.create("simulator", "ode", {"rtol": 1e-9, "atol": 1e-12})
    return made


def test_conditions_and_pre_equilibration(ode: Simulator, run: RunContext) -> None:
    table = petab_simulation(problem(), ode, run)
    e = np.exp(-2.0)
    expected = [
        3 * (0.5 + 0.5 * e),  # low: from the model's own start
        10 * 3 * (1 - np.exp(-1.0)),  # high: starts at 0
        0.0,  # the condition sets x, so what was there before is gone
        10 * 3 * (1 - e),
        10 * (3 + (2 - 3) * e),  # kept: starts where pre-equilibration ended, 4 / 2
        10 * 0.5,
        0.5 + 0.5 * np.exp(-4.0) + 2.0,
    ]
    np.testing.assert_allclose(table["simulation"], expected, rtol=1e-6, atol=1e-9)
    noise = [0.1 * expected[0], 0.1 * expected[1], *(0.2 * one for one in expected[2:6]), 0.2]
    np.testing.assert_allclose(table["noise"], noise, rtol=1e-6, atol=1e-9)
    assert "measurement" not in table


def test_a_condition_sets_a_compartment(ode: Simulator, run: RunContext) -> None:
    """A dose of amount 6 in twice the volume is half the concentration."""
    small = replace(TURNOVER, initial={"x": parse("6 / cell")})
    found = replace(
        problem(network=small),
        conditions={"wide": {"cell": 2.0}},
        measurements=frame([("late", "", "wide", 1.0, 0.0, "", "")]),
    )
    assert petab_simulation(found, ode, run)["simulation"].iloc[0] == pytest.approx(3.0)


def test_given_parameters_replace_nominal_ones(ode: Simulator, run: RunContext) -> None:
    table = petab_simulation(problem(), ode, run, {"d": 4.0, "gain": 1.0})
    assert table["simulation"].iloc[5] == pytest.approx(0.25, rel=1e-6)
    with pytest.raises(DataError, match="'k'"):
        petab_simulation(problem(), ode, run, {"k": 1.0})


def test_a_parameter_without_a_value_is_named(ode: Simulator, run: RunContext) -> None:
    for name in ("d", "gain", "sigma"):
        with pytest.raises(DataError, match=name):
            petab_simulation(problem(), ode, run, {name: np.nan})


def test_what_does_not_settle_is_named(ode: Simulator, run: RunContext) -> None:
    growing = replace(TURNOVER, rules=(RateRule("x", parse("s")), TURNOVER.rules[1]))
    steady = SteadyCriterion(first=10.0, longest=1e4)
    with pytest.raises(NotConverged, match=r"'before'.*no steady state.*'x'"):
        petab_simulation(problem(network=growing), ode, run, steady=steady)


def of_kind(transformation: Scale, distribution: Distribution) -> tuple[PetabProblem, pd.DataFrame]:
    one = PetabObservable("y", parse("x"), parse("sigma"), transformation, distribution)
    rows = [("y", "", "low", value, 1.0, "", "") for value in (2.0, 3.0)]
    found = replace(problem([ROWS[0]]), observables=(one,), measurements=frame(rows))
    told = found.measurements.assign(simulation=[2.5, 2.0], noise=[0.2, 0.3])
    return found, told


def frame(rows: Sequence[tuple[object, ...]]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=problem().measurements.columns)


@pytest.mark.parametrize("transformation", get_args(Scale))
@pytest.mark.parametrize("distribution", get_args(Distribution))
def test_likelihoods_are_densities(transformation: Scale, distribution: Distribution) -> None:
    """Against SciPy's densities: of the transformed value, times the slope of the transform."""
    stats = pytest.importorskip("scipy.stats")
    found, told = of_kind(transformation, distribution)
    measured, simulated = np.array([2.0, 3.0]), np.array([2.5, 2.0])
    kinds: dict[str, tuple[Callable[..., Any], Any]] = {
        "lin": (lambda v: v, np.ones(2)),
        "log": (np.log, 1 / measured),
        "log10": (np.log10, 1 / (measured * np.log(10))),
    }
    forward, slope = kinds[transformation]
    law = {"normal": stats.norm, "laplace": stats.laplace}[distribution]
    density = law.pdf(forward(measured), forward(simulated), [0.2, 0.3]) * slope
    np.testing.assert_allclose(negative_log_likelihoods(found, told), -np.log(density), rtol=1e-12)
    assert negative_log_likelihood(found, told) == pytest.approx(-np.log(density).sum())


def test_what_has_no_likelihood_is_named() -> None:
    found, told = of_kind("log", "normal")
    for column, value, words in (
        ("noise", 0.0, "noise of 'y'"),
        ("noise", np.nan, "noise of 'y'"),
        ("simulation", -1.0, "simulation of 'y'"),
        ("simulation", np.nan, "simulation of 'y'"),
    ):
        with pytest.raises(DataError, match=words):
            negative_log_likelihood(found, told.assign(**{column: [1.0, value]}))
    with pytest.raises(DataError, match="1 simulated rows of 2"):
        negative_log_likelihood(found, told[:1])
    missing = found.measurements.assign(measurement=[2.0, np.nan])
    gone = replace(found, measurements=missing)
    assert negative_log_likelihoods(gone, told)[1] == 0.0
