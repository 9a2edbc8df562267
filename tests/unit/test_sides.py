"""Both sides in comparable values, and the size of every real response."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from anndata import AnnData
from picture_example import N_CELLS, both, cells, pair

from cellula.core.errors import DataError
from cellula.core.value_type import ValueType


def test_responses_are_ordered_by_their_size() -> None:
    sides = pair(cells(2))
    assert list(sides.groups["perturbation"]) == ["middle", "strong", "weak"]
    assert list(sides.groups["response"]) == ["medium", "large", "small"]
    assert sides.groups["size"].is_monotonic_decreasing is False
    assert all(n.tolist() == [N_CELLS] * 3 for n in sides.n_cells)
    assert len(sides.controls_of(0)) == N_CELLS


def test_readouts_are_put_in_order_and_predicted_controls_do_not_count() -> None:
    straight = pair(cells(2))
    turned = pair(cells(2)[:, ::-1].copy())
    rows = np.arange(20)
    assert np.array_equal(straight.predicted_cells(rows), turned.predicted_cells(rows))
    assert (straight.of_predicted >= 0).sum() == 3 * N_CELLS


def test_other_readouts_are_refused() -> None:
    with pytest.raises(DataError, match="readouts of the two sides differ"):
        pair(cells(2)[:, :-1].copy())


def test_counts_become_logarithms_and_stay_as_they_were() -> None:
    counts = cells(1)
    counts.X = sp.csr_matrix(np.rint(counts.X))
    before = counts.X.copy()
    low = counts.copy()
    low.X = low.X.toarray() - 5.0
    sides = both(counts, low, ValueType.COUNTS)
    rows = np.arange(counts.n_obs)
    assert np.allclose(np.expm1(sides.real_cells(rows).toarray()).sum(axis=1), 1e4)
    assert sides.predicted_cells(rows).min() == 0.0
    assert (before != counts.X).nnz == 0
    assert sides.value_type is ValueType.LOG1P


def test_one_profile_a_question_is_no_population() -> None:
    real = cells(1)
    means = real[~real.obs["is_control"].to_numpy()][::N_CELLS].copy()
    assert "predicted file holds one profile a question" in pair(means).no_cells
    assert pair(cells(2)).no_cells == ""


def test_without_context_all_is_one() -> None:
    parts: list[AnnData] = [cells(1), cells(2)]
    for part in parts:
        del part.obs["context"]
    assert both(*parts).contexts == ("all",)


def test_sizes_do_not_depend_on_the_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = pair(cells(2)).groups["size"].to_numpy()
    monkeypatch.setattr("cellula.evaluation.sides.BLOCK", 7)
    assert np.allclose(pair(cells(2)).groups["size"].to_numpy(), whole, rtol=1e-12)
    real = cells(1)
    means = {name: real[(real.obs["perturbation"] == name).to_numpy()].X.mean(0) for name in
             ("control", "strong")}  # fmt: skip
    expected = np.sqrt(np.mean((means["strong"] - means["control"]) ** 2))
    assert whole[1] == pytest.approx(expected, rel=1e-6)
