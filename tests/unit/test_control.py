"""The control model: control means, control cells, and their bounds."""

from __future__ import annotations

import numpy as np
import pytest

from cellula.core.errors import DataError
from cellula.core.query import QueryTable
from cellula.core.registry import create
from cellula.core.run import RunContext
from cellula.testing.examples import ic50_table, single_cells


def test_predicts_the_control_mean_of_the_context(run: RunContext) -> None:
    data = single_cells()
    fitted = create("model", "control").fit(data, None, run)
    queries = QueryTable.of(["G0", "new", "G0"], ["type1", "type0", "type9"])
    (batch,) = fitted.predict(queries, data.controls, run)
    controls = data.controls
    assert controls is not None
    for row, context in enumerate(("type1", "type0")):
        own = controls.dense(np.asarray(controls.labels("context") == context))
        np.testing.assert_allclose(batch.mean[row], own.mean(axis=0))
    np.testing.assert_allclose(batch.mean[2], batch.mean[:2].mean(axis=0))
    assert batch.in_domain.tolist() == [True, True, False]


def test_its_cells_are_the_control_cells(run: RunContext) -> None:
    data = single_cells()
    fitted = create("model", "control").fit(data, None, run)
    (batch,) = fitted.predict(QueryTable.of(["G0"], ["type1"]), data.controls, run)
    controls = data.controls
    assert controls is not None
    assert batch.cells is not None
    own = controls.dense(np.asarray(controls.labels("context") == "type1"))
    np.testing.assert_allclose(batch.cells.of(0), own, atol=1e-6)


def test_new_controls_replace_those_of_training(run: RunContext) -> None:
    data, other = single_cells(), single_cells(seed=1)
    fitted = create("model", "control", {"cells": 0}).fit(data, None, run)
    (batch,) = fitted.predict(QueryTable.of(["G0"], ["type0"]), other.controls, run)
    controls = other.controls
    assert controls is not None
    own = controls.dense(np.asarray(controls.labels("context") == "type0"))
    np.testing.assert_allclose(batch.mean[0], own.mean(axis=0))
    assert batch.cells is None


def test_a_table_without_controls_is_refused(run: RunContext) -> None:
    with pytest.raises(DataError, match="needs control profiles"):
        create("model", "control").fit(ic50_table(), None, run)


def test_controls_with_other_readouts_are_refused(run: RunContext) -> None:
    data = single_cells()
    fitted = create("model", "control").fit(data, None, run)
    with pytest.raises(DataError, match="5 readouts of log1p"):
        list(fitted.predict(data.queries(), single_cells(n_readouts=5).controls, run))
