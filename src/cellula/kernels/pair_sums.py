"""Sums over all pairs of rows of their distance and of RBF kernels, block by block.

Squared distances come from one matrix product a block, |x|^2 + |y|^2 - 2xy, and are used while
they lie in the cache: the matrix of pairs is never there. Rows are centred first, and a pair
that is close beside its norms, where the product cancels, is measured again by its differences
in float64. A cell beside itself counts as exactly 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from cellula.kernels.blas_threads import one_blas_thread
from cellula.kernels.exponential import exponential
from cellula.kernels.row_distance import squared_distance

__all__ = ["N_BANDWIDTHS", "cross_sums", "matrix_sums", "within_sums"]

#: Kernels exp(-gamma 2^b d^2), b = 0 .. 4: one exponential and four squarings.
N_BANDWIDTHS = 5
#: Rows and columns of a block of pairs: in float32 384 KiB, in the second cache.
ROWS, COLUMNS = 192, 512
#: A pair whose squared distance is below this share of |x|^2 + |y|^2 is measured by differences.
CLOSE = 1.0 / 64.0
#: No row of a block is a row of the other side.
APART = -(2**40)

#: Squares of float64 numbers below 2^WIDE stay in its range.
WIDE = 300

Floats = NDArray[np.float64]
Side = tuple[NDArray[Any], NDArray[Any], Floats]


@numba.njit(cache=True, nogil=True)
def _add_close(product, x2, y2, x, y, own, gamma, sums):  # type: ignore[no-untyped-def]
    """Add the close pairs of one row, each measured by its differences."""
    share = y2.dtype.type(CLOSE)
    for j in range(len(y2)):
        size = x2 + y2[j]
        if not product[j] + size < share * size:
            continue
        square = 0.0 if j == own else squared_distance(x, y[j])
        sums[0] += math.sqrt(square)
        if len(sums) > 1:
            value = math.exp(-gamma * square)
            for b in range(1, len(sums)):
                sums[b] += value
                value *= value


@numba.njit(cache=True, nogil=True)
def _add_distances(product, x2, y2, by_column):  # type: ignore[no-untyped-def]
    """Add the distances of one row to the sum of every column; how many are close and left out.

    product: (columns,) of -2xy.
    """
    zero, share = y2.dtype.type(0), y2.dtype.type(CLOSE)
    n_close = np.int32(0)
    for j in range(len(y2)):
        size = x2 + y2[j]
        square = max(product[j] + size, zero)
        is_close = square < share * size
        n_close += np.int32(is_close)
        by_column[j] += zero if is_close else math.sqrt(square)
    return n_close


@numba.njit(cache=True, nogil=True)
def _add_kernels(product, x2, y2, rate, by_column):  # type: ignore[no-untyped-def]
    """Add the distances and the five kernels of one row, as :func:`_add_distances`.

    by_column: (6 * COLUMNS,), so that the compiler knows that the sums do not overlap.
    """
    zero, share = y2.dtype.type(0), y2.dtype.type(CLOSE)
    n_close = np.int32(0)
    for j in range(len(y2)):
        size = x2 + y2[j]
        square = max(product[j] + size, zero)
        is_close = square < share * size
        n_close += np.int32(is_close)
        by_column[j] += zero if is_close else math.sqrt(square)
        k = zero if is_close else exponential(rate * square)  # type: ignore[no-untyped-call]
        by_column[COLUMNS + j] += k
        k *= k
        by_column[2 * COLUMNS + j] += k
        k *= k
        by_column[3 * COLUMNS + j] += k
        k *= k
        by_column[4 * COLUMNS + j] += k
        k *= k
        by_column[5 * COLUMNS + j] += k
    return n_close


@numba.njit(cache=True, nogil=True)
def _sums_of_block(products, left, right, offset, gamma, sums):  # type: ignore[no-untyped-def]
    """Add the pairs of a block; products: (rows, columns) of -2xy; left, right: norms, exact.

    offset: row i is column i + offset of the other side. Sums are made column by column and then
    along the columns, in an order that is written here: left to a compiler, the order and with it
    the last bits depend on what else it has compiled before.
    """
    (x2, x), (y2, y) = left, right
    rate = x2.dtype.type(-gamma)
    by_column = np.zeros(len(sums) * COLUMNS, x2.dtype)
    for i in range(len(x2)):
        if len(sums) == 1:
            n_close = _add_distances(products[i], x2[i], y2, by_column)
        else:
            n_close = _add_kernels(products[i], x2[i], y2, rate, by_column)
        if n_close > 0:
            _add_close(products[i], x2[i], y2, x[i], y, i + offset, gamma, sums)
    for term in range(len(sums)):
        total = 0.0
        for j in range(len(y2)):
            total += by_column[term * COLUMNS + j]
        sums[term] += total


@numba.njit(cache=True, nogil=True)
def _block(left, right, rows, columns, offset, gamma, room, sums):  # type: ignore[no-untyped-def]
    """Add the pairs of some rows with some columns; left and right: rounded, norms, exact."""
    (r0, r1), (c0, c1) = rows, columns
    height, width = r1 - r0, c1 - c0
    products = room[: height * width].reshape(height, width)
    np.dot(left[0][r0:r1], right[0][c0:c1].T, products)
    products *= products.dtype.type(-2)
    if offset != APART:
        for i in range(height):
            if 0 <= i + offset < width:
                products[i, i + offset] = -(left[1][r0 + i] + left[1][r0 + i])
    rows_of, columns_of = (left[1][r0:r1], left[2][r0:r1]), (right[1][c0:c1], right[2][c0:c1])
    _sums_of_block(products, rows_of, columns_of, offset, gamma, sums)


@numba.njit(cache=True, nogil=True)
def _cross(left, right, start, stop, gamma, room, sums):  # type: ignore[no-untyped-def]
    """Add the pairs of the rows start .. stop of the left with all of the right."""
    for r0 in range(start, stop, ROWS):
        rows = (r0, min(r0 + ROWS, stop))
        for c0 in range(0, len(right[1]), COLUMNS):
            columns = (c0, min(c0 + COLUMNS, len(right[1])))
            _block(left, right, rows, columns, APART, gamma, room, sums)
    # A value that is no number is one in the sum, whatever the comparisons made of it.
    sums += 0.0 * (left[1][start:stop].sum() + right[1].sum())


@numba.njit(cache=True, nogil=True)
def _within(side, gamma, room, sums):  # type: ignore[no-untyped-def]
    """Add all ordered pairs of the rows of one side, each unordered pair measured once."""
    n = len(side[1])
    twice = np.zeros_like(sums)
    for r0 in range(0, n, ROWS):
        r1 = min(r0 + ROWS, n)
        _block(side, side, (r0, r1), (r0, r1), 0, gamma, room, sums)
        for c0 in range(r1, n, COLUMNS):
            columns = (c0, min(c0 + COLUMNS, n))
            _block(side, side, (r0, r1), columns, APART, gamma, room, twice)
    sums += 2.0 * twice + 0.0 * side[1].sum()


def _sides(parts: tuple[Floats, ...], dtype: type[np.floating[Any]]) -> tuple[list[Side], float]:
    """Each part as rows rounded to the type, their squared norms and the rows in float64.

    All are centred on the mean of the last part and divided by a power of two, given too, so
    that no square leaves the range of the type; in float64 only where one would.
    """
    with np.errstate(invalid="ignore", over="ignore"):
        centre = parts[-1].mean(axis=0)
        exact = [np.ascontiguousarray(part - centre) for part in parts]
        most = max(max(part.max(initial=0.0), -part.min(initial=0.0)) for part in exact)
        exponent = math.frexp(most)[1] if math.isfinite(most) else 0
        if dtype is np.float64 and abs(exponent) < WIDE:
            exponent = 0
        if exponent:
            exact = [np.ldexp(part, -exponent) for part in exact]
        sides = []
        for part in exact:
            rounded = part.astype(dtype, copy=False)
            wide = rounded.astype(np.float64, copy=False)
            sides.append((rounded, np.einsum("ij,ij->i", wide, wide).astype(dtype), part))
    return sides, math.ldexp(1.0, exponent)


def _empty(n_kernels: int, dtype: type[np.floating[Any]]) -> tuple[Floats, NDArray[Any]]:
    return np.zeros(1 + n_kernels), np.empty(ROWS * max(COLUMNS, ROWS), dtype)


def cross_sums(
    x: Floats,
    bounds: NDArray[np.int64],
    y: Floats,
    *,
    gamma: float | None = None,
    dtype: type[np.floating[Any]] = np.float64,
    threads: int = 1,
) -> Floats:
    """Sums over all pairs of a row of each group of x with a row of y: (groups, 1 or 6).

    x: (n, d), the rows of group g at bounds[g] .. bounds[g + 1]; y: (m, d). The first column is
    the sum of Euclidean distances; with ``gamma`` (per squared unit) five more follow, of
    exp(-gamma 2^b d^2), b = 0 .. 4. dtype: float32 or float64, of the products; sums are
    float64. The result does not depend on ``threads`` (over groups), nor on other groups.
    """
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    (left, right), size = _sides((x, y), dtype)
    rate = 0.0 if gamma is None else gamma * size**2

    def of_group(group: int) -> Floats:
        sums, room = _empty(0 if gamma is None else N_BANDWIDTHS, dtype)
        _cross(left, right, bounds[group], bounds[group + 1], rate, room, sums)
        sums[0] *= size
        return sums

    return _each(of_group, len(bounds) - 1, threads, gamma)


def within_sums(
    x: Floats,
    bounds: NDArray[np.int64],
    *,
    gamma: float | None = None,
    dtype: type[np.floating[Any]] = np.float64,
    threads: int = 1,
) -> Floats:
    """Sums over all ordered pairs of rows of each group, as :func:`cross_sums`.

    Each row is paired with itself too: its distance is 0 and its kernels are 1, exactly.
    """
    x = np.asarray(x, np.float64)

    def of_group(group: int) -> Floats:
        sums, room = _empty(0 if gamma is None else N_BANDWIDTHS, dtype)
        rows = x[bounds[group] : bounds[group + 1]]
        if len(rows) == 0:
            return sums
        (side,), size = _sides((rows,), dtype)
        rate = 0.0 if gamma is None else gamma * size**2
        _within(side, rate, room, sums)
        sums[0] *= size
        return sums

    return _each(of_group, len(bounds) - 1, threads, gamma)


def matrix_sums(squared: Floats, gamma: float) -> Floats:
    """The sums of :func:`cross_sums` from squared distances that are there: (6,).

    squared: (n, m), of all pairs. Where they are few and several metrics ask for them.
    """
    found = np.empty(1 + N_BANDWIDTHS)
    found[0] = np.sqrt(squared).sum()
    with np.errstate(over="ignore"):  # a kernel of gamma d^2 beyond the range is 0
        kernel = np.exp(-gamma * squared)
    found[1] = kernel.sum()
    for number in range(2, 1 + N_BANDWIDTHS):
        kernel *= kernel
        found[number] = kernel.sum()
    return found


def _each(
    of_group: Callable[[int], Floats], n_groups: int, threads: int, gamma: float | None
) -> Floats:
    found = np.zeros((n_groups, 1 if gamma is None else 1 + N_BANDWIDTHS))
    with one_blas_thread():
        if threads == 1 or n_groups < 2:
            for group in range(n_groups):
                found[group] = of_group(group)
            return found
        with ThreadPoolExecutor(threads) as pool:
            for group, sums in enumerate(pool.map(of_group, range(n_groups))):
                found[group] = sums
    return found
