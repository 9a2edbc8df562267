"""What is read off every beat of a paced cell: duration, peak, rest, upstroke."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias, final

import numpy as np
from numpy.typing import NDArray

from cellula.core.errors import DataError
from cellula.core.simulation import Trajectory
from cellula.models.mechanistic.pacing import Protocol
from cellula.models.mechanistic.readouts import Readout, measured

__all__ = ["Beats", "beats_of"]

Floats: TypeAlias = NDArray[np.float64]


@final
@dataclass(frozen=True, slots=True)
class Beats:
    """Of every cell and beat: (cells, beats).

    apd90: from the steepest rise to 90 % of the way back, in the network's unit of time; not a
    number where the beat has no action potential that comes back, ``reasons`` says why. peak:
    greatest voltage; rest: the voltage where the beat begins; steepest: the greatest rise a time.
    """

    apd90: Floats
    peak: Floats
    rest: Floats
    steepest: Floats
    reasons: tuple[tuple[int, int, str], ...]


def beats_of(trajectory: Trajectory, given: Protocol) -> Beats:
    """The beats of all cells; a beat lasts from the begin of its pulse to that of the next.

    Raises DataError where a beat is not told from its begin to its end, at three times or more.
    """
    shape = (trajectory.values.shape[0], given.beats)
    apd90, peak, rest, steepest = (np.full(shape, np.nan) for _ in range(4))
    reasons: list[tuple[int, int, str]] = []
    for beat, begin in enumerate(map(float, given.begins)):
        part = _window(trajectory, given.voltage, begin, begin + given.pulses.period)
        course = part.values[:, :, 0]
        rest[:, beat], peak[:, beat] = course[:, 0], course.max(axis=1)
        steepest[:, beat] = (np.diff(course, axis=1) / np.diff(part.times)).max(axis=1)
        for cell in range(shape[0]):
            found, why = _apd90(part, cell, given.rise)
            apd90[cell, beat] = found
            if why:
                reasons.append((cell, beat, why))
    return Beats(apd90, peak, rest, steepest, tuple(reasons))


def _apd90(part: Trajectory, cell: int, rise: float) -> tuple[float, str]:
    course = part.values[cell, :, 0]
    risen = float(course.max() - course[0])
    if not risen > rise:
        return np.nan, f"the voltage rises by {risen:.3g} only: no action potential"
    one = Trajectory(part.ids, part.times, part.values[cell : cell + 1])
    try:
        return float(measured(one, (Readout(id=part.ids[0], what="apd90"),))[0, 0]), ""
    except DataError:
        return np.nan, "it does not come back by 90 % before the next pulse"


def _window(trajectory: Trajectory, id: str, begin: float, end: float) -> Trajectory:
    near = 1e-9 * max(abs(begin), abs(end))
    times = trajectory.times
    chosen = np.flatnonzero((times >= begin - near) & (times <= end + near))
    if len(chosen) < 3 or times[chosen[0]] > begin + near or times[chosen[-1]] < end - near:
        raise DataError(
            f"the beat from {begin:g} to {end:g} is told at {len(chosen)} times; expected it to be "
            "told from its begin to its end"
        )
    values = trajectory.of(id)[:, chosen]
    return Trajectory((id,), times[chosen], values[:, :, None])
