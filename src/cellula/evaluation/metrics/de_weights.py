"""Weights of readouts by how clearly the observed cells of a group differ from its controls."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from cellula.core.comparison import Comparison
from cellula.core.prediction import Population
from cellula.evaluation.metrics.control_cells import cell_reasons, sizes_of
from cellula.kernels.group_moments import GroupMoments, add_moments, no_moments, welch_t

__all__ = ["RULE", "Weights", "de_weights"]

#: Cells that become sparse together, and groups whose t is worked out together.
CELLS, GROUPS = 8192, 256

RULE = (
    "w = ((|t| - min |t|) / (max |t| - min |t|))^2 over readouts, divided by its sum; t = Welch's "
    "t of the observed cells of the group against the cells of its real controls, 0 where neither "
    "side varies"
)


@dataclass(frozen=True, slots=True)
class Weights:
    """values: (groups, readouts), each row sums to 1 and is NaN where the group has none;
    reasons: (groups,), "" where it has.
    """

    values: NDArray[np.float64]
    reasons: NDArray[np.str_]


def de_weights(comparison: Comparison) -> Weights:
    """Weights from |t| by minimum and maximum, squared [mejia2025]_; for Comparison.derived.

    They come from the observed cells and the real controls only: no prediction moves them.
    """
    cells, control, own = (
        comparison.observed_cells,
        comparison.control_cells,
        comparison.control,
    )
    reasons = cell_reasons(comparison, cells, "observed")
    values: NDArray[np.float64] = np.full(comparison.observed.shape, np.nan)
    groups = np.flatnonzero(reasons == "")
    if cells is None or control is None or own is None or not len(groups):
        return Weights(values, reasons)
    n_groups, n_controls = len(values), int(own.max(initial=-1)) + 1
    moments = no_moments(n_groups + n_controls, values.shape[1])
    _add(cells, 0, moments)
    _add(control, n_groups, moments)
    sizes = np.append(sizes_of(cells, n_groups), sizes_of(control, n_controls)[:n_controls])
    for start in range(0, len(groups), GROUPS):
        rows = groups[start : start + GROUPS]
        t, _ = welch_t(moments, sizes, rows, n_groups + own[rows])
        values[rows] = _weights(np.nan_to_num(np.abs(t), nan=0.0))
    is_flat = (reasons == "") & np.isnan(values).any(axis=1)
    return Weights(values, np.where(is_flat, "all readouts differ alike from control", reasons))


def _weights(size: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weights from |t|, (groups, readouts); NaN where all readouts have the same."""
    low = size.min(axis=1, keepdims=True, initial=np.inf)
    span = size.max(axis=1, keepdims=True, initial=0.0) - low
    scaled = np.divide(size - low, span, out=np.full(size.shape, np.nan), where=span > 0) ** 2
    return np.asarray(scaled / scaled.sum(axis=1, keepdims=True), np.float64)


def _add(cells: Population, offset: int, moments: GroupMoments) -> None:
    """Add all cells to the moments of their groups, which begin at ``offset``."""
    n_rows = len(moments.sums)
    for start in range(0, len(cells.group), CELLS):
        part: Any = sp.csr_matrix(cells.values[start : start + CELLS])
        group = cells.group[start : start + CELLS] + offset
        group = np.where(group < n_rows, group, -1)
        add_moments((part.data, part.indices, part.indptr), group, moments)
