"""The columns of a sample in order of size, zeros counted instead of kept.

Most values of cells are 0: what compares distribution functions column by column meets them once.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numba
import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from cellula.kernels.compact import compact

__all__ = ["Columns", "sorted_columns"]

#: The values of every column that are not 0, ascending, one column after the other; where every
#: column begins, and the end: (columns + 1,); the number of rows. The zeros are the others.
Columns: TypeAlias = tuple[NDArray[np.float64], NDArray[np.int64], int]

#: Values that are sorted by insertion; more, by the library.
MOST_INSERTED = 64


@numba.njit(cache=True, nogil=True)
def _sort(values):  # type: ignore[no-untyped-def]
    """In place, by insertion where there are few; what is no number goes last."""
    if len(values) > MOST_INSERTED:
        values.sort()
        return
    for i in range(1, len(values)):
        value, place = values[i], i
        if np.isnan(value):
            continue
        while place > 0 and not values[place - 1] <= value:
            values[place] = values[place - 1]
            place -= 1
        values[place] = value


@numba.njit(cache=True, nogil=True)
def _of_sparse(data, indices, ends):  # type: ignore[no-untyped-def]
    """The sorted values; ends: (columns + 1,) zeros, where columns begin is set down there."""
    d = len(ends) - 1
    for k in indices:
        ends[k + 1] += 1
    for k in range(d):
        ends[k + 1] += ends[k]
    values, position = np.empty(ends[d]), ends[:d].copy()
    for place in range(len(data)):
        k = indices[place]
        values[position[k]] = data[place]
        position[k] += 1
    for k in range(d):
        _sort(values[ends[k] : ends[k + 1]])
    return values


def sorted_columns(cells: Any) -> Columns:
    """The columns of cells (n, d), dense or CSR, sorted; the same bits from either.

    A value that is no number stands last in its column.
    """
    n, d = cells.shape
    given = compact(cells)
    if sp.issparse(given):
        ends = np.zeros(d + 1, np.int64)
        return _of_sparse(given.data, given.indices, ends), ends, int(n)
    rows = np.sort(np.ascontiguousarray(given.T), axis=1)
    is_kept = rows != 0.0
    return rows[is_kept], np.append(0, np.cumsum(is_kept.sum(axis=1))), int(n)
