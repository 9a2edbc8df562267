"""The tests behind the agreement of calls, against SciPy."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from numpy.typing import NDArray
from perturbation_example import against, cells, predicted_blocks, with_cells
from scipy.stats import false_discovery_control, mannwhitneyu

from cellula.core.comparison import Comparison
from cellula.core.prediction import Population
from cellula.evaluation.metrics import control_cells
from cellula.evaluation.metrics import de_table as module
from cellula.evaluation.metrics.de_table import observed_tested, predicted_tested
from cellula.evaluation.metrics.de_weights import de_weights


@pytest.fixture(scope="module")
def given() -> Comparison:
    return against(cells(2), cells(1))


def plain_p(given: Comparison, population: Population) -> NDArray[np.float64]:
    assert given.control_cells is not None
    assert given.control is not None
    return np.array(
        [
            mannwhitneyu(
                population.of(group),
                given.control_cells.of(int(given.control[group])),
                method="asymptotic",
            ).pvalue
            for group in range(len(given.groups))
        ]
    )


@pytest.mark.requirement("E14")
def test_p_and_calls_are_those_of_scipy(given: Comparison) -> None:
    for tested, population in (
        (observed_tested(given), given.observed_cells),
        (predicted_tested(given), given.predicted_cells),
    ):
        assert population is not None
        p = plain_p(given, population)
        np.testing.assert_allclose(tested.p, p, rtol=1e-10)
        adjusted = np.array([false_discovery_control(row) for row in p])
        assert np.array_equal(tested.significant, adjusted < 0.05)
        assert 0.1 < tested.significant.mean() < 0.6


def test_dense_mixed_and_blocked_cells_are_the_same(
    given: Comparison, monkeypatch: pytest.MonkeyPatch
) -> None:
    p = observed_tested(given).p
    monkeypatch.setattr(module, "WIDTH", 7)
    monkeypatch.setattr(control_cells, "CELLS", 70)
    assert np.array_equal(observed_tested(given).p, p)
    own, base = given.observed_cells, given.control_cells
    assert own is not None
    assert base is not None
    assert sp.issparse(own.values)
    mixed = replace(given, observed_cells=Population(own.values.toarray(), own.group))
    assert np.array_equal(observed_tested(mixed).p, p)
    dense = replace(mixed, control_cells=Population(base.values.toarray(), base.group))
    assert np.array_equal(observed_tested(dense).p, p)


def test_copies_of_cells_add_no_power(given: Comparison) -> None:
    blocks = predicted_blocks(given)
    once = predicted_tested(given)
    many = predicted_tested(with_cells(given, [np.tile(block, (8, 1)) for block in blocks]))
    assert np.mean(once.significant != many.significant) < 0.03
    assert many.significant.sum() <= 1.02 * once.significant.sum()
    few = predicted_tested(with_cells(given, [block[:6] for block in blocks]))
    assert few.significant.sum() < 0.6 * once.significant.sum()


def test_groups_that_cannot_be_tested_say_so(given: Comparison) -> None:
    blocks = predicted_blocks(given)
    blocks[0] = blocks[0][:1]
    blocks[1] = np.where(np.arange(blocks[1].size).reshape(blocks[1].shape) == 5, np.nan, blocks[1])
    tested = predicted_tested(with_cells(given, blocks))
    assert tested.reasons[0] == "fewer than 2 predicted cells"
    assert tested.reasons[1] == "a cell of the predicted side has a value that is no number"
    assert np.isnan(tested.p[:2]).all()
    assert not tested.significant[:2].any()
    np.testing.assert_array_equal(tested.p[2:], predicted_tested(given).p[2:])
    base = given.control_cells
    assert base is not None
    values = base.values.copy()
    values.data[0] = np.inf
    spoiled = replace(given, control_cells=Population(values, base.group))
    reasons = observed_tested(spoiled).reasons
    left = (given.groups["context"] == "left").to_numpy()
    assert set(reasons[left]) == {"a control cell has a value that is no number"}
    assert set(reasons[~left]) == {""}


def test_sparse_cells_stay_sparse() -> None:
    """Neither the tests nor the weights need the memory of dense cells."""
    rng = np.random.default_rng(0)
    n, n_genes, n_groups = 6000, 3000, 12
    values = sp.random(n, n_genes, 0.01, "csr", random_state=rng)
    group = np.sort(rng.integers(0, n_groups, n))
    zeros = np.zeros((n_groups, n_genes))
    given = Comparison(
        groups=pd.DataFrame({"perturbation": np.arange(n_groups).astype(str), "context": "x"}),
        unit=np.arange(n_groups),
        units=tuple(map(str, range(n_groups))),
        readouts=tuple(map(str, range(n_genes))),
        observed=zeros,
        predicted=zeros,
        reference=zeros,
        observed_cells=Population(values, group),
        control_cells=Population(values[:1000], np.zeros(1000, np.int64)),
        control=np.zeros(n_groups, np.int64),
    )
    dense = 8 * n * n_genes
    for make in (observed_tested, de_weights):
        make(given)  # compiled before it is measured
        tracemalloc.start()
        found = make(given)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert (found.reasons == "").all()
        assert peak < dense / 10
