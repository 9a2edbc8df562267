"""Held-out values as arrays to be sealed, and back as profiles once they are opened."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import scipy.sparse as sp
from anndata import AnnData
from numpy.typing import NDArray

from cellula.core.dataset import Dataset
from cellula.core.model import State
from cellula.data.splits import Fold

__all__ = ["held_out_values", "opened_profiles"]


def held_out_values(data: Dataset, folds: Sequence[Fold]) -> State:
    """The values of all held-out profiles of a claim: rows ascending, each once."""
    rows = _held_out(folds)
    block = data.values[rows]
    if sp.issparse(block):
        csr = sp.csr_matrix(block)
        csr.sort_indices()
        arrays = {"data": csr.data, "indices": csr.indices, "indptr": csr.indptr}
    else:
        arrays = {"values": np.asarray(block)}
    return State({"rows": rows, **arrays}, {"n_readouts": len(data.readouts)})


def opened_profiles(data: Dataset, fold: Fold, labels: State) -> Dataset:
    """The held-out profiles of a fold with their opened values."""
    rows = labels.arrays["rows"]
    position = np.searchsorted(rows, fold.test)
    part = cast("AnnData", data.take(fold.test).data)
    opened = AnnData(_matrix(labels)[position], obs=part.obs, var=part.var)
    return data.unchecked(opened)


def _matrix(labels: State) -> Any:
    arrays = labels.arrays
    if "values" in arrays:
        return arrays["values"]
    shape = (len(arrays["rows"]), int(labels.meta["n_readouts"]))
    return sp.csr_matrix((arrays["data"], arrays["indices"], arrays["indptr"]), shape=shape)


def _held_out(folds: Sequence[Fold]) -> NDArray[np.int64]:
    return np.unique(np.concatenate([fold.test for fold in folds]))
