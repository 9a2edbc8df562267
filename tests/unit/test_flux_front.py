"""Flux balance behind a network."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from flux_front_example import front_options, growth, two_nutrients
from pydantic import ValidationError

from cellula.core import registry
from cellula.core.dataset import Dataset
from cellula.core.errors import CellulaError, DataError, EngineError
from cellula.core.query import QueryTable
from cellula.core.run import RunContext
from cellula.io.formats import write
from cellula.models.mechanistic.flux_problem import flux_problem

TRAIN = {"epochs": 40, "batch": 64, "learning_rate": 0.03}
QUICK = {"epochs": 1}


def fitted(run: RunContext, data: Dataset, **changed: Any) -> Any:
    options = front_options(run.scratch, **({"train": QUICK} | changed))
    return registry.create("model", "flux_front", options).fit(data, None, run)


def errors(front: Any, data: Dataset, run: RunContext) -> np.ndarray:
    (answer,) = front.predict(data.queries(), None, run)
    return np.asarray(np.sqrt(np.mean((answer.mean - data.dense()) ** 2, axis=0)))


@pytest.mark.requirement("K9")
def test_it_beats_fitted_bounds_and_conserves_flux(run: RunContext) -> None:
    data = growth()
    is_held = np.arange(data.n_profiles) % 3 == 0
    train, held = data.take(~is_held), data.take(is_held)
    front = fitted(run, train, train=TRAIN)
    constant = fitted(run, train, train=TRAIN, front="constant")
    assert (errors(front, held, run) < 0.5 * errors(constant, held, run)).all()
    fluxes = front.fluxes(held.queries(), run)
    problem = flux_problem(two_nutrients())
    assert np.abs(problem.stoichiometry @ fluxes.T).max() < 1e-9
    assert (fluxes <= problem.upper + 1e-9).all()
    is_out = np.asarray(held.queries().perturbation) == "gly"
    assert is_out.any()
    assert (fluxes[is_out][:, front.reactions.index("glycolysis")] == 0).all()
    restored = registry.create("model", "flux_front", front_options(run.scratch)).restore(
        front.state()
    )
    assert np.array_equal(restored.fluxes(held.queries(), run), fluxes)


def test_before_training_it_is_flux_balance(run: RunContext) -> None:
    data = growth(8)
    front = fitted(
        run, data, train={"epochs": 1, "learning_rate": 1e-12}, capacities={"acetate": 3}
    )
    media = data.context_features
    assert media is not None
    is_there = media.loc[np.asarray(data.queries().context, object)].to_numpy() > 0
    is_able = np.asarray(data.queries().perturbation) != "gly"
    energy = 40.0 * is_there[:, 0] * is_able + 3.0 * is_there[:, 1]
    wanted = np.maximum(energy - 1.0, 0.0) / 2
    (answer,) = front.predict(data.queries(), None, run)
    assert np.allclose(answer.mean[:, 0], wanted, atol=1e-9)


def test_what_does_not_pay_for_maintenance_does_not_grow(run: RunContext) -> None:
    data = growth(8)
    media = data.context_features
    assert media is not None
    media.loc["medium00"] = 0.0
    front = fitted(run, data)
    asked = QueryTable.of(["wild_type"], ["medium00"])
    fluxes = dict(zip(front.reactions, front.fluxes(asked, run)[0], strict=True))
    assert fluxes["biomass"] == 0.0
    assert fluxes["maintenance"] < 1e-6


def test_what_is_unknown_is_out_of_domain(run: RunContext) -> None:
    front = fitted(run, growth(12))
    asked = QueryTable.of(
        ["wild_type", "ox", "gly+ox", "EX_g", "drug", "wild_type"],
        ["medium01"] * 5 + ["moon"],
    )
    (answer,) = front.predict(asked, None, run)
    assert answer.in_domain.tolist() == [True, True, True, True, False, False]
    assert answer.mean[2, 0] == 0.0


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"readouts": {"growth": "biomass"}}, "glucose_flux"),
        ({"readouts": {"growth": "biomas", "glucose_flux": "EX_g"}}, "'biomas', which is no"),
        ({"uptakes": {"glucose": "EX_x"}}, "'EX_x' is no reaction"),
        ({"uptakes": {"glucose": "glycolysis"}}, "takes and makes"),
        ({"uptakes": {"sucrose": "EX_g"}}, "no table of features has the column 'sucrose'"),
        ({"network": "absent.sbml"}, "no such file"),
        ({"network_sha256": "0" * 64}, "another file"),
    ],
)
def test_what_cannot_be_fitted(run: RunContext, changed: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        fitted(run, growth(8), **changed)


def test_options_are_checked(run: RunContext) -> None:
    for wrong in ({"capacities": {"sucrose": 1.0}}, {"capacities": {"glucose": -1.0}}):
        with pytest.raises((CellulaError, ValidationError)):
            registry.create("model", "flux_front", front_options(run.scratch, **wrong))


def test_data_are_checked(run: RunContext) -> None:
    data = growth(8)
    negative = data.context_features
    assert negative is not None
    with pytest.raises(DataError, match="negative"):
        fitted(run, replace(data, context_features=-negative))
    dosed = growth(8)
    dosed.obs["dose_molar"] = np.arange(8.0)
    with pytest.raises(DataError, match="8 values of dose_molar"):
        fitted(run, dosed)


def test_a_network_without_a_steady_state_is_refused(run: RunContext) -> None:
    network = two_nutrients()
    flux = network.flux
    assert flux is not None
    hungry = {**flux.bounds, "maintenance": (900.0, 1000.0)}
    write(replace(network, flux=replace(flux, bounds=hungry)), run.scratch / "hungry.sbml")
    with pytest.raises(EngineError, match="infeasible"):
        fitted(run, growth(8), network=run.scratch / "hungry.sbml")
