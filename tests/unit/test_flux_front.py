"""Flux balance behind a network."""

from __future__ import annotations

import numpy as np
import pytest
from flux_front_example import front_options, growth, two_nutrients

from cellula.core import registry
from cellula.core.run import RunContext
from cellula.models.mechanistic.flux_problem import flux_problem

TRAIN = {"epochs": 60, "batch": 64, "learning_rate": 0.02}


def made(run: RunContext, **changed: object) -> object:
    return registry.create(
        "model", "flux_front", front_options(run.scratch, train=TRAIN, **changed)
    )


def rmse(fitted: object, data: object, run: RunContext) -> np.ndarray:
    (answer,) = fitted.predict(data.queries(), None, run)
    return np.sqrt(np.mean((answer.mean - data.dense()) ** 2, axis=0))


@pytest.mark.requirement("K9")
def test_it_beats_fitted_bounds_and_conserves_flux(run: RunContext) -> None:
    data = growth()
    is_held = np.arange(data.n_profiles) % 3 == 0
    train, held = data.take(~is_held), data.take(is_held)
    front = made(run).fit(train, None, run)
    constant = made(run, front="constant").fit(train, None, run)
    assert (rmse(front, held, run) < 0.5 * rmse(constant, held, run)).all()
    fluxes = front.fluxes(held.queries(), run)
    matrix = flux_problem(two_nutrients()).stoichiometry
    assert np.abs(matrix @ fluxes.T).max() < 1e-9
    is_out = np.asarray(held.queries().perturbation) == "gly"
    assert (fluxes[is_out][:, front.reactions.index("glycolysis")] == 0).all()
