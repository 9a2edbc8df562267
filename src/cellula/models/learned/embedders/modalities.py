"""Several modalities of the same cells as the readouts of one matrix."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
from anndata import AnnData
from numpy.typing import NDArray

from cellula.core.dataset import Dataset
from cellula.core.errors import DataError
from cellula.core.value_type import ValueType

__all__ = ["one_matrix"]

#: What the counts of a cell are scaled to, in every modality by itself.
PER = 1e4


def one_matrix(data: Dataset) -> Dataset:
    """log1p values of all modalities side by side; of one modality the data as they are.

    Counts of RNA and counts of proteins are scaled each by their own total, then the logarithm
    is taken; log1p values stay. Raises DataError where a modality is something else or lacks a
    profile.
    """
    if isinstance(data.data, AnnData):
        return data
    blocks: list[NDArray[np.float64]] = []
    names: list[str] = []
    for name in data.modalities:
        part = data.modality(name)
        if list(part.obs.index) != list(data.obs.index):
            raise DataError(
                f"modality {name!r} has {part.n_profiles} profiles, all together have "
                f"{data.n_profiles}; keep the profiles that every modality has, in one order"
            )
        blocks.append(_logs(part, name))
        names += part.readouts
    joined = AnnData(np.concatenate(blocks, axis=1), pd.DataFrame(index=data.obs.index))
    joined.var_names = pd.Index(names)
    return replace(data, data=joined, value_type=ValueType.LOG1P, value_types={})


def _logs(part: Dataset, name: str) -> NDArray[np.float64]:
    values = part.dense()
    if part.value_type is ValueType.LOG1P:
        return values
    if part.value_type is not ValueType.COUNTS:
        raise DataError(
            f"modality {name!r} holds {part.value_type.value}; a network reads counts or log1p"
        )
    total = np.maximum(values.sum(axis=1, keepdims=True), 1.0)
    return np.asarray(np.log1p(values / total * PER), np.float64)
