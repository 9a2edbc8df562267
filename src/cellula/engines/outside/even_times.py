"""Times as multiples of a step, for engines that tell evenly spaced times, from dose to dose."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from functools import reduce
from math import gcd, lcm
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from cellula.core.errors import DataError
from cellula.core.simulation import Dose, Schedule

__all__ = ["stretches"]

Floats: TypeAlias = NDArray[np.float64]
#: A run has so many steps at most.
MOST_STEPS = 100_000
#: The finest part of a unit of time that tells times apart.
FINEST = 10**9


def stretches(
    doses: Schedule, times: Floats, names: Mapping[str, str]
) -> tuple[list[dict[str, Any]], list[tuple[int, int]]]:
    """Runs from dose to dose, and for every time the run and the row that tells it.

    names: id -> what the engine calls it. A time that is a dose's is told by the run before it.
    Raises DataError where times share no step, or one that is too short.
    """
    exact = [Fraction(float(time)).limit_denominator(FINEST) for time in times]
    begins = sorted({exact[0], *(_exact(dose) for dose in doses.doses if dose.time < times[-1])})
    found: list[dict[str, Any]] = []
    places: dict[Fraction, tuple[int, int]] = {exact[0]: (0, 0)}
    for number, begin in enumerate(begins):
        end = begins[number + 1] if number + 1 < len(begins) else exact[-1]
        inside = [time for time in exact if begin < time <= end]
        step = reduce(_shared, [time - begin for time in (*inside, end)])
        if (end - begin) / step > MOST_STEPS:
            raise DataError(
                f"times from {float(begin):g} to {float(end):g} share a step of {float(step):g} "
                "only, and Virtual Cell tells evenly spaced times; ask for such"
            )
        places.update((time, (number, int((time - begin) / step))) for time in inside)
        given = [
            {"id": names[dose.id], "how": dose.how, "value": dose.value}
            for dose in doses.doses
            if _exact(dose) == begin
        ]
        found.append({"doses": given, "duration": float(end - begin), "step": float(step)})
    return found, [places[time] for time in exact]


def _exact(dose: Dose) -> Fraction:
    return Fraction(dose.time).limit_denominator(FINEST)


def _shared(one: Fraction, other: Fraction) -> Fraction:
    """The greatest step of which both are multiples."""
    below = lcm(one.denominator, other.denominator)
    above = gcd(int(one * below), int(other * below))
    return Fraction(above, below)
