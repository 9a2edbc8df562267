"""Fields over time: what every voxel of a grid holds at every time that was asked for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cellula.core.errors import DataError
from cellula.core.space import Grid

__all__ = ["FieldCourse"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class FieldCourse:
    """values: (times, ids, cells...), as each id stands in expressions; times: (times,).

    Times ascend, in the network's unit of time. Raises DataError on another shape.
    """

    grid: Grid
    ids: tuple[str, ...]
    times: Floats
    values: Floats

    def __post_init__(self) -> None:
        expected = (len(self.times), len(self.ids), *self.grid.cells)
        if self.values.shape != expected:
            raise DataError(
                f"fields have shape {self.values.shape}; expected {expected}: times, ids, voxels"
            )

    def of(self, id: str) -> Floats:
        """The fields of one id: (times, cells...); DataError, listing what there is, on another."""
        if id not in self.ids:
            raise DataError(f"no {id!r} among the fields; there are {', '.join(self.ids)}")
        return self.values[:, self.ids.index(id)]

    def total(self, id: str) -> Floats:
        """The integral of a field over the grid: (times,), value x length, area or volume."""
        fields = self.of(id)
        sums = fields.reshape(len(fields), -1).sum(axis=1)
        return np.asarray(sums * self.grid.voxel_volume, np.float64)

    def peak(self, id: str) -> Floats:
        """The greatest value in any voxel: (times,)."""
        fields = self.of(id)
        return np.asarray(fields.reshape(len(fields), -1).max(axis=1), np.float64)

    def front(self, id: str, level: float, axis: int = 0) -> Floats:
        """Where along an axis a field, averaged over the others, last crosses ``level``: (times,).

        Linear between the middles of voxels; not a number where it does not cross.
        """
        fields = np.moveaxis(self.of(id), 1 + axis, 1)
        lines = fields.reshape(*fields.shape[:2], -1).mean(axis=2)
        x = self.grid.centres(axis)
        found = np.full(len(lines), np.nan)
        for time, line in enumerate(lines - level):
            crossing = np.flatnonzero((line[:-1] >= 0) != (line[1:] >= 0))
            if len(crossing):
                k = crossing[-1]
                share = line[k] / (line[k] - line[k + 1])
                found[time] = x[k] + share * (x[k + 1] - x[k])
        return found

    def front_speed(self, id: str, level: float, axis: int = 0) -> float:
        """The slope of the front's position over the later half of the times that have one.

        Raises DataError where fewer than three of them have a front.
        """
        position = self.front(id, level, axis)
        told = np.flatnonzero(np.isfinite(position))
        late = told[len(told) // 2 :]
        if len(late) < 3:
            raise DataError(
                f"{id!r} crosses {level:g} at {len(told)} of {len(self.times)} times; a speed "
                "needs six: ask for more times, or another level"
            )
        return float(np.polyfit(self.times[late], position[late], 1)[0])
