"""Predicted cells that wait on disk until they are scored."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

import scipy.sparse as sp

from cellula.core.matrix import loaded
from cellula.core.prediction import Population, Prediction
from cellula.io.row_store import appended

__all__ = ["spilled"]


def spilled(predictions: Iterable[Prediction], folder: Path) -> list[Prediction]:
    """The same predictions with their cells in ``folder``, a new one, written as they come.

    No more than the cells of one batch are in memory. Batches without cells stay as they are.
    Raises StorageError when the disk refuses.
    """
    bare: list[Prediction] = []
    groups: list[Any] = []

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
