"""Squared Euclidean distances of all pairs of two samples, by one product of matrices."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from cellula.core.matrix import dense
from cellula.kernels.compact import compact
from cellula.kernels.row_distance import squared_distance

__all__ = ["squared_distances"]

#: A pair whose squared distance is below this share of |x|^2 + |y|^2 is measured by differences.
CLOSE = 1.0 / 64.0
#: Products of single values that take as long as one of a matrix product.
SPARSE_COST = 16

Floats = NDArray[np.float64]


@numba.njit(cache=True, nogil=True)
def _from_products(products, x2, y2, x, y):  # type: ignore[no-untyped-def]
    """Turn products x.y into squared distances, in place; x2, y2: squared lengths of the rows."""
    for i in range(len(x2)):
        n_close = 0
        for j in range(len(y2)):
            size = x2[i] + y2[j]
            square = size - 2.0 * products[i, j]
            products[i, j] = square
            n_close += square < CLOSE * size
        if n_close:
            for j in range(len(y2)):
                if products[i, j] < CLOSE * (x2[i] + y2[j]):
                    products[i, j] = squared_distance(x[i], y[j])


@numba.njit(cache=True, nogil=True)
def _products(x, y, first, found):  # type: ignore[no-untyped-def]
    """Products of the rows of two sparse samples; x: by rows, y: by columns: values, places, ends.

    first: of y, where the entries of each column begin that are counted. Where they are the ends
    themselves, every row of x is done with all of y; else the entry of a row of x, which is a row
    of y too, is passed once it is used: only rows of y from it on.
    """
    (data, indices, indptr), (values, rows, ends) = x, y
    is_within = len(first) > 0
    for i in range(len(indptr) - 1):
        row = found[i]
        for place in range(indptr[i], indptr[i + 1]):
            k, value = indices[place], data[place]
            start = first[k] if is_within else ends[k]
            met, met_rows = values[start : ends[k + 1]], rows[start : ends[k + 1]]
            for other in range(len(met)):
                row[met_rows[other]] += value * met[other]
            if is_within:
                first[k] += 1


@numba.njit(cache=True, nogil=True)
def _difference(x, y, i, j):  # type: ignore[no-untyped-def]
    """Squared distance of row i of x from row j of y, both sparse."""
    (data, indices, indptr), (values, columns, ends) = x, y
    a, b, total = indptr[i], ends[j], 0.0
    while a < indptr[i + 1] or b < ends[j + 1]:
        if b == ends[j + 1] or (a < indptr[i + 1] and indices[a] < columns[b]):
            difference = data[a]
            a += 1
        elif a == indptr[i + 1] or columns[b] < indices[a]:
            difference = values[b]
            b += 1
        else:
            difference = data[a] - values[b]
            a += 1
            b += 1
        total += difference * difference
    return total


@numba.njit(cache=True, nogil=True)
def _from_sparse(products, x2, y2, x, y):  # type: ignore[no-untyped-def]
    """As :func:`_from_products`, of rows that are not centred."""
    for i in range(len(x2)):
        for j in range(len(y2)):
            size = x2[i] + y2[j]
            square = size - 2.0 * products[i, j]
            products[i, j] = _difference(x, y, i, j) if square < CLOSE * size else square


@numba.njit(cache=True, nogil=True)
def _mirror(found):  # type: ignore[no-untyped-def]
    for i in range(len(found)):
        for j in range(i):
            found[i, j] = found[j, i]


def squared_distances(x: Any, y: Any) -> Floats:
    """Squared Euclidean distance of every row of x (n, d) from every row of y (m, d): (n, m).

    |x|^2 + |y|^2 - 2 x.y; a pair that is close beside its lengths, where the product cancels, is
    measured by its differences: within 1e-12 of its value wherever the samples lie, and exactly 0
    between equal rows. x, y: dense or CSR; where the values of both are few, products are of those
    (see :func:`~cellula.kernels.compact.compact`), else of rows centred on the mean of x.
    ``squared_distances(x, x)`` is symmetric and takes half the time.
    """
    is_within = y is x
    x = compact(x)
    y = x if is_within else compact(y)
    if sp.issparse(x) and sp.issparse(y):
        met = np.bincount(x.indices, minlength=x.shape[1]) @ y.getnnz(axis=0)
        if met * SPARSE_COST <= x.shape[0] * y.shape[0] * x.shape[1]:
            return _sparse(x, y)
    return _dense(dense(x), dense(y), is_within=is_within)


def _sparse(x: Any, y: Any) -> Floats:
    by_columns, found = y.tocsc(), np.zeros((x.shape[0], y.shape[0]))
    left, right = ((part.data, part.indices, part.indptr) for part in (x, y))
    first = by_columns.indptr[:-1].copy() if x is y else by_columns.indptr[:0]
    columns = by_columns.data, by_columns.indices.astype(np.uint32), by_columns.indptr
    _products((x.data, x.indices.astype(np.uint32), x.indptr), columns, first, found)
    if x is y:
        _mirror(found)
    x2, y2 = (np.asarray(part.power(2).sum(axis=1), np.float64).ravel() for part in (x, y))
    _from_sparse(found, x2, y2, left, right)
    return found


def _dense(x: Floats, y: Floats, *, is_within: bool) -> Floats:
    centre = x.mean(axis=0)
    left = x - centre
    right = left if is_within else y - centre
    found = left @ right.T
    x2 = np.einsum("ij,ij->i", left, left)
    y2 = x2 if is_within else np.einsum("ij,ij->i", right, right)
    _from_products(found, x2, y2, left, right)
    return np.asarray(found, np.float64)
