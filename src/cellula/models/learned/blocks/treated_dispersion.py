"""How treated cells of one question scatter: what counts that a treatment adds are drawn by."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from cellula.core.dataset import Dataset
from cellula.core.value_type import ValueType
from cellula.models.baselines.population import MIN_CELLS, SIZE_BOUNDS, counts_of

__all__ = ["treated_size"]

#: Cells that are dense together, and the most groups x readouts whose sums are kept.
BLOCK, MAX_ENTRIES = 1024, 2**25


def treated_size(parts: Sequence[Dataset]) -> NDArray[np.float64] | None:
    """Negative-binomial size r of every readout in treated cells of one question: (readouts,).

    By moments, r = sum e^2 / sum ((k - e)^2 - e) over all cells of groups of ten or more, k the
    counts of a cell and e its depth times the rate of its group. None where the cells are no
    log1p cells, no group is so large, or there are too many groups. One pass, block by block.
    """
    found = [one for part in parts if (one := _excess(part)) is not None]
    if not found:
        return None
    excess, square = np.sum(found, axis=0)
    return np.asarray(np.clip(square / np.maximum(excess, 1e-12), *SIZE_BOUNDS), np.float64)


def _excess(part: Dataset) -> NDArray[np.float64] | None:
    """Sums over treated cells of (k - e)^2 - e, and of e^2: (2, readouts)."""
    if part.value_type is not ValueType.LOG1P or part.is_control.all():
        return None
    group = np.where(part.is_control, -1, part.queries().keys())
    size = np.bincount(group[group >= 0])
    kept = np.flatnonzero(size >= MIN_CELLS)
    width = len(part.readouts)
    if not len(kept) or len(kept) * width > MAX_ENTRIES:
        return None
    place = np.full(len(size) + 1, -1)  # the last stands for the controls
    place[kept] = np.arange(len(kept))
    group = place[group]
    total, crossed = np.zeros((2, len(kept), width))
    square, depths = np.zeros(width), np.zeros((2, len(kept)))
    for start in range(0, part.n_profiles, BLOCK):
        rows = np.arange(start, min(start + BLOCK, part.n_profiles))
        rows = rows[group[rows] >= 0]
        if not len(rows):
            continue
        counts, scale = counts_of(part, rows, part.dense(rows))
        depth = np.divide(1.0, scale, out=np.zeros(len(rows)), where=scale > 0)
        one = sp.csr_matrix((np.ones(len(rows)), (group[rows], np.arange(len(rows)))))
        one.resize(len(kept), len(rows))
        total += one @ counts
        crossed += one @ (depth[:, None] * counts)
        square += np.square(counts, dtype=np.float64).sum(axis=0)
        depths += np.stack([one @ depth, one @ depth**2])
    rate = total / depths[0][:, None]
    expected = depths[1][:, None] * rate**2
    excess = square + (expected - 2.0 * rate * crossed - total).sum(axis=0)
    return np.stack([excess, expected.sum(axis=0)])
