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

__all__ = ["N_BANDWIDTHS", "cross_sums", "matrix_sums", "within_sums"]

#: Kernels exp(-gamma 2^b d^2), b = 0 .. 4: one exponential and four squarings.
N_BANDWIDTHS = 5
#: Rows and columns of a block of pairs: in float32 384 KiB, in the second cache.
ROWS, COLUMNS = 192, 512
#: A pair whose squared distance is below this share of |x|^2 + |y|^2 is measured by differences.
CLOSE = 1.0 / 64.0
#: No row of a block is a row of the other side.
APART = -(2**40)
FAST = {"reassoc", "contract", "nsz"}

#: Squares of float64 numbers below 2^WIDE stay in its range.
WIDE = 300

Floats = NDArray[np.float64]
Side = tuple[NDArray[Any], NDArray[Any], Floats]


@numba.njit(cache=True, nogil=True)
def _measured(x, y):  # type: ignore[no-untyped-def]
    """Squared distance of two rows by their differences."""
    total = 0.0
    for k in range(len(x)):
        difference = x[k] - y[k]
        total += difference * difference
    return total


@numba.njit(cache=True, nogil=True)
def _near(product, x2, y2, x, y, own, gamma, n_kernels, sums):  # type: ignore[no-untyped-def]
    """Add the pairs of one row, each close pair measured by its differences."""
    for j in range(len(y2)):
        size = x2 + y2[j]
        square = float(product[j] + size)
        if j == own:
            square = 0.0
        elif square < CLOSE * size:
            square = _measured(x, y[j])
        sums[0] += math.sqrt(square)
        if n_kernels > 0:
            value = math.exp(-gamma * square)
            for b in range(n_kernels):
                sums[1 + b] += value
                value *= value


@numba.njit(cache=True, nogil=True, fastmath=FAST)
def _distances(products, x2, y2, x, y, offset, sums):  # type: ignore[no-untyped-def]
    """Add the distances of a block; products: (rows, columns) of -2xy.

    offset: row i is column i + offset of the other side.
    """
    zero = x2.dtype.type(0)
    share = x2.dtype.type(CLOSE)
    for i in range(len(x2)):
        total, n_close = zero, np.int32(0)
        for j in range(len(y2)):
            size = x2[i] + y2[j]
            square = max(products[i, j] + size, zero)
            n_close += np.int32(square < share * size)
            total += math.sqrt(square)
        own = i + offset
        is_own = 0 <= own < len(y2) and x2[i] > zero
        if n_close > is_own:
            _near(products[i], x2[i], y2, x[i], y, own, 0.0, 0, sums)
        else:
            sums[0] += total


@numba.njit(cache=True, nogil=True, fastmath=FAST)
def _kernels(products, x2, y2, x, y, offset, gamma, sums):  # type: ignore[no-untyped-def]
    """Add the distances and the five kernels of a block, as :func:`_distances`."""
    zero = x2.dtype.type(0)
    share = x2.dtype.type(CLOSE)
    rate = x2.dtype.type(-gamma)
    for i in range(len(x2)):
        total, n_close = zero, np.int32(0)
        a, b, c, d, e = zero, zero, zero, zero, zero
        for j in range(len(y2)):
            size = x2[i] + y2[j]
            square = max(products[i, j] + size, zero)
            n_close += np.int32(square < share * size)
            total += math.sqrt(square)
            k = exponential(rate * square)  # type: ignore[no-untyped-call]
            a += k
            k *= k
            b += k
            k *= k
            c += k
            k *= k
            d += k
            k *= k
            e += k
        own = i + offset
        is_own = 0 <= own < len(y2) and x2[i] > zero
        if n_close > is_own:
            _near(products[i], x2[i], y2, x[i], y, own, gamma, N_BANDWIDTHS, sums)
        else:
            sums[0] += total
            sums[1] += a
            sums[2] += b
            sums[3] += c
            sums[4] += d
            sums[5] += e


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
    x2, y2, x, y = left[1][r0:r1], right[1][c0:c1], left[2][r0:r1], right[2][c0:c1]
    if len(sums) == 1:
        _distances(products, x2, y2, x, y, offset, sums)
    else:
        _kernels(products, x2, y2, x, y, offset, gamma, sums)


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
