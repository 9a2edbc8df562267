"""Differential expression of every group against its controls, once for the metrics that ask.

The rule: a two-sided Wilcoxon rank-sum test of the group's cells against the cells of its real
controls [mann1947]_, readout by readout, and Benjamini and Hochberg's adjusted p over the readouts
of the group [benjamini1995]_ below 0.05. The controls are real on both sides: see
:func:`cellula.evaluation.metrics.control_cells.arms_of`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cellula.core.comparison import Comparison
from cellula.core.prediction import Population
from cellula.evaluation.metrics.control_cells import (
    CELLS_OF_CONTROLS,
    Arms,
    Batch,
    arms_of,
    batches,
    csr_of,
    sizes_of,
)
from cellula.kernels.column_values import column_values, stored_values
from cellula.kernels.false_discovery import benjamini_hochberg
from cellula.kernels.rank_sum import rank_sum_p, rank_sums

__all__ = ["CALLED", "CONTROL", "NONE_CALLED", "Tested", "observed_tested", "predicted_tested"]

#: The false discovery rate below which a readout is differentially expressed.
LEVEL = 0.05
#: Readouts that are tested together.
WIDTH = 1024
#: What a definition says of the readouts and of the control.
CALLED = (
    "called readouts: a Wilcoxon rank-sum p, adjusted by Benjamini and Hochberg over all readouts "
    f"of the group, below {LEVEL:g} in the observed cells against the cells of its real controls"
)
CONTROL = f"real controls: of changes, the mean of both sides; of tests, {CELLS_OF_CONTROLS}"
NONE_CALLED = "no readout of the observed cells differs from control"

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Tested:
    """Tests of the cells of one side: p (groups, readouts), NaN in a group that was not tested;
    significant, same shape, never in such a group; reasons (groups,), "" where it was tested.
    """

    p: Floats
    significant: NDArray[np.bool_]
    reasons: NDArray[np.str_]


def observed_tested(comparison: Comparison) -> Tested:
    """Tests of the observed cells, made once for all comparisons that share them."""
    arms = arms_of(comparison, "observed")
    if isinstance(arms, str):
        return _untested(comparison, arms)
    beside = arms.control, arms.own, arms.control_units, arms.unit
    return arms.cells.derived(_observed, *beside)


def predicted_tested(comparison: Comparison) -> Tested:
    """Tests of the predicted cells, made once.

    Where a group has more predicted than observed cells, its p is that of as many cells as were
    observed: U scaled by the ratio, its ties with the cube. So copies of cells add no power.
    """
    arms = arms_of(comparison, "predicted")
    if isinstance(arms, str):
        return _untested(comparison, arms)
    return arms.cells.derived(_predicted, arms.control, arms.own, comparison.observed_cells)


def _untested(comparison: Comparison, reason: str) -> Tested:
    shape = comparison.observed.shape
    return Tested(np.full(shape, np.nan), np.zeros(shape, bool), np.full(shape[0], reason))


def _observed(
    cells: Population,
    control: Population,
    own: Codes,
    control_units: Codes | None,
    unit: Codes | None,
) -> Tested:
    arms = Arms(cells, control, own, "observed", control_units, unit)
    return _tested(arms, sizes_of(cells, len(own)))


def _predicted(
    cells: Population, control: Population, own: Codes, observed: Population | None
) -> Tested:
    size = sizes_of(cells, len(own))
    if observed is not None:
        size = np.minimum(size, np.maximum(sizes_of(observed, len(own)), 1))
    return _tested(Arms(cells, control, own, "predicted"), size)


def _tested(arms: Arms, size: Codes) -> Tested:
    """size: (groups,), the number of cells that a test counts, at least 1 where it has cells."""
    reasons = np.full(len(arms.own), "", object)
    p = np.full((len(arms.own), arms.cells.n_dimensions), np.nan)
    for batch in batches(arms, reasons):
        p[batch.groups] = _against(batch, size[batch.groups])
    significant = np.nan_to_num(benjamini_hochberg(p), nan=1.0) < LEVEL
    return Tested(p, significant, reasons.astype(str))


def _against(batch: Batch, size: Codes) -> Floats:
    """Tests of some groups against their controls: their p (groups, readouts)."""
    bounds = np.cumsum([0, batch.control.shape[0], *batch.sizes])
    rows, n_readouts = np.arange(bounds[-1]), batch.cells.shape[1]
    p = np.empty((len(size), n_readouts))
    for first in range(0, n_readouts, WIDTH):
        last = min(first + WIDTH, n_readouts)
        block = csr_of(batch.control[:, first:last], batch.cells[:, first:last])
        room = stored_values(block[1], last - first)
        values, ends = column_values(block, rows, bounds, 0, room)
        u, ties = rank_sums(values, ends, bounds)
        p[:, first:last] = _p_of(u, ties, bounds, size)
    return p


def _p_of(u: Floats, ties: Floats, bounds: Codes, size: Codes) -> Floats:
    """The p of rank sums as if every group had ``size`` cells: (groups, readouts)."""
    n_control, real = float(bounds[1]), np.diff(bounds)[1:].astype(np.float64)
    both, fewer = real + n_control, size + n_control
    scale = (fewer**3 - fewer) / (both**3 - both)
    return rank_sum_p(
        u * (size / real)[:, None],
        ties * scale[:, None],
        np.cumsum([0, bounds[1], *size]),
    )
