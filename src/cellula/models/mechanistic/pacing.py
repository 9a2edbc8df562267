"""Pacing: an excitable cell is given a rectangular pulse every so often, at exact times.

The stimulus of the network is made a quantity that doses set at the times where pulses begin and
end, so that every engine meets them exactly: none steps over a pulse or smears its edge, as a
formula of the time invites it to.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeAlias, final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from cellula.core.errors import DataError
from cellula.core.model import Options
from cellula.core.network import AssignmentRule, Network
from cellula.core.simulation import Dose, Schedule
from cellula.models.mechanistic.stimulus import Pulses, own_pulses, stimulus_of, voltage_of, volts

__all__ = ["Pacing", "Protocol", "course_times", "paced", "protocol", "schedule"]

Floats: TypeAlias = NDArray[np.float64]
#: The upstroke, a share of the period that follows a pulse, and how finely time is told in it and
#: in the rest of the beat.
UPSTROKE, FINE, COARSE = 0.02, 200, 980
#: An action potential rises by at least so much above where the beat began, in volts.
LEAST_RISE_V = 0.03


@final
class Pacing(Options):
    """A protocol as it is asked for; what is left out is the model's own."""

    beats: int = Field(default=1, ge=1, le=100_000)
    """Pulses."""
    period: float | None = Field(default=None, gt=0)
    """From one pulse to the next: the cycle length, in the network's unit of time."""
    duration: float | None = Field(default=None, gt=0)
    """How long a pulse lasts, in the network's unit of time."""
    amplitude: float | None = Field(default=None)
    """The stimulus during a pulse, in its own unit; its sign is that of the model."""
    start: float | None = Field(default=None, ge=0)
    """When the first pulse begins."""
    stimulus: str | None = Field(default=None)
    """The id that is paced; None where the model has one pulse of the time alone."""
    voltage: str | None = Field(default=None)
    """The id that beats are read off; None where one variable with a rate is in volts."""


@final
@dataclass(frozen=True, slots=True)
class Protocol:
    """Pulses of ``stimulus``: ``beats`` of them, read off ``voltage``.

    rise: what rises by less, in the unit of the voltage, is no action potential. own: names of
    what is the model's own.
    """

    stimulus: str
    voltage: str
    pulses: Pulses
    beats: int
    rise: float
    own: tuple[str, ...]

    @property
    def begins(self) -> Floats:
        """When each pulse begins: (beats,)."""
        return np.asarray(self.pulses.start + self.pulses.period * np.arange(self.beats))

    @property
    def end(self) -> float:
        """When the last beat ends."""
        return self.pulses.start + self.pulses.period * self.beats


def protocol(network: Network, asked: Pacing) -> Protocol:
    """What is asked for, completed by what the model says.

    Raises DataError where the network lacks an id, where neither tells a number, and on pulses
    that do not end before the next begins.
    """
    stimulus = stimulus_of(network) if asked.stimulus is None else asked.stimulus
    voltage = voltage_of(network) if asked.voltage is None else asked.voltage
    for id in (stimulus, voltage):
        if id not in network.ids:
            raise DataError(f"network {network.id!r} has no {id!r} to pace or to read")
    given = {
        "period": asked.period,
        "duration": asked.duration,
        "level": asked.amplitude,
        "start": asked.start,
    }
    needs = [name for name in ("period", "duration", "level") if given[name] is None]
    model = own_pulses(network, stimulus) if needs or asked.start is None else None
    if model is None and needs:
        words = ", ".join("amplitude" if name == "level" else name for name in needs)
        raise DataError(f"the model gives {stimulus!r} no pulses of its own; give its {words}")
    base = Pulses(0.0, 0.0, 0.0, 0.0, 0.0) if model is None else model
    own = tuple(
        "amplitude" if name == "level" else name
        for name, value in given.items()
        if value is None and model is not None
    )
    pulses = replace(base, **{name: one for name, one in given.items() if one is not None})
    if pulses.duration >= pulses.period:
        raise DataError(
            f"a pulse lasts {pulses.duration:g} and the next comes after {pulses.period:g}; "
            "expected a pulse that ends before the next"
        )
    unit = next((one.unit for one in network.parameters if one.id == voltage), "")
    rise = LEAST_RISE_V / (volts(unit) or np.inf)
    return Protocol(stimulus, voltage, pulses, asked.beats, rise, own)


def paced(network: Network, given: Protocol) -> Network:
    """The network whose stimulus follows no rule of its own, and rests until it is dosed.

    Raises DataError where the stimulus is no parameter, or has a rate.
    """
    if given.stimulus not in {one.id for one in network.parameters}:
        raise DataError(f"{given.stimulus!r} is no parameter of network {network.id!r}")
    ruled = [rule for rule in network.rules if getattr(rule, "target", None) == given.stimulus]
    if any(not isinstance(rule, AssignmentRule) for rule in ruled):
        raise DataError(f"{given.stimulus!r} has a rate of change; pace what follows a formula")
    return replace(
        network,
        parameters=tuple(
            replace(one, value=given.pulses.rest, is_constant=False)
            if one.id == given.stimulus
            else one
            for one in network.parameters
        ),
        rules=tuple(rule for rule in network.rules if rule not in ruled),
        initial={id: one for id, one in network.initial.items() if id != given.stimulus},
    )


def schedule(given: Protocol) -> Schedule:
    """The stimulus set where a pulse begins and where it ends."""
    doses: list[Dose] = []
    for begin in map(float, given.begins):
        doses.append(Dose(begin, given.stimulus, given.pulses.level))
        doses.append(Dose(begin + given.pulses.duration, given.stimulus, given.pulses.rest))
    return Schedule(tuple(doses))


def course_times(given: Protocol) -> Floats:
    """Times from 0 to the end of the last beat, finer where a beat begins.

    A 10,000th of the period apart during the 2 % of it that follow the begin of a pulse, a
    1,000th in the rest: what beats are read off by linear interpolation is then told to 1e-4.
    """
    pulses = given.pulses
    split = UPSTROKE * pulses.period
    fine = np.linspace(0.0, split, FINE, endpoint=False)
    beat = np.concatenate([fine, np.linspace(split, pulses.period, COARSE, endpoint=False)])
    beats = (given.begins[:, None] + beat[None, :]).ravel()
    before = np.arange(0.0, pulses.start, pulses.period / COARSE)
    return np.unique(np.concatenate([[0.0], before, beats, [given.end]]))
