"""The matching mean: the average of what the components do."""

from __future__ import annotations

import numpy as np

from cellula.core.query import QueryTable
from cellula.core.registry import create
from cellula.core.run import RunContext
from cellula.testing.examples import action_potentials, single_cells

NO_CELLS = {"cells": 0}


def test_on_singles_it_is_the_mean_response(run: RunContext) -> None:
    data = single_cells()
    queries = QueryTable.of([f"G{i}" for i in range(5)] * 2, ["type0"] * 5 + ["type1"] * 5)
    answers = [
        next(
            create("model", name, NO_CELLS)
            .fit(data, None, run)
            .predict(queries, data.controls, run)
        )
        for name in ("matching_mean", "mean_response")
    ]
    np.testing.assert_array_equal(answers[0].mean, answers[1].mean)
    assert answers[0].in_domain.all()


def test_an_unseen_combination_has_the_mean_of_its_components(run: RunContext) -> None:
    data = single_cells()
    fitted = create("model", "matching_mean", NO_CELLS).fit(data, None, run)
    labels = ["G0", "G2", "G4", "G0+G2", "G4+G2+G0", "control"]
    (batch,) = fitted.predict(QueryTable.of(labels, ["type0"] * 6), data.controls, run)
    delta = batch.mean - batch.mean[5]
    np.testing.assert_allclose(delta[3], delta[:2].mean(axis=0), atol=1e-12)
    np.testing.assert_allclose(delta[4], delta[:3].mean(axis=0), atol=1e-12)
    assert batch.in_domain.all()


def test_a_missing_component_counts_with_the_perturbed_mean(run: RunContext) -> None:
    data = single_cells()
    fitted = create("model", "matching_mean", NO_CELLS).fit(data, None, run)
    labels = ["G0", "never", "G0+never", "never+nor", "control"]
    (batch,) = fitted.predict(QueryTable.of(labels, ["type1"] * 5), data.controls, run)
    delta = batch.mean - batch.mean[4]
    np.testing.assert_allclose(delta[2], (delta[0] + delta[1]) / 2, atol=1e-12)
    np.testing.assert_allclose(delta[3], delta[1], atol=1e-12)
    assert batch.in_domain.tolist() == [True, False, False, False, True]


def test_a_combination_that_was_measured_keeps_its_own_response(run: RunContext) -> None:
    data = single_cells()
    fitted = create("model", "matching_mean", NO_CELLS).fit(data, None, run)
    (batch,) = fitted.predict(
        QueryTable.of(["G1+G0", "G0", "G1"], ["type0"] * 3), data.controls, run
    )
    assert np.abs(batch.mean[0] - batch.mean[1:].mean(axis=0)).max() > 0.01


def test_components_are_looked_up_at_the_queried_dose(run: RunContext) -> None:
    data = action_potentials()
    fitted = create("model", "matching_mean", NO_CELLS).fit(data, None, run)
    names = ["verapamil", "dofetilide", "verapamil+dofetilide"]
    queries = QueryTable.of(names, ["ventricular"] * 3, dose_molar=[1e-7] * 3)
    (batch,) = fitted.predict(queries, data.controls, run)
    np.testing.assert_allclose(batch.mean[2], batch.mean[:2].mean(axis=0))
    assert batch.in_domain.all()
