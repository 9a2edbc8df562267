"""The likelihood of a PEtab problem with its gradient, against differences and the plain path."""

from __future__ import annotations

import math
import pickle
from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from cellula.core import registry
from cellula.core.errors import DataError, EngineError, NotConverged
from cellula.core.network import Compartment, Event, Network, Parameter, RateRule, Species
from cellula.core.petab import MEASUREMENT_COLUMNS, PetabObservable, PetabParameter, PetabProblem
from cellula.core.run import RunContext
from cellula.io.formats import read
from cellula.io.infix import parse
from cellula.models.mechanistic.petab_likelihood import negative_log_likelihood
from cellula.models.mechanistic.petab_objective import (
    PetabObjective,
    petab_objective,
    scaled,
    unscaled,
)
from cellula.models.mechanistic.petab_simulation import petab_simulation
from cellula.models.mechanistic.solver import SolverOptions
from cellula.models.mechanistic.steady_state import SteadyCriterion
from cellula.testing.petab_reference import problem_file

Floats = NDArray[np.float64]
TIGHT = SolverOptions(rtol=1e-9, atol=1e-13)
TURNOVER = Network(
    "turnover",
    (Compartment("cell"),),
    (Species("x", "cell", 1.0, is_boundary=True), Species("z", "cell", 5.0, is_boundary=True)),
    (Parameter("s", 1.0), Parameter("d", 2.0), Parameter("late", 0.7)),
    rules=(RateRule("x", parse("s - d * x")), RateRule("z", parse("-z"))),
    events=(Event("dose", parse("time > late"), {"z": parse("z + s")}),),
)
#: Pre-equilibration, a steady state, overrides, a noise that names an observable, both laws.
ROWS = [
    ("y", "", "low", 3.4, 1.0, "3", "0.1"),
    ("y", "", "high", 20.4, 0.5, "gain", "0.1"),
    ("y", "before", "high", 9.0, 0.2, "gain", "sigma"),
    ("y", "before", "high", 19.4, 1.0, "gain", "sigma"),
    ("y", "before", "kept", 27.4, 1.0, "gain", "sigma"),
    ("y", "", "low", 6.4, np.inf, "gain", "sigma"),
    ("later", "", "low", 2.8, 2.0, "", ""),
    ("shown", "", "start", 1.4, 1.5, "", ""),
    ("shown", "", "start", np.nan, 1.7, "", ""),
]


def problem(rows: Sequence[tuple[object, ...]] = ROWS) -> PetabProblem:
    return PetabProblem(
        "turnover",
        TURNOVER,
        (
            PetabParameter("d", 2.0, True, "log10", 1e-3, 1e3),
            PetabParameter("gain", 10.0, True, "lin", 0, 100),
            PetabParameter("fixed", 0.5, False),
            PetabParameter("sigma", 0.2, True, "log", 1e-3, 10),
            PetabParameter("high_s", 6.0, True, "log10", 1e-2, 1e2),
            PetabParameter("late", 0.7, True, "lin", 0, 1),
        ),
        {
            "low": {"s": 1.0},
            "high": {"s": "high_s", "x": 0.0},
            "before": {"s": 4.0},
            "kept": {"s": "high_s"},
            "start": {"z": "gain"},
        },
        (
            PetabObservable(
                "y", parse("observableParameter1_y * x"), parse("noiseParameter1_y * y")
            ),
            PetabObservable(
                "later", parse("x + time", constants={}), parse("sigma + shown / 9"), "log"
            ),
            PetabObservable("shown", parse("z * fixed"), parse("sigma"), "log10", "laplace"),
        ),
        pd.DataFrame(rows, columns=list(MEASUREMENT_COLUMNS)),
    )


def differences(objective: PetabObjective, at: Floats, step: float = 1e-4) -> Floats:
    """Central, of fourth order."""
    found = []
    for one in np.eye(len(at)) * step:
        far, near = (
            objective.value(at + k * one) - objective.value(at - k * one) for k in (2.0, 1.0)
        )
        found.append((8 * near - far) / (12 * step))
    return np.array(found)


@pytest.mark.requirement("K9")
def test_the_gradient_is_that_of_the_value() -> None:
    objective = petab_objective(problem(), TIGHT)
    at = np.array([0.2, 9.0, math.log(0.3), 0.7, 0.6])
    local = objective.local(at)
    assert local.value == pytest.approx(objective.value(at), rel=1e-7)
    expected = differences(objective, at)
    assert (abs(expected) > 1e-3).all()
    np.testing.assert_allclose(local.gradient, expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(local.curvature, local.curvature.T, rtol=1e-12)
    assert np.linalg.eigvalsh(local.curvature).min() > -1e-9


def test_the_value_is_that_of_the_plain_path(run: RunContext) -> None:
    found = problem()
    objective = petab_objective(found, TIGHT)
    at = np.array([0.2, 9.0, math.log(0.3), 0.7, 0.6])
    ode = registry.create("simulator", "ode", {"rtol": 1e-9, "atol": 1e-13})
    table = petab_simulation(found, ode, run, objective.parameters(at))
    assert objective.value(at) == pytest.approx(negative_log_likelihood(found, table), rel=1e-8)
    told, noise = objective.simulated(at)
    np.testing.assert_allclose(told, table["simulation"], rtol=1e-6)
    np.testing.assert_allclose(noise, table["noise"], rtol=1e-6)


def test_the_curvature_is_the_fisher_information() -> None:
    """Where the model is true: the mean of the squared gradient, over Gauss-Hermite's points."""
    rows = [("y", "", "low", 0.0, time, "gain", "0.1") for time in (0.3, 1.0)]
    objective = petab_objective(problem(rows), TIGHT)
    at = objective.nominal
    told, noise = objective.simulated(at)
    total = np.zeros((len(at), len(at)))
    points = {-math.sqrt(3): 1 / 6, 0.0: 2 / 3, math.sqrt(3): 1 / 6}
    for first, second in product(points, points):
        measured = told + noise * np.array([first, second])
        table = objective.problem.measurements.assign(measurement=measured)
        local = replace(objective, problem=replace(objective.problem, measurements=table)).local(at)
        total += points[first] * points[second] * np.outer(local.gradient, local.gradient)
    np.testing.assert_allclose(total, local.curvature, rtol=1e-9, atol=1e-9)


def test_directions_that_do_not_fit_at_once_change_little(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = petab_objective(problem(), TIGHT).local(petab_objective(problem()).nominal)
    monkeypatch.setattr("cellula.models.mechanistic.petab_objective.DIRECTIONS", 1)
    parts = petab_objective(problem(), TIGHT)
    np.testing.assert_allclose(parts.local(parts.nominal).gradient, whole.gradient, rtol=1e-6)


def test_it_travels() -> None:
    one = petab_objective(problem(), TIGHT)
    other = pickle.loads(pickle.dumps(one))
    assert other.local(one.nominal).gradient.tobytes() == one.local(one.nominal).gradient.tobytes()


def test_scales() -> None:
    for value, scale, expected in ((3.0, "lin", 3.0), (math.e, "log", 1.0), (100.0, "log10", 2.0)):
        assert scaled(value, scale) == pytest.approx(expected)  # type: ignore[arg-type]
        back, slope = unscaled(expected, scale)  # type: ignore[arg-type]
        assert back == pytest.approx(value)
        near = unscaled(expected + 1e-6, scale)[0]  # type: ignore[arg-type]
        assert slope == pytest.approx((near - value) / 1e-6, rel=1e-5)
    assert scaled(0.0, "log10") == -math.inf


def test_what_has_no_likelihood_is_named() -> None:
    made = problem()
    nothing = replace(
        made, parameters=tuple(replace(p, is_estimated=False) for p in made.parameters)
    )
    with pytest.raises(DataError, match="estimates no parameter"):
        petab_objective(nothing)
    objective = petab_objective(made)
    at = objective.nominal
    at[1] = 0.0  # no gain: no noise either
    with pytest.raises(EngineError, match="a noise of 'y' is 0, not above 0"):
        objective.value(at)
    negative = replace(made, measurements=made.measurements.assign(measurement=-1.0))
    with pytest.raises(DataError, match="measurement of 'later' is not above 0"):
        petab_objective(negative).value(objective.nominal)
    missing = replace(
        made,
        parameters=(
            *made.parameters[:3],
            replace(made.parameters[3], nominal=math.nan),
            *made.parameters[4:],
        ),
    )
    with pytest.raises(EngineError, match=r"not finite|is nan"):
        petab_objective(missing).value(petab_objective(missing).nominal)


def test_what_does_not_settle_is_named() -> None:
    growing = replace(TURNOVER, rules=(RateRule("x", parse("s")), TURNOVER.rules[1]))
    steady = SteadyCriterion(first=10.0, longest=1e4)
    objective = petab_objective(replace(problem(), network=growing), TIGHT, steady)
    with pytest.raises(NotConverged, match=r"no steady state.*'x'"):
        objective.value(objective.nominal)


#: Pre-equilibration, conditions, an event, estimated noise: six of the collection.
COLLECTION = (
    "Brannmark_JBC2010",
    "Bruno_JExpBot2016",
    "Elowitz_Nature2000",
    "Fiedler_BMCSystBiol2016",
    "Perelson_Science1996",
    "Rahman_MBS2016",
)


@pytest.mark.requirement("K9")
@pytest.mark.parametrize("name", COLLECTION)
def test_gradients_of_published_problems(name: str, data_dir: Path) -> None:
    """Along three directions in the space of parameters, random but the same every time."""
    pytest.importorskip("cellula.io.sbml", reason="needs the extra sbml")
    found = read(problem_file(data_dir / "models" / "petab" / name), "petab")
    assert isinstance(found, PetabProblem)
    objective = petab_objective(found, SolverOptions(rtol=1e-8, atol=1e-12))
    rng = np.random.default_rng(1)
    near_nominal = objective.nominal + 0.1 * rng.standard_normal(len(objective.ids))
    at = np.clip(near_nominal, objective.lower + 0.05, objective.upper - 0.05)
    local = objective.local(at)
    for _ in range(3):
        along = rng.standard_normal(len(at))
        along *= 1e-4 / np.linalg.norm(along)
        far, near = (
            objective.value(at + k * along) - objective.value(at - k * along) for k in (2.0, 1.0)
        )
        size = np.linalg.norm(local.gradient) * 1e-4
        assert float(local.gradient @ along) == pytest.approx(
            (8 * near - far) / 12, rel=2e-4, abs=2e-4 * size
        )
