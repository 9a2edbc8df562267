"""Some cells of a population that is solved in batches, for pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

import numpy as np
from numpy.typing import NDArray

from cellula.core.errors import DataError
from cellula.core.simulation import Trajectory

__all__ = ["CourseSample", "most_changing"]

#: Bytes of the courses that are kept; and the most cells, and the fewest.
KEPT_BYTES, MOST, FEWEST = 64e6, 2000, 100


@final
class CourseSample:
    """Every so-many-th cell of ``n_cells``, whatever batches they come in; memory is bounded.

    ids: those whose courses are kept.
    """

    def __init__(self, n_cells: int, n_times: int, ids: tuple[str, ...]) -> None:
        fit = int(KEPT_BYTES / (8 * max(n_times * len(ids), 1)))
        self._ids = ids
        self._every = -(-n_cells // min(MOST, max(FEWEST, fit)))
        self._parts: list[Trajectory] = []

    def add(self, part: Trajectory, first: int) -> None:
        """Take a batch, whose first cell has that number in the population."""
        places = [part.ids.index(id) for id in self._ids]
        chosen = part.values[-first % self._every :: self._every][:, :, places]
        self._parts.append(Trajectory(self._ids, part.times, chosen))

    @property
    def courses(self) -> Trajectory:
        """The cells that were kept, in their order."""
        one = self._parts[0]
        return Trajectory(one.ids, one.times, np.concatenate([p.values for p in self._parts]))


def most_changing(courses: Trajectory, n: int, among: Sequence[str]) -> tuple[str, ...]:
    """The ids, of ``among``, whose median changes most over time, relative to its greatest size.

    At most ``n``, the most changing first; those that never change are left out. Raises
    DataError where none changes.
    """
    ids = [id for id in courses.ids if id in among]
    places = [courses.ids.index(id) for id in ids]
    change = _changes(np.median(courses.values[:, :, places], axis=0))
    order = [int(k) for k in np.argsort(-change, kind="stable") if change[k] > 0]
    if not order:
        raise DataError("nothing changes over these times; name ids to show, or a later end")
    return tuple(ids[k] for k in order[:n])


def _changes(middle: NDArray[np.float64]) -> NDArray[np.float64]:
    """How much each column of (times, ids) changes: range over greatest size; 0 for no number."""
    size = np.abs(middle).max(axis=0)
    span = np.ptp(middle, axis=0)
    is_told = np.isfinite(size) & (size > 0)
    return np.asarray(np.divide(span, size, out=np.zeros(len(size)), where=is_told))
