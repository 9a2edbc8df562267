"""PEtab problems fitted: a planted one with each kind of parameter, and two published ones."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cellula.core import registry
from cellula.core.errors import DataError
from cellula.core.network import Compartment, Network, Parameter, RateRule, Species
from cellula.core.optimisation import Optimiser
from cellula.core.petab import MEASUREMENT_COLUMNS, PetabObservable, PetabParameter, PetabProblem
from cellula.core.run import RunContext
from cellula.io.formats import read
from cellula.io.infix import parse
from cellula.models.mechanistic.petab_fit import EstimationOptions, estimate
from cellula.models.mechanistic.petab_objective import petab_objective
from cellula.testing.petab_reference import problem_file

pytest.importorskip("fides", reason="needs the extra fitting")

#: x' = -k x from x(0); seen as gain x, so that x(0) and gain are a product.
DECAY = Network(
    "decay",
    (Compartment("cell"),),
    (Species("x", "cell", 1.0, is_boundary=True),),
    (Parameter("k", 0.5),),
    rules=(RateRule("x", parse("-k * x")),),
)
TIMES = np.linspace(0.25, 5, 40)
TRUTH = {"k": 0.4, "start": 2.0, "gain": 3.0, "sigma": 0.05}


def planted() -> PetabProblem:
    drawn = np.random.default_rng(7).standard_normal(len(TIMES))
    seen = 6.0 * np.exp(-0.4 * TIMES) * np.exp(0.05 * drawn)
    rows = [("y", "", "only", value, time, "", "") for value, time in zip(seen, TIMES, strict=True)]
    return PetabProblem(
        "planted",
        DECAY,
        (
            PetabParameter("k", 0.4, True, "log10", 1e-3, 1e2),
            PetabParameter("start", 2.0, True, "log10", 1e-2, 1e3),
            PetabParameter("gain", 3.0, True, "log10", 1e-2, 1e3),
            PetabParameter("sigma", 0.05, True, "log10", 1e-3, 1e1),
        ),
        {"only": {"x": "start"}},
        (PetabObservable("y", parse("gain * x"), parse("sigma"), "log"),),
        pd.DataFrame(rows, columns=list(MEASUREMENT_COLUMNS)),
    )


@pytest.fixture
def fides() -> Optimiser:
    made: Optimiser = registry.create("optimiser", "fides")
    return made


@pytest.mark.requirement("K9")
def test_a_planted_problem_is_recovered_and_its_product_named(
    run: RunContext, fides: Optimiser
) -> None:
    found = estimate(planted(), fides, EstimationOptions(starts=4), run, ("k", "gain", "sigma"))
    assert found.fit.value <= found.nominal
    assert found.parameters["gain"] * found.parameters["start"] == pytest.approx(6.0, rel=0.1)
    k, gain, sigma = found.findings
    assert k.kind == sigma.kind == "identifiable"
    assert k.lower < TRUTH["k"] < k.upper
    assert sigma.lower < TRUTH["sigma"] < sigma.upper
    assert gain.kind == "structural"
    (both,) = found.trade_offs
    assert sorted(id for id, _ in both.shares) == ["gain", "start"]
    assert both.shares[0][1] == pytest.approx(-both.shares[1][1], rel=1e-3)


def test_an_unknown_profile_is_named_before_anything_runs(
    run: RunContext, fides: Optimiser
) -> None:
    with pytest.raises(DataError, match="no parameter 'q' is estimated; those are k, start"):
        estimate(planted(), fides, EstimationOptions(), run, ("q",))


def test_missing_bounds_are_named(run: RunContext, fides: Optimiser) -> None:
    made = planted()
    open_ended = replace(
        made, parameters=(replace(made.parameters[0], upper=math.nan), *made.parameters[1:])
    )
    with pytest.raises(DataError, match="parameter 'k' is bounded by -3 and nan"):
        estimate(open_ended, fides, EstimationOptions(), run)


def test_a_parameter_at_its_bound_is_told(run: RunContext, fides: Optimiser) -> None:
    made = planted()
    tight = replace(made, parameters=(replace(made.parameters[0], upper=0.2), *made.parameters[1:]))
    found = estimate(tight, fides, EstimationOptions(starts=3), run)
    assert "k" in found.at_bound
    assert found.parameters["k"] == pytest.approx(0.2, rel=1e-3)


@pytest.mark.requirement("K9")
@pytest.mark.parametrize("name", ["Bertozzi_PNAS2020", "Bruno_JExpBot2016"])
def test_published_problems_reach_their_optimum(
    name: str, data_dir: Path, run: RunContext, fides: Optimiser
) -> None:
    """Within 1 log unit of the nominal parameters; tests/benchmark/test_petab_fits.py has more."""
    pytest.importorskip("cellula.io.sbml", reason="needs the extra sbml")
    problem = read(problem_file(data_dir / "models" / "petab" / name), "petab")
    assert isinstance(problem, PetabProblem)
    found = estimate(problem, fides, EstimationOptions(starts=5), run)
    assert found.nominal == pytest.approx(
        petab_objective(problem).value(found.objective.nominal), abs=1e-2
    )
    assert found.fit.value < found.nominal + 1.0
