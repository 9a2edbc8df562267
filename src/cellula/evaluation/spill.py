"""Predicted cells that wait on disk until they are scored."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import chain, groupby
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from cellula.core.matrix import loaded
from cellula.core.prediction import Population, Prediction
from cellula.evaluation.answers import joined
from cellula.io.row_store import StoredRows, appended, rewritten
from cellula.kernels.memory import give_back

__all__ = ["spilled"]


def spilled(predictions: Iterable[Prediction], folder: Path) -> list[Prediction]:
    """The same predictions with their cells in ``folder``, a new one, group after group.

    Cells in memory are written as they come, so that no more than those of one batch are there;
    cells that were drawn from a store, in whatever order, are written anew in one pass over it,
    all batches into one place, for a matrix of several stores would be read to be joined.
    Batches without cells stay as they are. Raises StorageError when the disk refuses.
    """
    found: list[Prediction] = []
    for number, (is_stored, batches) in enumerate(groupby(predictions, _is_stored)):
        if is_stored:
            found += [
                _rewritten(batch, folder / f"{number}-{place}")
                for place, batch in enumerate(joined(batches))
            ]
        else:
            found += _written(batches, folder / str(number))
    give_back()
    return found


def _is_stored(batch: Prediction) -> bool:
    return batch.cells is not None and isinstance(batch.cells.values, StoredRows)


def _rewritten(batch: Prediction, folder: Path) -> Prediction:
    cells = batch.cells
    if cells is None:
        return batch
    return replace(batch, cells=Population(rewritten(cells.values, folder), cells.group))


def _written(predictions: Iterator[Prediction], folder: Path) -> list[Prediction]:
    """Batches with their cells written below one another."""
    bare: list[Prediction] = []
    groups: list[NDArray[np.int64] | None] = []

    def cells() -> Iterator[Any]:
        for batch in predictions:
            bare.append(replace(batch, cells=None))
            groups.append(None if batch.cells is None else batch.cells.group)
            if batch.cells is not None:
                yield loaded(batch.cells.values)

    blocks = cells()
    first = next(blocks, None)
    if first is None:
        return bare
    store = appended(folder, chain([first], blocks), first.shape[1], is_sparse=sp.issparse(first))
    found, start = [], 0
    for batch, group in zip(bare, groups, strict=True):
        if group is None:
            found.append(batch)
            continue
        rows = store.rows(start, start + len(group))
        found.append(replace(batch, cells=Population(rows, group)))
        start += len(group)
    return found
