"""Query tables: columns that agree, batches in order, equal keys for equal questions."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from cellula.core.errors import DataError
from cellula.core.query import QueryTable


def table(n: int = 7) -> QueryTable:
    return QueryTable.of(
        [f"d{i % 3}" for i in range(n)],
        [f"c{i % 2}" for i in range(n)],
        dose_molar=np.linspace(0, 1, n),
    )


def test_columns_and_frame() -> None:
    queries = table()
    assert len(queries) == 7
    assert queries.columns == ("perturbation", "context", "dose_molar")
    frame = queries.frame()
    assert QueryTable.from_frame(frame).frame().astype(str).equals(frame.astype(str))


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
def test_batches_are_the_table_in_order(size: int) -> None:
    parts = list(table().batches(size))
    assert all(len(part) <= size for part in parts)
    joined = pd.concat([part.frame().astype(str) for part in parts], ignore_index=True)
    assert joined.equals(table().frame().astype(str))


def test_an_empty_batch_size_is_refused() -> None:
    with pytest.raises(DataError, match="at least 1"):
        list(table().batches(0))


def test_take_by_mask_positions_and_slice() -> None:
    queries = table()
    mask = np.arange(7) % 2 == 0
    by_mask, by_position = queries.take(mask), queries.take(np.flatnonzero(mask))
    assert by_mask.frame().equals(by_position.frame())
    assert list(queries.take(slice(0, 2)).perturbation) == ["d0", "d1"]


def test_keys_are_equal_for_equal_questions_only() -> None:
    queries = QueryTable.of(list("aabb"), list("xyxx"), time_s=[0.0, 0.0, 1.0, 1.0])
    assert queries.keys().tolist() == [0, 1, 2, 2]
    reordered = queries.take(np.array([3, 2, 1, 0]))
    assert reordered.keys().tolist() == [2, 2, 1, 0]


def test_unequal_columns_are_refused() -> None:
    with pytest.raises(DataError, match="'context' has 1 rows, 'perturbation' has 2"):
        QueryTable.of(["a", "b"], ["x"])


@pytest.mark.parametrize(
    ("columns", "name"),
    [
        ({"context": ["x", None]}, "context"),
        ({"context": ["x", "y"], "dose_molar": [1.0, np.nan]}, "dose_molar"),
    ],
)
def test_a_missing_value_is_named_by_column_and_row(
    columns: dict[str, list[object]], name: str
) -> None:
    with pytest.raises(DataError, match=f"'{name}' has no value in row 1"):
        QueryTable.from_frame(pd.DataFrame({"perturbation": ["a", "b"], **columns}))


def test_wrong_columns_are_all_named() -> None:
    frame = pd.DataFrame({"perturbation": ["a"], "drug": ["b"], "dose": [1]})
    with pytest.raises(DataError, match=r"unknown: drug, dose; missing: context"):
        QueryTable.from_frame(frame)


def test_numbers_as_labels_become_text() -> None:
    queries = QueryTable.from_frame(pd.DataFrame({"perturbation": [1036], "context": [7]}))
    assert list(queries.perturbation) == ["1036"]
