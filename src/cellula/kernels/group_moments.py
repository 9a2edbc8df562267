"""Sums of every group and gene, in one pass over the stored values of a sparse matrix."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from cellula.kernels.column_values import Csr

__all__ = ["GroupMoments", "add_dense", "add_moments", "add_sums", "no_moments", "welch_t"]


@dataclass(frozen=True, slots=True)
class GroupMoments:
    """Of every group and gene, (groups, genes): sum, sum of squares and values that are not 0."""

    sums: NDArray[np.float64]
    squares: NDArray[np.float64]
    non_zero: NDArray[np.int64]


def no_moments(n_groups: int, n_genes: int) -> GroupMoments:
    """Moments of no cells, to add to."""
    shape = (n_groups, n_genes)
    return GroupMoments(np.zeros(shape), np.zeros(shape), np.zeros(shape, np.int64))


@numba.njit(cache=True, nogil=True)
def _add(data, indices, indptr, groups, sums, squares, non_zero):  # type: ignore[no-untyped-def]
    for row in range(len(groups)):
        group = groups[row]
        if group < 0:
            continue
        for here in range(indptr[row], indptr[row + 1]):
            value = np.float64(data[here])
            if value != 0.0:
                gene = indices[here]
                sums[group, gene] += value
                squares[group, gene] += value * value
                non_zero[group, gene] += 1


@numba.njit(cache=True, nogil=True)
def _add_sums(data, indices, indptr, groups, is_log1p, sums):  # type: ignore[no-untyped-def]
    for row in range(len(groups)):
        group = groups[row]
        if group < 0:
            continue
        for here in range(indptr[row], indptr[row + 1]):
            value = np.float64(data[here])
            sums[group, indices[here]] += np.expm1(value) if is_log1p else value


@numba.njit(cache=True, nogil=True)
def _add_dense(values, groups, sums):  # type: ignore[no-untyped-def]
    for row in range(len(groups)):
        group = groups[row]
        if group < 0:
            continue
        for gene in range(values.shape[1]):
            sums[group, gene] += values[row, gene]


def add_moments(matrix: Csr, groups: NDArray[np.int64], moments: GroupMoments) -> None:
    """Add some cells, row after row, to the moments of their groups; -1 leaves a cell out.

    Sums are float64 whatever the matrix is, in the order of the rows: parts of a matrix, one
    after the other, give the same bits as the whole.
    """
    _add(*matrix, groups, moments.sums, moments.squares, moments.non_zero)


def add_sums(
    matrix: Csr, groups: NDArray[np.int64], sums: NDArray[np.float64], *, is_log1p: bool = False
) -> None:
    """Add some cells to the sums (groups, genes) of their groups; exp(x) - 1 of log1p values."""
    _add_sums(*matrix, groups, is_log1p, sums)


def add_dense(
    values: NDArray[np.float64], groups: NDArray[np.int64], sums: NDArray[np.float64]
) -> None:
    """Add dense cells (cells, genes), row after row, to sums (groups, genes) of their groups."""
    _add_dense(values, groups, sums)


def welch_t(
    moments: GroupMoments, sizes: NDArray[np.int64], group: Any, control: Any
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Welch's t of groups against a control and its degrees of freedom [welch1947]_.

    sizes: (groups,), cells with their zeros. group, control: rows of the moments.
    t = (m1 - m0) / sqrt(v1/n1 + v0/n0) with v the unbiased variance, and
    df = (v1/n1 + v0/n0)^2 / ((v1/n1)^2/(n1 - 1) + (v0/n0)^2/(n0 - 1)).
    NaN where a side has fewer than 2 cells or neither side varies. The variance is a difference
    of sums: where it is below 1e-12 of the mean square it is taken as 0.
    """
    mean_1, share_1, n_1 = _mean_and_share(moments, sizes, group)
    mean_0, share_0, n_0 = _mean_and_share(moments, sizes, control)
    both = share_1 + share_0
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.where(both > 0, (mean_1 - mean_0) / np.sqrt(both), np.nan)
        df = both**2 / (share_1**2 / (n_1 - 1.0) + share_0**2 / (n_0 - 1.0))
    return t, np.where(np.isnan(t), np.nan, df)


def _mean_and_share(
    moments: GroupMoments, sizes: NDArray[np.int64], group: Any
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Mean, variance / n and n of a group."""
    n = np.asarray(sizes[group], np.float64)[..., None]
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = moments.sums[group] / n
        square = moments.squares[group] / n
        variance = square - mean * mean
        variance = np.where(variance <= 1e-12 * square, 0.0, variance) * (n / (n - 1.0))
        return mean, np.where(n > 1.0, variance / n, np.nan), n
