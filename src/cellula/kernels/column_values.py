"""The values of a sparse matrix, set down gene by gene and within a gene group by group."""

from __future__ import annotations

from typing import Any, TypeAlias

import numba
import numpy as np
from numpy.typing import NDArray

__all__ = ["Csr", "column_values", "first_at_least", "scatter_rows", "stored_values"]

#: data, indices (sorted within a row) and indptr of a CSR matrix.
Csr: TypeAlias = tuple[NDArray[Any], NDArray[Any], NDArray[Any]]


@numba.njit(inline="always")
def first_at_least(indices, start, stop, gene):  # type: ignore[no-untyped-def]
    """The first position in a row's sorted indices whose gene is at least ``gene``."""
    while start < stop:
        middle = (start + stop) // 2
        if indices[middle] < gene:
            start = middle + 1
        else:
            stop = middle
    return start


@numba.njit(cache=True, nogil=True)
def _counted(indices, room):  # type: ignore[no-untyped-def]
    for gene in indices:
        room[gene] += 1


def stored_values(indices: NDArray[Any], n_genes: int) -> NDArray[np.int64]:
    """How many values a CSR matrix stores of each gene: (genes,)."""
    room = np.zeros(n_genes, np.int64)
    _counted(indices, room)
    return room


@numba.njit(cache=True, nogil=True)
def _gather(data, indices, indptr, rows, bounds, first, room):  # type: ignore[no-untyped-def]
    """Values and ends, see :func:`column_values`; room: (genes,), places to keep for each."""
    last = first + len(room)
    position = np.zeros(len(room), np.int64)
    for gene in range(1, len(room)):
        position[gene] = position[gene - 1] + room[gene - 1]
    values = np.empty(room.sum(), data.dtype)
    ends = np.empty((len(bounds), len(room)), np.int64)
    ends[0] = position
    for group in range(len(bounds) - 1):
        for place in range(bounds[group], bounds[group + 1]):
            row = rows[place]
            stop = indptr[row + 1]
            here = indptr[row]
            if first > 0:
                here = first_at_least(indices, here, stop, first)
            while here < stop:
                gene = indices[here]
                if gene >= last:
                    break
                if data[here] != 0:
                    target = position[gene - first]
                    values[target] = data[here]
                    position[gene - first] = target + 1
                here += 1
        ends[group + 1] = position
    return values, ends


def column_values(
    matrix: Csr,
    rows: NDArray[np.int64],
    bounds: NDArray[np.int64],
    first: int,
    room: NDArray[np.int64],
) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """The non-zero values of some genes, one gene after the other, each in the order of groups.

    rows: the cells, group after group; bounds: where each group begins in ``rows``, and the end:
    (groups + 1,). first: the first gene; room: how many values, at least, each gene has: (genes,).
    Gives the values, and ends (groups + 1, genes): a group's values of a gene stand from
    ``ends[group, gene]`` to ``ends[group + 1, gene]``.
    """
    data, indices, indptr = matrix
    values, ends = _gather(data, indices, indptr, rows, bounds, first, room)
    return values, ends


@numba.njit(cache=True, nogil=True)
def _scatter(data, indices, indptr, groups, first, position, values):  # type: ignore[no-untyped-def]
    last = first + position.shape[1]
    for row in range(len(groups)):
        group = groups[row]
        if group < 0:
            continue
        stop = indptr[row + 1]
        here = indptr[row]
        if first > 0:
            here = first_at_least(indices, here, stop, first)
        while here < stop:
            gene = indices[here]
            if gene >= last:
                break
            if data[here] != 0:
                target = position[group, gene - first]
                values[target] = data[here]
                position[group, gene - first] = target + 1
            here += 1


def scatter_rows(
    matrix: Csr,
    groups: NDArray[np.int64],
    first: int,
    position: NDArray[np.int64],
    values: NDArray[Any],
) -> None:
    """Set the non-zero values of some cells down in ``values``, where their group and gene stand.

    groups: (cells,), of each cell, -1 to leave it out. position: (groups, genes from ``first``
    on), where the next value goes; it moves on. So a matrix may come in parts, in any order of
    groups: after the last part position is ``ends[1:]`` of :func:`column_values`.
    """
    _scatter(*matrix, groups, first, position, values)
