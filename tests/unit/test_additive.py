"""The additive model: sums of single effects."""

from __future__ import annotations

import numpy as np
import pytest

from cellula.core.errors import DataError
from cellula.core.query import QueryTable
from cellula.core.registry import create
from cellula.core.run import RunContext
from cellula.testing.examples import action_potentials, ic50_table, single_cells

NO_CELLS = {"cells": 0}


def test_a_combination_is_the_sum_of_its_components(run: RunContext) -> None:
    data = single_cells()
    fitted = create("model", "additive", NO_CELLS).fit(data, None, run)
    queries = QueryTable.of(["G0", "G1", "G0+G1", "control"], ["type0"] * 4)
    (batch,) = fitted.predict(queries, data.controls, run)
    delta = batch.mean - batch.mean[3]
    np.testing.assert_allclose(delta[2], delta[0] + delta[1], atol=1e-12)
    mean = create("model", "mean_response", NO_CELLS).fit(data, None, run)
    (seen,) = mean.predict(queries, data.controls, run)
    np.testing.assert_allclose(batch.mean[:2], seen.mean[:2])
    assert not np.allclose(batch.mean[2], seen.mean[2])
    assert batch.in_domain.all()


def test_an_unseen_component_has_the_mean_single_effect(run: RunContext) -> None:
    data = single_cells()
    fitted = create("model", "additive", NO_CELLS).fit(data, None, run)
    singles = [f"G{i}" for i in range(5)]
    queries = QueryTable.of([*singles, "G0+new", "new", "control"], ["type1"] * 8)
    (batch,) = fitted.predict(queries, data.controls, run)
    delta = batch.mean - batch.mean[7]
    np.testing.assert_allclose(delta[6], delta[:5].mean(axis=0), atol=1e-12)
    np.testing.assert_allclose(delta[5], delta[0] + delta[6], atol=1e-12)
    assert batch.in_domain.tolist() == [True] * 5 + [False, False, True]


def test_doses_are_told_apart(run: RunContext) -> None:
    data = action_potentials()
    fitted = create("model", "additive", NO_CELLS).fit(data, None, run)
    queries = QueryTable.of(["verapamil"] * 2, ["ventricular"] * 2, dose_molar=[1e-8, 1e-6])
    (batch,) = fitted.predict(queries, data.controls, run)
    chosen = (data.obs["perturbation"] == "verapamil") & (data.obs["dose_molar"] == 1e-6)
    np.testing.assert_allclose(batch.mean[1], data.dense(chosen.to_numpy()).mean(axis=0))
    assert not np.allclose(batch.mean[0], batch.mean[1])


def test_a_table_without_controls_is_refused(run: RunContext) -> None:
    with pytest.raises(DataError, match="row_column_offset"):
        create("model", "additive").fit(ic50_table(), None, run)


def test_combinations_alone_are_refused(run: RunContext) -> None:
    data = single_cells()
    is_combination = data.obs["perturbation"].astype(str).str.contains("+", regex=False)
    with pytest.raises(DataError, match="training perturbations are combinations"):
        create("model", "additive").fit(
            data.take(is_combination.to_numpy() | data.is_control), None, run
        )
