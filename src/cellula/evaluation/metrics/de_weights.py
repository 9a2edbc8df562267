"""Weights of readouts by how clearly the observed cells of a group differ from its controls."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cellula.core.comparison import Comparison
from cellula.core.prediction import Population
from cellula.evaluation.metrics.control_cells import Arms, Batch, arms_of, batches, csr_of
from cellula.kernels.group_moments import GroupMoments, add_moments, no_moments, welch_t

__all__ = ["RULE", "Weights", "de_weights"]

#: Cells that become sparse together.
ROWS = 8192

Codes = NDArray[np.int64]
Floats = NDArray[np.float64]

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
    """Weights from |t| by minimum and maximum, squared [mejia2025]_.

    They come from the observed cells and the real controls only, so no prediction moves them, and
    are made once for all comparisons that share these.
    """
    arms = arms_of(comparison, "observed")
    if isinstance(arms, str):
        shape = comparison.observed.shape
        return Weights(np.full(shape, np.nan), np.full(shape[0], arms))
    beside = arms.control, arms.own, arms.control_units, arms.unit
    return arms.cells.derived(_weights, *beside)


def _weights(
    cells: Population,
    control: Population,
    own: Codes,
    control_units: Codes | None,
    unit: Codes | None,
) -> Weights:
    reasons = np.full(len(own), "", object)
    values: Floats = np.full((len(own), cells.n_dimensions), np.nan)
    for batch in batches(Arms(cells, control, own, "observed", control_units, unit), reasons):
        values[batch.groups] = _shares(np.nan_to_num(np.abs(_t(batch)), nan=0.0))
    is_flat = (reasons == "") & np.isnan(values).any(axis=1)
    reasons[is_flat] = "all readouts differ alike from control"
    return Weights(values, reasons.astype(str))


def _t(batch: Batch) -> Floats:
    """Welch's t of some groups against their controls: (groups, readouts)."""
    n_groups = len(batch.groups)
    moments = no_moments(n_groups + 1, batch.cells.shape[1])
    group = np.repeat(np.arange(n_groups), batch.sizes)
    _add(batch.control, np.full(batch.control.shape[0], n_groups), moments)
    _add(batch.cells, group, moments)
    sizes = np.append(batch.sizes, batch.control.shape[0])
    return welch_t(moments, sizes, slice(0, n_groups), n_groups)[0]


def _shares(size: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weights from |t|, (groups, readouts); NaN where all readouts have the same."""
    low = size.min(axis=1, keepdims=True, initial=np.inf)
    span = size.max(axis=1, keepdims=True, initial=0.0) - low
    scaled = np.divide(size - low, span, out=np.full(size.shape, np.nan), where=span > 0) ** 2
    return np.asarray(scaled / scaled.sum(axis=1, keepdims=True), np.float64)


def _add(cells: Any, group: Codes, moments: GroupMoments) -> None:
    """Add cells (cells, readouts) to the moments of their groups, block by block."""
    for start in range(0, len(group), ROWS):
        part = slice(start, start + ROWS)
        add_moments(csr_of(cells[part]), group[part], moments)
