"""The order of elimination of a sparse matrix and the operations that it takes."""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

__all__ = ["Elimination", "elimination"]

Integers = NDArray[np.uint32]


@final
@dataclass(frozen=True, slots=True)
class Elimination:
    """Elimination with the diagonal as pivots, as the kernel takes it.

    operations: what :mod:`cellula.kernels.sparse_elimination` goes through. places: (entries,)
    where the value of each entry of the matrix is put. n_values: how many values there are,
    those that are filled in among them.
    """

    operations: tuple[Integers, ...]
    places: Integers
    n_values: int


def elimination(
    n: int, entries: Sequence[tuple[int, int]], last: Collection[int] = ()
) -> Elimination:
    """Plan the elimination of an (n, n) matrix from the (row, column) of what is not zero.

    The next pivot is that with the least product of others in its row and column
    [markowitz1957]_; ``last`` are pivots that come after all others. The diagonal is always
    there, named or not.
    """
    order, rows, columns = _order(n, entries, last)
    lower = [sorted(columns[pivot]) for pivot in order]
    upper = [sorted(rows[pivot]) for pivot in order]
    lower_ends = np.cumsum([0, *map(len, lower)], dtype=np.int32)
    upper_ends = np.cumsum([0, *map(len, upper)], dtype=np.int32)
    place: dict[tuple[int, int], int] = {(k, k): k for k in range(n)}
    pairs = ((row, pivot) for pivot, all_of in zip(order, lower, strict=True) for row in all_of)
    place.update(((pair, n + k) for k, pair in enumerate(pairs)))
    pairs = (
        (pivot, column) for pivot, all_of in zip(order, upper, strict=True) for column in all_of
    )
    place.update(((pair, n + int(lower_ends[-1]) + k) for k, pair in enumerate(pairs)))
    targets = [
        place[row, column]
        for below, beside in zip(lower, upper, strict=True)
        for row in below
        for column in beside
    ]
    operations = (
        np.array(order, np.uint32),
        lower_ends.astype(np.uint32),
        upper_ends.astype(np.uint32),
        np.array(targets, np.uint32),
        _triples(place, ((row, k) for k, rows in zip(order, lower, strict=True) for row in rows)),
        _triples(
            place,
            (
                (k, column)
                for k, beside in zip(reversed(order), reversed(upper), strict=True)
                for column in beside
            ),
        ),
    )
    places = np.array([place[entry] for entry in entries], np.uint32)
    return Elimination(operations, places, len(place))


def _triples(place: Mapping[tuple[int, int], int], pairs: Iterable[tuple[int, int]]) -> Integers:
    """Row, column and place of entries: (entries, 3)."""
    found = [(row, column, place[row, column]) for row, column in pairs]
    return np.array(found, np.uint32).reshape(-1, 3)


def _order(
    n: int, entries: Sequence[tuple[int, int]], last: Collection[int]
) -> tuple[list[int], list[set[int]], list[set[int]]]:
    """Pivots in order; of each, the columns of its row and the rows of its column that are left.

    What is filled in is added to both.
    """
    rows: list[set[int]] = [set() for _ in range(n)]
    columns: list[set[int]] = [set() for _ in range(n)]
    for row, column in entries:
        if row != column:
            rows[row].add(column)
            columns[column].add(row)
    late = set(last)
    left: list[set[int]] = [set() for _ in range(n)]
    below: list[set[int]] = [set() for _ in range(n)]

    def cost(pivot: int) -> tuple[bool, int, int]:
        return pivot in late, len(rows[pivot]) * len(columns[pivot]), pivot

    waiting = [cost(pivot) for pivot in range(n)]
    heapq.heapify(waiting)
    order: list[int] = []
    done: set[int] = set()
    while waiting:
        known = heapq.heappop(waiting)
        pivot = known[-1]
        if pivot in done or known != cost(pivot):
            continue
        order.append(pivot)
        done.add(pivot)
        left[pivot], below[pivot] = rows[pivot], columns[pivot]
        for row in below[pivot]:
            rows[row] |= left[pivot]
            rows[row] -= {pivot, row}
        for column in left[pivot]:
            columns[column] |= below[pivot]
            columns[column] -= {pivot, column}
        for touched in left[pivot] | below[pivot]:
            heapq.heappush(waiting, cost(touched))
    return order, left, below
