"""Streams of answers cut differently are read together."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from cellula.core.prediction import Population, Prediction
from cellula.core.query import QueryTable
from cellula.core.value_type import ValueType
from cellula.models.baselines.in_step import in_step


def stream(queries: QueryTable, size: int, offset: float) -> Iterator[Prediction]:
    done = 0
    for batch in queries.batches(size):
        mean = offset + np.arange(done, done + len(batch))[:, None].astype(float)
        cells = Population(np.repeat(mean, 2, axis=0), np.repeat(np.arange(len(batch)), 2))
        inside = np.ones(len(batch), bool)
        yield Prediction(batch, ("r",), ValueType.LN_IC50, mean, inside, mean - 1, mean + 1, cells)
        done += len(batch)


def test_parts_answer_the_same_questions_with_their_cells() -> None:
    queries = QueryTable.of([f"p{i}" for i in range(10)], ["c"] * 10)
    done = 0
    for one, other in in_step([stream(queries, 4, 0.0), stream(queries, 3, 100.0)]):
        assert one.queries.frame().equals(other.queries.frame())
        rows = np.arange(done, done + len(one.queries))
        np.testing.assert_array_equal(one.mean[:, 0], rows)
        np.testing.assert_array_equal(other.mean[:, 0], rows + 100.0)
        assert other.cells is not None
        for row in range(len(one.queries)):
            np.testing.assert_array_equal(other.cells.of(row), [[rows[row] + 100.0]] * 2)
        done += len(one.queries)
    assert done == 10
