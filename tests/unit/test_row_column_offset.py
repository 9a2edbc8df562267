"""Two-way offsets: exact on an additive table, zero for unseen contexts."""

from __future__ import annotations

import numpy as np
import pytest

from cellula.core.query import QueryTable
from cellula.core.registry import create
from cellula.core.run import RunContext
from cellula.models.baselines.pseudobulk import Pseudobulk, pseudobulk
from cellula.models.baselines.row_column_offset import CANDIDATES, two_way_offsets
from cellula.testing.examples import ic50_table, single_cells


def _brute(bulk: Pseudobulk, shrinkage: float) -> tuple[np.ndarray, np.ndarray]:
    """The same problem as one least squares with the penalty as further rows."""
    t, c, n = len(bulk.treatments), len(bulk.contexts), len(bulk.values)
    design = np.zeros((n + c, t + c))
    design[np.arange(n), bulk.treatment] = 1
    design[np.arange(n), t + bulk.context] = 1
    design[n + np.arange(c), t + np.arange(c)] = np.sqrt(shrinkage)
    values = np.concatenate([bulk.values, np.zeros((c, bulk.values.shape[1]))])
    solved = np.linalg.lstsq(design, values, rcond=None)[0]
    return solved[:t], solved[t:]


@pytest.mark.parametrize(("contexts", "perturbations"), [(24, 10), (5, 12)])
def test_both_eliminations_solve_the_least_squares(contexts: int, perturbations: int) -> None:
    bulk = pseudobulk([ic50_table(n_contexts=contexts, n_perturbations=perturbations)])
    found, expected = two_way_offsets(bulk, 2.0), _brute(bulk, 2.0)
    np.testing.assert_allclose(found[0], expected[0], atol=1e-10)
    np.testing.assert_allclose(found[1], expected[1], atol=1e-10)


def test_an_unseen_context_has_no_offset(run: RunContext) -> None:
    data = ic50_table()
    fitted = create("model", "row_column_offset").fit(data, None, run)
    effect, offset = two_way_offsets(pseudobulk([data]), 3.0)
    queries = QueryTable.of(["drug002", "drug002", "never"], ["never", "line005", "line005"])
    (batch,) = fitted.predict(queries, None, run)
    expected = [effect[2, 0], effect[2, 0] + offset[5, 0], effect[:, 0].mean() + offset[5, 0]]
    np.testing.assert_allclose(batch.mean[:, 0], expected)
    assert batch.in_domain.tolist() == [False, True, False]


def test_beats_the_mean_response_on_held_out_pairs(run: RunContext) -> None:
    data = ic50_table()
    part = np.random.default_rng(0).integers(0, 10, data.n_profiles)
    train, valid, test = (data.take(rows) for rows in (part > 1, part == 1, part == 0))
    error = {}
    for name in ("mean_response", "row_column_offset"):
        fitted = create("model", name).fit(train, valid, run)
        (batch,) = fitted.predict(test.queries(), None, run)
        error[name] = float(np.mean((batch.mean - test.dense()) ** 2))
    assert error["row_column_offset"] < 0.6 * error["mean_response"]


def test_the_shrinkage_is_tuned_on_validation_data(run: RunContext) -> None:
    data = ic50_table()
    rng = np.random.default_rng(0)
    noise = data.take(np.ones(data.n_profiles, bool))
    noise.data.X = rng.normal(size=data.dense().shape)
    part = rng.integers(0, 5, data.n_profiles)
    train, valid = noise.take(part > 0), noise.take(part == 0)
    error = {}
    for shrinkage in CANDIDATES:
        fitted = create("model", "row_column_offset", {"shrinkage": shrinkage}).fit(
            train, None, run
        )
        (batch,) = fitted.predict(valid.queries(), None, run)
        error[shrinkage] = float(np.mean((batch.mean - valid.dense()) ** 2))
    best = min(error, key=lambda shrinkage: error[shrinkage])
    assert best != 3.0  # not the default
    tuned = create("model", "row_column_offset").fit(train, valid, run)
    fixed = create("model", "row_column_offset", {"shrinkage": best}).fit(noise, None, run)
    np.testing.assert_allclose(tuned.state().arrays["offset"], fixed.state().arrays["offset"])


def test_on_cells_the_offset_is_of_the_effect(run: RunContext) -> None:
    data = single_cells()
    fitted = create("model", "row_column_offset").fit(data, None, run)
    (batch,) = fitted.predict(QueryTable.of(["control"], ["type1"]), data.controls, run)
    controls = data.controls
    assert controls is not None
    own = controls.dense(np.asarray(controls.labels("context") == "type1")).mean(axis=0)
    np.testing.assert_allclose(batch.mean[0], own)
    assert batch.cells is not None
