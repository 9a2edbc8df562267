"""What is read off a trajectory: a value, an area, a peak, a duration, a rate of growth."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal, TypeAlias, final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from cellula.core.errors import DataError
from cellula.core.model import Options
from cellula.core.simulation import Trajectory

__all__ = ["Readout", "measured"]

Floats: TypeAlias = NDArray[np.float64]
#: The part of an action potential that APD90 waits for.
REPOLARISED = 0.9


@final
class Readout(Options):
    """How a readout of the data is read off the course of one id of the network."""

    id: str
    """The id of the network whose course is read."""
    what: Literal["value_at_end", "area", "peak", "time_of_peak", "apd90", "growth_rate"] = (
        "value_at_end"
    )
    """What is read: see :func:`measured`."""
    scale: float = 1.0
    """What the number is multiplied by, from the network's unit to that of the data."""
    offset: float = 0.0
    """What is added after that."""
    transform: Literal["none", "ln", "log2", "log1p"] = "none"
    """Taken at last, where the data are logarithms."""
    unit: str = Field(default="")
    """The unit in which the network is to tell the id; "" takes what it tells."""


def measured(trajectory: Trajectory, wanted: Sequence[Readout]) -> Floats:
    """Every readout of every cell: (cells, readouts).

    With the course y of an id over the times t_1 ... t_n, in the network's units: the value at
    t_n; the area under y by the trapezoidal rule; its peak, the greatest of the values told; the
    time of the peak after t_1; APD90, the time from the steepest rise to where y has come back by
    90 % from the peak towards y(t_1), by linear interpolation; the growth rate, the slope of the
    least-squares line through ln y. Then scale, offset and transform.

    Raises DataError, naming readout and cell, where a cell has no such number: an action
    potential that does not come back, growth or a logarithm of what is not positive.
    """
    values = np.empty((trajectory.values.shape[0], len(wanted)))
    for place, one in enumerate(wanted):
        raw = MEASURES[one.what](trajectory.times, trajectory.of(one.id))
        _require(raw, one, f"has no {one.what}: {WHY.get(one.what, 'its course is not finite')}")
        scaled = one.scale * raw + one.offset
        with np.errstate(invalid="ignore", divide="ignore"):
            told = TRANSFORMS[one.transform](scaled)
        _require(told, one, f"has no {one.transform} of its {one.what}, which is not positive")
        values[:, place] = told
    return values


def _require(values: Floats, one: Readout, problem: str) -> None:
    odd = np.flatnonzero(~np.isfinite(values))
    if len(odd):
        raise DataError(f"{one.id!r} of cell {odd[0]} ({len(odd)} such cells) {problem}")


def _value_at_end(_: Floats, course: Floats) -> Floats:
    return course[:, -1]


def _area(times: Floats, course: Floats) -> Floats:
    return (0.5 * (course[:, 1:] + course[:, :-1])) @ np.diff(times)


def _peak(_: Floats, course: Floats) -> Floats:
    return np.asarray(course.max(axis=1))


def _time_of_peak(times: Floats, course: Floats) -> Floats:
    return np.asarray(times[course.argmax(axis=1)] - times[0])


def _apd90(times: Floats, course: Floats) -> Floats:
    if len(times) < 3:
        return np.full(len(course), np.nan)
    return np.array([_apd90_of(times, one) for one in course])


def _apd90_of(times: Floats, course: Floats) -> float:
    """Of one cell; not a number where there is no rise or no way back."""
    top = int(course.argmax())
    level = course[top] - REPOLARISED * (course[top] - course[0])
    after = np.flatnonzero(course[top:] <= level)
    if top == 0 or not len(after) or not np.isfinite(course).all():
        return float("nan")
    rises = np.diff(course[: top + 1]) / np.diff(times[: top + 1])
    start = int(rises.argmax())
    back = top + int(after[0])
    share = (course[back - 1] - level) / (course[back - 1] - course[back])
    end = times[back - 1] + share * (times[back] - times[back - 1])
    return float(end - 0.5 * (times[start] + times[start + 1]))


def _growth_rate(times: Floats, course: Floats) -> Floats:
    rates = np.full(len(course), np.nan)
    grows = (course > 0).all(axis=1)
    centred = times - times.mean()
    if len(times) > 1:
        rates[grows] = np.log(course[grows]) @ centred / (centred @ centred)
    return rates


MEASURES: Mapping[str, Callable[[Floats, Floats], Floats]] = {
    "value_at_end": _value_at_end,
    "area": _area,
    "peak": _peak,
    "time_of_peak": _time_of_peak,
    "apd90": _apd90,
    "growth_rate": _growth_rate,
}
WHY = {
    "apd90": "it does not rise, or does not come back by 90 % before the end; simulate longer",
    "growth_rate": "its course is not positive at all times, or has one time only",
}
TRANSFORMS: Mapping[str, Callable[[Floats], Floats]] = {
    "none": np.positive,
    "ln": np.log,
    "log2": np.log2,
    "log1p": np.log1p,
}
