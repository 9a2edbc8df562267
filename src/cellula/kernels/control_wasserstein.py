"""Wasserstein-1 distance of many groups from one control, gene by gene, on sparse columns.

The control's values are sorted once a gene, with the integral of their distribution function.
Between two neighbouring values of a group its own distribution function is constant, so the
integral of |F - G| there is two differences of that integral around one quantile. Zeros are
one value with a count, never sorted.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numba
import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

__all__ = ["wasserstein_to_control"]

#: Groups with more values than this are sorted by the library, smaller ones by insertion.
FEW = 48
#: Genes that one thread takes at a time.
GENES = 64


@numba.njit(cache=True, nogil=True)
def _sorted_with_zeros(values, n_zeros, unique, below):  # type: ignore[no-untyped-def]
    """Distinct values with zero among them, and how many lie below each; their number."""
    if len(values) > FEW:
        values.sort()
    else:
        for place in range(1, len(values)):
            value, before = values[place], place - 1
            while before >= 0 and values[before] > value:
                values[before + 1] = values[before]
                before -= 1
            values[before + 1] = value
    n, count, place = 0, 0, 0
    is_waiting = n_zeros > 0
    while place < len(values) or is_waiting:
        below[n] = count
        if is_waiting and (place == len(values) or values[place] >= 0.0):
            unique[n] = 0.0
            count += n_zeros
            is_waiting = False
        else:
            unique[n] = values[place]
        while place < len(values) and values[place] == unique[n]:
            count += 1
            place += 1
        n += 1
    below[n] = count
    return n


@numba.njit(cache=True, nogil=True)
def _index(unique, n, below, table, owner):  # type: ignore[no-untyped-def]
    """Fill ``table``: first distinct value of a bucket; ``owner``: distinct value of a rank."""
    buckets = len(table) - 1
    low, high = unique[0], unique[n - 1]
    scale = (buckets - 1) / (high - low) if high > low else 0.0
    if not np.isfinite(scale):
        scale = 0.0
    place = 0
    for bucket in range(buckets):
        while place < n and (unique[place] - low) * scale < bucket:
            place += 1
        table[bucket] = place
    table[buckets] = n
    for k in range(n):
        owner[below[k] : below[k + 1]] = k
    return scale


@numba.njit(cache=True, nogil=True)
def _upto(value, unique, n, table, scale):  # type: ignore[no-untyped-def]
    """How many distinct values are at most ``value``."""
    low = unique[0]
    if value < low:
        return 0
    if value >= unique[n - 1]:
        return n
    place = max(table[min(int((value - low) * scale), len(table) - 2)] - 1, 0)
    while place < n and unique[place] <= value:
        place += 1
    return place


@numba.njit(cache=True, nogil=True)
def _distance(atoms, under, k, control, n_distinct, below, area, owner, table, scale):  # type: ignore[no-untyped-def]
    """W1 of k distinct atoms from a control; below: counts, area: integral of F, at each value."""
    n, m = below[n_distinct], under[k]
    total, first = 0.0, 0
    last_value, last_area = 0.0, 0.0
    for atom in range(k):
        value = atoms[atom]
        seen = _upto(value, control, n_distinct, table, scale)
        here = 0.0
        if seen > 0:
            here = area[seen - 1] + below[seen] / n * (value - control[seen - 1])
        if atom == 0:
            total += here
        else:
            share = under[atom] / m
            rank = (under[atom] * n + m - 1) // m  # F is at least the share from this rank on
            middle = owner[rank - 1]
            if middle >= seen:  # F stays below the share
                total += share * (value - last_value) - (here - last_area)
            elif middle < first:  # F is at least the share all along
                total += (here - last_area) - share * (value - last_value)
            else:
                q, inside = control[middle], area[middle]
                total += share * (q - last_value) - (inside - last_area)
                total += (here - inside) - share * (value - q)
        last_value, last_area, first = value, here, seen
    end = control[n_distinct - 1]
    if end > last_value:
        total += (end - last_value) - (area[n_distinct - 1] - last_area)
    return total


@numba.njit(cache=True, nogil=True)
def _genes(data, indices, indptr, bounds, first, last, found):  # type: ignore[no-untyped-def]
    """Fill found (groups, genes) for some genes of a CSC matrix whose rows are in group order."""
    sizes = np.diff(bounds)
    n = sizes[0]
    widest = 0
    for gene in range(first, last):
        widest = max(widest, indptr[gene + 1] - indptr[gene])
    room = max(widest, 1) + 2
    control, atoms = np.empty(room), np.empty(room)
    below, under = np.empty(room + 1, np.int64), np.empty(room + 1, np.int64)
    area, owner = np.empty(room), np.empty(n, np.int64)
    table, values = np.empty(2 * room + 1, np.int64), np.empty(room)
    for gene in range(first, last):
        here, stop = indptr[gene], indptr[gene + 1]
        n_distinct, scale = 0, 0.0
        for group in range(len(sizes)):
            filled = 0
            while here < stop and indices[here] < bounds[group + 1]:
                if data[here] != 0:
                    values[filled] = data[here]
                    filled += 1
                here += 1
            n_zeros = sizes[group] - filled
            if group == 0:
                n_distinct = _sorted_with_zeros(values[:filled], n_zeros, control, below)
                buckets = table[: 2 * n_distinct + 1]
                scale = _index(control, n_distinct, below, buckets, owner)
                area[0] = 0.0
                for k in range(1, n_distinct):
                    area[k] = area[k - 1] + below[k] / n * (control[k] - control[k - 1])
            elif sizes[group] == 0:
                found[group - 1, gene] = np.nan
            else:
                k = _sorted_with_zeros(values[:filled], n_zeros, atoms, under)
                found[group - 1, gene] = max(
                    _distance(
                        atoms, under, k, control, n_distinct, below, area, owner, buckets, scale
                    ),
                    0.0,
                )


def wasserstein_to_control(
    matrix: tuple[NDArray[Any], NDArray[Any], NDArray[Any]],
    n_genes: int,
    rows: NDArray[np.int64],
    bounds: NDArray[np.int64],
    *,
    threads: int = 1,
) -> NDArray[np.float64]:
    """Exact Wasserstein-1 distance of every group from the control, gene by gene: (groups, genes).

    matrix: data, indices and indptr of a CSR matrix (cells, n_genes) of finite values. rows: the
    cells, all of the control first, then group after group; bounds: where the control (not
    empty) and each group begin in ``rows``, and the end: (groups + 2,). In units of the values,
    by the integral of |F - G| [vallender1974]_; NaN for an empty group. Memory: the chosen
    values once more, by gene. The result does not depend on ``threads``.
    """
    data, indices, indptr = matrix
    cells = sp.csr_matrix((data, indices, indptr), shape=(len(indptr) - 1, n_genes), copy=False)
    columns = cells[rows].tocsc()
    columns.sum_duplicates()
    found = np.empty((len(bounds) - 2, n_genes))

    def fill(first: int) -> None:
        last = min(first + GENES, n_genes)
        _genes(columns.data, columns.indices, columns.indptr, bounds, first, last, found)

    with ThreadPoolExecutor(threads) as pool:
        for _ in pool.map(fill, range(0, n_genes, GENES)):
            pass
    return found
