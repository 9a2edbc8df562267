"""The table of differences between every perturbation and its control."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from anndata import AnnData
from numpy.typing import NDArray
from scipy.special import stdtr

from cellula.core.run import RunContext
from cellula.core.value_type import ValueType
from cellula.evaluation.differential.arms import Arms, arms_of, codes_of
from cellula.evaluation.differential.blocks import CellBlocks, cell_blocks, group_sizes
from cellula.evaluation.differential.options import DifferentialOptions
from cellula.evaluation.differential.ranks import ranks_in_memory, ranks_streamed
from cellula.kernels.false_discovery import benjamini_hochberg
from cellula.kernels.group_moments import (
    GroupMoments,
    add_moments,
    add_sums,
    no_moments,
    welch_t,
)

__all__ = ["differential"]

#: Fewer donors than this on a side say little, whatever their p.
FEW_DONORS = 3

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Tested:
    """Of every group (groups, genes): mean on the linear scale, statistic and p; n units."""

    n: NDArray[np.int64]
    mean: Array
    statistic: Array
    p: Array
    is_constant: NDArray[np.bool_]


def differential(
    data: AnnData,
    *,
    perturbation: str,
    control: str,
    context: str | None = None,
    options: DifferentialOptions | None = None,
    run: RunContext,
) -> pd.DataFrame:
    """Every readout of every perturbation compared with the control of its context.

    data: cells x readouts; X (or the layer) dense, CSR, or on a disk (backed h5ad, sparse Zarr),
    then read in blocks of rows. perturbation, context: columns of obs; control: the label.

    One row a context, perturbation and readout: context ("" where none is named), perturbation,
    readout; n and n_control, units of the test (cells, or donors); mean and mean_control on the
    linear scale (of counts, of exp(x) - 1 for log1p, of CPM over donors for pseudobulk, else of
    the values); log2_fold_change = log2((mean + c) / (mean_control + c)) with the options'
    pseudocount c (for log2 values the difference of means, NaN where ratios mean nothing);
    statistic (U or t); p_value, two-sided; p_adjusted over the readouts of one perturbation in one
    context [benjamini1995]_; reason, "" or why a row has no p or a weak one. A constant readout
    has p 1. Raises DataError on a value that is not finite or a negative count, naming it.
    """
    asked = options or DifferentialOptions()
    arms = arms_of(data.obs, perturbation, control, context)
    cells = cell_blocks(data, asked)
    run.progress.say(_estimate(cells, arms))
    if asked.test == "pseudobulk":
        tested = _donors_tested(cells, arms, codes_of(data.obs, asked.donor or "")[0])
    else:
        tested = _cells_tested(cells, arms, run)
    return _table(tested, cells, arms)


def _estimate(cells: CellBlocks, arms: Arms) -> str:
    """What the test will hold in memory besides the matrix, before it begins."""
    pairs = (len(arms.names) - len(arms.contexts)) * cells.shape[1]
    working = 8 * 6 * len(arms.names) * cells.shape[1]
    return (
        f"{pairs:,} comparisons of {cells.shape[0]:,} cells: about {working / 1e9:.2f} GB for sums "
        f"and statistics, {pairs * 80 / 1e9:.2f} GB for the table, and at most "
        f"{cells.options.memory_gb:g} GB for values read from a disk"
    )


def _cells_tested(cells: CellBlocks, arms: Arms, run: RunContext) -> Tested:
    sizes = group_sizes(arms.groups, len(arms.names))
    moments = no_moments(len(arms.names), cells.shape[1])
    linear = np.zeros(moments.sums.shape) if cells.is_log1p else moments.sums
    for rows, block in cells.blocks():
        add_moments(block, arms.groups[rows], moments)
        if cells.is_log1p:
            add_sums(block, arms.groups[rows], linear, is_log1p=True)
    constant = _constant(moments, sizes, arms)
    if cells.options.test == "t":
        statistic, p = _welch(moments, sizes, arms)
        p = np.where(constant, 1.0, p)
    elif (whole := cells.in_memory) is not None:
        statistic, p = ranks_in_memory(whole, cells.shape[1], arms, run)
    else:
        statistic, p = ranks_streamed(cells, moments.non_zero, arms, run)
    return Tested(sizes, _divided(linear, sizes), statistic, p, constant)


def _donors_tested(cells: CellBlocks, arms: Arms, donors: NDArray[np.int64]) -> Tested:
    """Counts summed by donor, as log2(CPM + 1); a donor of a group is one unit."""
    pairs, unit = np.unique(np.column_stack([arms.groups, donors]), axis=0, return_inverse=True)
    sums = np.zeros((len(pairs), cells.shape[1]))
    for rows, block in cells.blocks():
        add_sums(block, np.ravel(unit)[rows].astype(np.int64), sums)
    totals = sums.sum(1, keepdims=True)
    cpm = 1e6 * sums / np.where(totals > 0, totals, 1.0)
    values = np.log2(cpm + 1.0)
    n_groups = len(arms.names)
    sizes = np.bincount(pairs[:, 0], minlength=n_groups)
    moments = no_moments(n_groups, cells.shape[1])
    linear = np.zeros(moments.sums.shape)
    np.add.at(moments.sums, pairs[:, 0], values)
    np.add.at(moments.squares, pairs[:, 0], values**2)
    np.add.at(moments.non_zero, pairs[:, 0], (values > 0).astype(np.int64))
    np.add.at(linear, pairs[:, 0], cpm)
    constant = _constant(moments, sizes, arms)
    statistic, p = _welch(moments, sizes, arms)
    return Tested(sizes, _divided(linear, sizes), statistic, np.where(constant, 1.0, p), constant)


def _welch(moments: GroupMoments, sizes: NDArray[np.int64], arms: Arms) -> tuple[Array, Array]:
    t, p = (np.full(moments.sums.shape, np.nan) for _ in range(2))
    for first, last in arms.contexts:
        part = slice(first + 1, last)
        t[part], df = welch_t(moments, sizes, part, first)
        p[part] = 2.0 * stdtr(df, -np.abs(t[part]))
    return t, p


def _constant(moments: GroupMoments, sizes: NDArray[np.int64], arms: Arms) -> NDArray[np.bool_]:
    """Whether all units of group and control have one value, up to rounding."""
    result = np.zeros(moments.sums.shape, bool)
    for first, last in arms.contexts:
        for group in range(first + 1, last):
            n = float(sizes[group] + sizes[first])
            if not (sizes[group] and sizes[first]):
                continue
            total = moments.sums[group] + moments.sums[first]
            square = moments.squares[group] + moments.squares[first]
            result[group] = square - total * total / n <= 1e-12 * square
    return result


def _divided(sums: Array, sizes: NDArray[np.int64]) -> Array:
    n = sizes[:, None].astype(np.float64)
    mean: Array = np.divide(sums, n, out=np.full(sums.shape, np.nan), where=n > 0)
    return mean


def _table(tested: Tested, cells: CellBlocks, arms: Arms) -> pd.DataFrame:
    controls = np.repeat(arms.first[:-1], np.diff(arms.first))
    groups = np.setdiff1d(np.arange(len(arms.names)), controls)
    own = controls[groups]
    width = cells.shape[1]
    mean, base = tested.mean[groups], tested.mean[own]
    p = tested.p[groups]

    def labels(place: int) -> pd.Categorical:
        return pd.Categorical(np.repeat([arms.names[g][place] for g in groups], width))

    return pd.DataFrame(
        {
            "context": labels(0),
            "perturbation": labels(1),
            "readout": pd.Categorical.from_codes(
                np.tile(np.arange(width), len(groups)), categories=cells.readouts.astype(str)
            ),
            "n": np.repeat(tested.n[groups], width),
            "n_control": np.repeat(tested.n[own], width),
            "mean": mean.ravel(),
            "mean_control": base.ravel(),
            "log2_fold_change": _fold_change(mean, base, cells.options).ravel(),
            "statistic": np.where(np.isnan(p), np.nan, tested.statistic[groups]).ravel(),
            "p_value": p.ravel(),
            "p_adjusted": benjamini_hochberg(p).ravel(),
            "reason": pd.Categorical(_reasons(tested, groups, own, cells.options).ravel()),
        }
    )


def _fold_change(mean: Array, base: Array, options: DifferentialOptions) -> Array:
    if options.value_type is ValueType.LOG2:
        return mean - base
    if not options.value_type.is_non_negative:
        return np.full(mean.shape, np.nan)
    return np.log2((mean + options.pseudocount) / (base + options.pseudocount))


def _reasons(
    tested: Tested,
    groups: NDArray[np.int64],
    own: NDArray[np.int64],
    options: DifferentialOptions,
) -> NDArray[np.object_]:
    unit = "donor" if options.test == "pseudobulk" else "cell"
    reasons = np.full((len(groups), tested.p.shape[1]), "", object)
    without_p = np.isnan(tested.p[groups])
    reasons[without_p] = "no variance within the groups"
    reasons[tested.is_constant[groups]] = "constant"
    for place, (group, control) in enumerate(zip(groups, own, strict=True)):
        n, m = int(tested.n[group]), int(tested.n[control])
        if min(n, m) == 0:
            reasons[place] = f"no {unit}s" if n == 0 else f"no control {unit}s in this context"
        elif unit == "donor" and min(n, m) < FEW_DONORS:
            reasons[place] = f"underpowered: {n} and {m} donors, at least {FEW_DONORS} are needed"
        elif min(n, m) == 1:
            reasons[place] = "one cell" if n == 1 else "one control cell"
    return reasons
