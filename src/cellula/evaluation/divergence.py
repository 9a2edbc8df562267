"""How far two trajectories of one model lie apart: one engine held to another."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from cellula.core.errors import DataError
from cellula.core.simulation import Trajectory

__all__ = ["Divergence", "divergences", "greatest"]


@dataclass(frozen=True, slots=True)
class Divergence:
    """The greatest relative difference of an id, and the cell and time where it is.

    relative: |a - b| over the greatest |a| or |b| of the id in that cell at any time; 0 where
    both are 0 throughout, infinite where one of them is no number.
    """

    id: str
    relative: float
    cell: int
    time: float
    values: tuple[float, float]


def divergences(one: Trajectory, other: Trajectory, first: int = 0) -> tuple[Divergence, ...]:
    """The divergence of every id that both tell, the greatest first.

    first: the number of the first cell in its population. Raises DataError where cells or
    times are not the same.
    """
    same = one.values.shape[:2] == other.values.shape[:2] and np.array_equal(one.times, other.times)
    if not same:
        raise DataError(
            f"trajectories of {one.values.shape[:2]} and {other.values.shape[:2]} cells and times "
            "cannot be compared; simulate both at the same times"
        )
    found = [_divergence(id, one, other, first) for id in one.ids if id in other.ids]
    return greatest(found)


def greatest(found: Iterable[Divergence]) -> tuple[Divergence, ...]:
    """The greatest divergence of every id over parts of a population, the greatest first."""
    most: dict[str, Divergence] = {}
    for one in found:
        if one.id not in most or one.relative > most[one.id].relative:
            most[one.id] = one
    return tuple(sorted(most.values(), key=lambda each: (-each.relative, each.id)))


def _divergence(id: str, one: Trajectory, other: Trajectory, first: int) -> Divergence:
    left, right = one.of(id), other.of(id)
    if not left.size:
        return Divergence(id, 0.0, first, float("nan"), (0.0, 0.0))
    scale = np.fmax(np.abs(left), np.abs(right)).max(axis=1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        relative = np.abs(left - right) / scale
    both_zero_or_equal = (left == right) | (np.isnan(left) & np.isnan(right))
    relative = np.where(both_zero_or_equal, 0.0, np.where(np.isnan(relative), np.inf, relative))
    cell, time = np.unravel_index(int(np.argmax(relative)), relative.shape)
    pair = (float(left[cell, time]), float(right[cell, time]))
    place = first + int(cell), float(one.times[time])
    return Divergence(id, float(relative[cell, time]), *place, pair)
