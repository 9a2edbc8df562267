"""A replicate experiment where the data hold none: half of the real cells."""

from __future__ import annotations

import numpy as np

from cellula.core.dataset import Dataset
from cellula.core.errors import DataError
from cellula.evaluation.comparison import group_codes

__all__ = ["split_halves"]


def split_halves(
    observed: Dataset, unit: str, rng: np.random.Generator, min_cells: int = 5
) -> tuple[Dataset, Dataset] | None:
    """Two halves of the profiles of every group (question within unit), drawn at random.

    A model is scored on the first half; the second half, turned into predictions, is the
    replicate on the SAME first half. Both hold at least ``min_cells`` profiles of every group
    that they hold; smaller groups are in neither, and an odd profile goes to the first half.
    None when no group has 2 * ``min_cells`` profiles: the data hold no replicate.
    Raises DataError when ``min_cells`` is less than 1.
    """
    if min_cells < 1:
        raise DataError(f"halves of at least {min_cells} profiles; expected at least 1")
    groups = group_codes(observed, unit)[2]
    size = np.bincount(groups)
    order = np.lexsort((rng.random(len(groups)), groups))
    rank = np.empty(len(groups), np.int64)
    rank[order] = np.arange(len(groups)) - np.repeat(np.cumsum(size) - size, size)
    is_enough = size[groups] >= 2 * min_cells
    if not is_enough.any():
        return None
    is_first = rank < (size[groups] + 1) // 2
    return observed.take(is_enough & is_first), observed.take(is_enough & ~is_first)
