"""Counts of groups of cells: sums, scaled means, and the jackknife variance of a log pseudobulk."""

from __future__ import annotations

import math
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

__all__ = ["group_means", "group_sums", "jackknife_variance", "row_totals", "scaled"]

#: Up to this |d| ten terms of the series of log(1 + d) are exact to the last bits of a double.
SMALL = 0.02


@numba.njit(cache=True, nogil=True)
def _row_totals(data, indptr, totals):  # type: ignore[no-untyped-def]
    for row in range(len(totals)):
        total = 0.0
        for here in range(indptr[row], indptr[row + 1]):
            total += data[here]
        totals[row] = total


def row_totals(data: NDArray[Any], indptr: NDArray[Any]) -> NDArray[np.float64]:
    """The sum of every row of a CSR matrix: (cells,), float64."""
    totals = np.empty(len(indptr) - 1)
    _row_totals(data, indptr, totals)
    return totals


@numba.njit(cache=True, nogil=True)
def _scale(data, indptr, divisors, out):  # type: ignore[no-untyped-def]
    for row in range(len(indptr) - 1):
        divisor = divisors[row]
        for here in range(indptr[row], indptr[row + 1]):
            out[here] = data[here] / divisor


def scaled(
    data: NDArray[Any], indptr: NDArray[Any], divisors: NDArray[Any], dtype: Any = np.float64
) -> NDArray[Any]:
    """Every value over the divisor of its row (cells,), as ``dtype``: (values,)."""
    out = np.empty(len(data), dtype)
    _scale(data, indptr, divisors, out)
    return out


@numba.njit(cache=True, nogil=True)
def _sum_groups(data, indices, indptr, codes, factors, out):  # type: ignore[no-untyped-def]
    for row in range(len(indptr) - 1):
        group = codes[row]
        if group < 0:
            continue
        factor = factors[group]
        for here in range(indptr[row], indptr[row + 1]):
            out[group, indices[here]] += data[here] * factor


def group_sums(
    matrix: tuple[NDArray[Any], NDArray[Any], NDArray[Any]],
    codes: NDArray[np.int64],
    shape: tuple[int, int],
) -> NDArray[np.float64]:
    """Sums over the cells of every group: (groups, genes), float64.

    matrix: data, indices, indptr of a CSR matrix; codes: (cells,) the group of a cell, or -1 for
    none; shape: (groups, genes).
    """
    sums = np.zeros(shape)
    _sum_groups(*matrix, codes, np.ones(shape[0]), sums)
    return sums


def group_means(
    matrix: tuple[NDArray[Any], NDArray[Any], NDArray[Any]],
    codes: NDArray[np.int64],
    shape: tuple[int, int],
    dtype: Any = np.float64,
) -> NDArray[Any]:
    """Means over the cells of every group: (groups, genes), accumulated as ``dtype``.

    Each value is divided by the size of its group before it is added, in the order of the cells.
    Arguments as :func:`group_sums`; an empty group has zeros.
    """
    sizes = np.bincount(codes[codes >= 0], minlength=shape[0])
    factors = (1.0 / np.maximum(sizes, 1)).astype(dtype)
    means = np.zeros(shape, dtype)
    _sum_groups(*matrix, codes, factors, means)
    return means


@numba.njit(cache=True, nogil=True, fastmath={"contract"})
def _add_logs(d, first, second):  # type: ignore[no-untyped-def]
    """Add log(1 + d) and its square; the series of log(1 + d), as every |d| is at most SMALL."""
    for gene in range(len(d)):
        x = d[gene]
        v = -1.0 / 10.0 * x + 1.0 / 9.0
        v = v * x - 1.0 / 8.0
        v = v * x + 1.0 / 7.0
        v = v * x - 1.0 / 6.0
        v = v * x + 1.0 / 5.0
        v = v * x - 1.0 / 4.0
        v = v * x + 1.0 / 3.0
        v = v * x - 1.0 / 2.0
        v = (v * x + 1.0) * x
        first[gene] += v
        second[gene] += v * v


@numba.njit(cache=True, nogil=True)
def _leave_out(  # type: ignore[no-untyped-def]
    data, indices, per_rest, change, sums, slope, d, first, second
):
    """Add what the pseudobulk without one cell differs by, gene by gene.

    data, indices: the cell's own counts. d: room for (genes,).
    """
    n_genes = len(sums)
    is_large = False
    for gene in range(n_genes):
        d[gene] = sums[gene] * change * slope[gene]
        is_large |= d[gene] > SMALL
    for here in range(len(data)):
        gene = indices[here]
        own = d[gene] - data[here] * per_rest * slope[gene]
        if abs(own) > SMALL and not is_large:
            v = math.log1p(own)
            first[gene] += v
            second[gene] += v * v
            own = 0.0
        d[gene] = own
    if not is_large:
        _add_logs(d, first, second)
        return
    for gene in range(n_genes):
        v = math.log1p(d[gene])
        first[gene] += v
        second[gene] += v * v


@numba.njit(cache=True, nogil=True)
def _jackknife(  # type: ignore[no-untyped-def]
    data, indices, indptr, order, bounds, sums, scale, variances
):
    n_genes = sums.shape[1]
    first = np.empty(n_genes)
    second = np.empty(n_genes)
    slope = np.empty(n_genes)
    d = np.empty(n_genes)
    for group in range(len(bounds) - 1):
        n = bounds[group + 1] - bounds[group]
        total = sums[group].sum()
        variances[group] = 0.0
        if n < 2 or total <= 0.0:
            continue
        first[:] = 0.0
        second[:] = 0.0
        for gene in range(n_genes):
            slope[gene] = 1.0 / (1.0 + scale * sums[group, gene] / total)
        for place in range(bounds[group], bounds[group + 1]):
            start, stop = indptr[order[place]], indptr[order[place] + 1]
            rest = total - data[start:stop].sum()
            if rest <= 0.0:
                logs = np.log(slope)
                first += logs
                second += logs * logs
                continue
            change = scale / rest - scale / total
            cell = data[start:stop], indices[start:stop]
            _leave_out(*cell, scale / rest, change, sums[group], slope, d, first, second)
        spread = (second - first * first / n).sum()
        variances[group] = max(0.0, spread * (n - 1.0) / n)


def jackknife_variance(
    matrix: tuple[NDArray[Any], NDArray[Any], NDArray[Any]],
    codes: NDArray[np.int64],
    sums: NDArray[np.float64],
    scale: float,
) -> NDArray[np.float64]:
    """The sampling variance of every group's log pseudobulk, summed over genes: (groups,).

    With b(S) = log(1 + scale S / sum(S)) of the summed counts S of a group of n cells, it is the
    delete-one jackknife (n-1)/n sum over genes and cells of (b_-i - mean b_-i)^2 [efron1981]_;
    0 for a group of fewer than two cells. matrix, codes as :func:`group_sums`, the indices of a
    row sorted and unique; sums: (groups, genes), what :func:`group_sums` gives.
    """
    kept = np.flatnonzero(codes >= 0)
    order = kept[np.argsort(codes[kept], kind="stable")]
    bounds = np.searchsorted(codes[order], np.arange(len(sums) + 1))
    variances = np.empty(len(sums))
    _jackknife(*matrix, order, bounds, sums, float(scale), variances)
    return variances
