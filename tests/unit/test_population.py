"""Populations: integers, dispersion and depth survive; the mean moves where it should."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

from cellula.core.dataset import Dataset
from cellula.core.query import QueryTable
from cellula.core.run import RunContext, run_context
from cellula.core.value_type import ValueType
from cellula.models.baselines import population
from cellula.models.baselines.population import ControlCells, recovered_counts
from cellula.models.baselines.recount import recount_to
from cellula.testing.examples import single_cells

SIZE = 2.0


def _controls(n: int = 2000, genes: int = 6, *, has_counts: bool = True) -> Dataset:
    """Negative-binomial control cells of one context, of unequal depth."""
    rng = np.random.default_rng(3)
    depth = rng.uniform(0.5, 2.0, n)
    rate = np.array([0.3, 1.0, 4.0, 10.0, 30.0, 0.0])[:genes]
    counts = rng.poisson(depth[:, None] * rate * rng.gamma(SIZE, 1 / SIZE, (n, genes)))
    counts[:, 0] = 1  # every cell has a gene counted once
    scale = 1.0 / depth
    obs = pd.DataFrame({"context": "c", "is_control": True}, [f"c{i}" for i in range(n)])
    data = AnnData(
        np.log1p(counts * scale[:, None]), obs, pd.DataFrame(index=[f"g{i}" for i in range(genes)])
    )
    if has_counts:
        data.layers["counts"] = counts
    return Dataset(data, ValueType.LOG1P)


def _shift(data: Dataset, shift: list[float], run: RunContext, most: int = 2000) -> np.ndarray:
    cells = ControlCells.of(data, most)
    assert cells is not None
    mean = np.maximum(data.dense().mean(axis=0) + np.array(shift), 0)
    return cells.shifted(QueryTable.of(["A"], ["c"]), mean[None], run).of(0)


def test_the_mean_moves_to_the_prediction(run: RunContext) -> None:
    data = _controls()
    shift = [-0.2, 0.3, -0.5, 0.6, -1.0, 0.2]
    moved = _shift(data, shift, run).mean(axis=0) - data.dense().mean(axis=0)
    np.testing.assert_allclose(moved, shift, atol=0.08)


def test_no_shift_leaves_every_cell_alone(run: RunContext) -> None:
    data = _controls()
    np.testing.assert_allclose(_shift(data, [0.0] * 6, run), data.dense(), atol=1e-12)


@pytest.mark.parametrize("shift", [-0.7, 0.7])
def test_counts_stay_integers_with_their_dispersion(shift: float, run: RunContext) -> None:
    data = _controls()
    cells = _shift(data, [0.0, 0.0, shift, shift, shift, 0.0], run)
    scale = np.expm1(data.dense()).sum(axis=1) / data.data.layers["counts"].sum(axis=1)
    counts = np.expm1(cells) / scale[:, None]
    np.testing.assert_allclose(counts, np.rint(counts), atol=1e-6)
    depth = (1 / scale)[:, None]
    expected = depth * (counts.sum(axis=0) / depth.sum())
    excess = ((counts - expected) ** 2 - expected).sum(axis=0)
    size = (expected**2).sum(axis=0)[2:5] / excess[2:5]
    np.testing.assert_allclose(size, SIZE, rtol=0.25)  # a point mass or Poisson would be far off


def test_counts_are_recovered_from_log1p(run: RunContext) -> None:
    data = _controls()
    np.testing.assert_array_equal(recovered_counts(data.dense()), data.data.layers["counts"])
    bare = _shift(_controls(has_counts=False), [-0.3] * 6, run)
    np.testing.assert_allclose(bare, _shift(data, [-0.3] * 6, run), atol=1e-9)


def test_a_cell_without_counts_is_no_trouble() -> None:
    assert recovered_counts(np.zeros((2, 3))).tolist() == [[0, 0, 0], [0, 0, 0]]


def test_neither_batch_nor_order_changes_a_population(run: RunContext) -> None:
    data = _controls(300)
    cells = ControlCells.of(data, 100)
    assert cells is not None
    queries = QueryTable.of(["A", "B", "A"], ["c", "c", "c"], dose_molar=[1e-6, 1e-6, 1e-6])
    mean = np.tile(data.dense().mean(axis=0) + 0.2, (3, 1))
    whole = cells.shifted(queries, mean, run)
    alone = cells.shifted(queries.take(slice(1, 2)), mean[:1], run)
    np.testing.assert_array_equal(alone.of(0), whole.of(1))
    np.testing.assert_array_equal(whole.of(0), whole.of(2))
    assert not np.array_equal(whole.of(0), whole.of(1))
    assert len(whole.of(0)) == 100


def test_the_seed_of_the_run_changes_it(tmp_path: Path) -> None:
    data = _controls(300)
    one, two, again = (
        _shift(data, [0.2] * 6, run_context(seed, tmp_path), 100) for seed in (0, 1, 0)
    )
    np.testing.assert_array_equal(one, again)
    assert not np.array_equal(one, two)


def test_few_controls_or_another_value_type_are_no_population() -> None:
    data = _controls(300)
    assert ControlCells.of(data.take(np.arange(9)), 100) is None
    assert ControlCells.of(data, 0) is None
    counts = AnnData(data.data.layers["counts"].astype(float), data.obs, data.data.var)
    assert ControlCells.of(Dataset(counts, ValueType.COUNTS), 100) is None


def test_a_context_without_cells_uses_all_controls(run: RunContext) -> None:
    data = single_cells()
    controls = data.controls
    assert controls is not None
    cells = ControlCells.of(controls, 300)
    assert cells is not None
    mean = controls.dense().mean(axis=0)[None]
    population = cells.shifted(QueryTable.of(["A"], ["elsewhere"]), mean, run)
    assert len(population.of(0)) == controls.n_profiles


def test_a_question_that_is_asked_again_has_the_same_cells_made_once(
    run: RunContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = single_cells()
    cells = ControlCells.of(data.take(data.is_control), 5)
    assert cells is not None
    made: list[int] = []

    def counted(*given: Any) -> Any:
        made.append(1)
        return recount_to(*given)

    monkeypatch.setattr(population, "recount_to", counted)
    queries = QueryTable.of(["G0", "G1", "G0"], ["type0"] * 3)
    mean = np.full((3, 8), 2.0)
    found = cells.shifted(queries, mean, run)
    assert len(made) == 2
    np.testing.assert_array_equal(found.of(0), found.of(2))
    assert not np.array_equal(found.of(0), found.of(1))
    alone = cells.shifted(queries.take(slice(0, 1)), mean[:1], run)
    np.testing.assert_array_equal(found.of(2), alone.of(0))
