"""Labels and treatments found in queries."""

from __future__ import annotations

import numpy as np
import pandas as pd

from cellula.core.query import QueryTable
from cellula.models.baselines.encoding import (
    Treatments,
    canonical_label,
    group_means,
    label_positions,
    row_names,
)

TREATMENTS = Treatments(
    ("A", "A+B"),
    np.array([0, 0, 1]),
    np.array([1e-6, 2e-6, np.nan]),
    np.array([np.nan, np.nan, 60.0]),
)


def test_labels_of_combinations_are_sorted() -> None:
    assert canonical_label("B + A") == "A+B"
    assert canonical_label("+") == "+"


def test_unknown_labels_are_minus_one() -> None:
    column = pd.Categorical(["x", "z", "x", "y"])
    assert label_positions(column, ("y", "x")).tolist() == [1, -1, 1, 0]


def test_treatments_are_found_by_dose_and_time() -> None:
    queries = QueryTable.of(["A", "A", "A", "C"], ["c"] * 4, dose_molar=[2e-6, 1e-6, 3e-6, 1e-6])
    assert TREATMENTS.positions(queries).tolist() == [1, 0, 3, 5]
    timed = QueryTable.of(["B+A", "B+A"], ["c"] * 2, time_s=[60.0, 61.0])
    assert TREATMENTS.positions(timed).tolist() == [2, 4]
    undosed = QueryTable.of(["A", "A+B"], ["c"] * 2)  # each part was seen, but not together
    assert TREATMENTS.positions(undosed).tolist() == [3, 4]
    assert TREATMENTS.is_seen.tolist() == [True, True, True, False, False, False]


def test_fallbacks_are_means_with_equal_weight_of_perturbations() -> None:
    filled = TREATMENTS.with_fallbacks(np.array([[1.0], [3.0], [8.0]]))
    assert filled.ravel().tolist() == [1.0, 3.0, 8.0, 2.0, 8.0, 5.0]


def test_names_tell_dose_and_time() -> None:
    assert TREATMENTS.names == ("A 1e-06 mol/l", "A 2e-06 mol/l", "A+B 60 s")
    assert row_names(TREATMENTS, ["r"]) == TREATMENTS.names
    assert row_names(TREATMENTS, ["r", "s"])[:2] == ("A 1e-06 mol/l r", "A 1e-06 mol/l s")


def test_treatments_survive_their_state() -> None:
    state = TREATMENTS.state()
    again = Treatments.restore(state.arrays, state.meta)
    assert again.names == TREATMENTS.names


def test_group_means() -> None:
    assert group_means(np.array([1.0, 3.0, 5.0]), np.array([0, 0, 1]), 2).tolist() == [2.0, 5.0]
