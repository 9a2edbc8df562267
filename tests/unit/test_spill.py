"""Predicted cells on disk are the predicted cells."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp

from cellula.core.matrix import dense
from cellula.core.prediction import Population, Prediction
from cellula.core.query import QueryTable
from cellula.core.value_type import ValueType
from cellula.evaluation.spill import spilled
from cellula.io.row_store import StoredRows, appended

READOUTS = ("a", "b", "c")


def batch(seed: int, cells: Population | None) -> Prediction:
    mean = np.random.default_rng(seed).random((2, 3))
    queries = QueryTable.of([f"p{seed}", f"q{seed}"], ["x", "x"])
    return Prediction(queries, READOUTS, ValueType.LOG1P, mean, np.ones(2, bool), cells=cells)


def population(seed: int, *, is_sparse: bool = True) -> Population:
    values = np.random.default_rng(seed).random((5, 3)) * (np.arange(15).reshape(5, 3) % 2)
    return Population(sp.csr_matrix(values) if is_sparse else values, np.array([0, 0, 1, 1, 1]))


@pytest.mark.parametrize("is_sparse", [True, False])
def test_batches_with_and_without_cells(is_sparse: bool, tmp_path: Path) -> None:
    store = appended(tmp_path / "s", [population(9).values], 3, is_sparse=True)
    drawn = store.rows(0, 5)[np.array([4, 0, 0, 3, 1])]
    given = [
        batch(1, population(1, is_sparse=is_sparse)),
        batch(2, None),
        batch(3, population(3, is_sparse=is_sparse)),
        batch(4, Population(drawn, np.array([0, 0, 0, 1, 1]))),
        batch(5, population(5, is_sparse=is_sparse)),
    ]

    def stream() -> Iterator[Prediction]:
        yield from given

    found = spilled(stream(), tmp_path / "t")
    assert len(found) == len(given)
    for one, two in zip(given, found, strict=True):
        assert replace(one, cells=None).mean is two.mean
        if one.cells is None:
            assert two.cells is None
            continue
        assert two.cells is not None
        assert isinstance(two.cells.values, StoredRows)
        assert np.array_equal(one.cells.group, two.cells.group)
        assert np.array_equal(dense(one.cells.values), dense(two.cells.values))
        positions = two.cells.values.positions
        assert np.array_equal(positions, np.arange(positions[0], positions[0] + 5))


def test_nothing_is_written_for_means(tmp_path: Path) -> None:
    assert spilled([batch(1, None)], tmp_path / "t")[0].cells is None
    assert not (tmp_path / "t").exists()
