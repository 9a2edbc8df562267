"""Predictions and populations: shapes agree, means are finite, cells are sorted."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp

from cellula.core.errors import DataError
from cellula.core.prediction import Population, Prediction
from cellula.core.query import QueryTable
from cellula.core.value_type import ValueType


def prediction(**changed: Any) -> Prediction:
    parts: dict[str, Any] = {
        "queries": QueryTable.of(["a", "b"], ["x", "x"]),
        "readouts": ("g0", "g1", "g2"),
        "value_type": ValueType.LOG1P,
        "mean": np.ones((2, 3)),
        "in_domain": np.array([True, False]),
    }
    return Prediction(**{**parts, **changed})


def test_a_prediction_holds_together() -> None:
    answer = prediction(lower=np.zeros((2, 3)), upper=np.full((2, 3), 2.0))
    assert len(answer.queries) == 2


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"mean": np.ones((2, 2))}, r"mean has shape \(2, 2\); expected .*\(2, 3\)"),
        ({"in_domain": np.ones(3, bool)}, r"in_domain has shape \(3,\); expected \(2,\)"),
        ({"lower": np.zeros((2, 3))}, "needs both lower and upper"),
        ({"lower": np.ones((2, 3)), "upper": np.zeros((2, 3))}, "lower bound above"),
        ({"mean": np.array([[1.0, 1, 1], [1, np.nan, 1]])}, "query 1 is not finite"),
    ],
)
def test_what_does_not_hold_together_is_refused(changed: dict[str, Any], said: str) -> None:
    with pytest.raises(DataError, match=said):
        prediction(**changed)


@pytest.mark.parametrize("form", [np.asarray, sp.csr_matrix])
def test_the_cells_of_one_group(form: Any) -> None:
    values = np.arange(10.0).reshape(5, 2)
    cells = Population(form(values), np.array([0, 0, 2, 2, 2]))
    np.testing.assert_array_equal(cells.of(2), values[2:])
    assert cells.of(1).shape == (0, 2)


@pytest.mark.parametrize(
    ("group", "said"), [([0, 1], "3 cells but 2 group codes"), ([0, 2, 1], "not sorted")]
)
def test_cells_that_do_not_agree_with_their_groups(group: list[int], said: str) -> None:
    with pytest.raises(DataError, match=said):
        Population(np.ones((3, 2)), np.array(group))
