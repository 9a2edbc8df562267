"""One cell in Myokit, from dose to dose: the solver is started anew at every dose."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Mapping
from itertools import groupby
from typing import Any, TypeAlias

import myokit
import numpy as np
from numpy.typing import NDArray

from cellula.core.evaluation import evaluate
from cellula.core.simulation import Dose, Schedule
from cellula.engines.myokit.program import Program

__all__ = ["course"]

Floats: TypeAlias = NDArray[np.float64]


def course(
    engine: Any, made: Program, values: dict[str, float], doses: Schedule, times: Floats
) -> dict[str, Floats]:
    """Id -> (times,) of one cell, solved from dose to dose by a compiled simulation.

    values: of all ids at the start; kept up to date. At a dose's time it is told what is there
    just after it.
    """
    told = {id: np.empty(len(times)) for id in made.names}
    engine.reset()
    engine.set_time(float(times[0]))
    _put(engine, made, values, made.states)
    begin = float(times[0])
    given = [dose for dose in doses.doses if dose.time <= times[-1]]
    for time, group in groupby(given, key=lambda dose: dose.time):
        _advance(engine, made, values, (begin, time), times, told)
        _give(engine, made, values, tuple(group))
        begin = time
    _advance(engine, made, values, (begin, float(times[-1])), times, told)
    _tell_last(engine, made, values, times, told)
    return told


def _put(engine: Any, made: Program, values: dict[str, float], ids: Collection[str]) -> None:
    """Set numbers and the states of some ids to their values."""
    states = list(engine.state())
    for place, id in enumerate(made.states):
        if id in ids:
            size = values[made.sizes[id]] if id in made.sizes else 1.0
            states[place] = values[id] * size
    engine.set_state(states)
    for id in made.free:
        engine.set_constant(made.names[id], values[id])
    for id, formula in made.fixed.items():
        values[id] = float(evaluate(formula, values, 0.0))


def _advance(
    engine: Any,
    made: Program,
    values: dict[str, float],
    span: tuple[float, float],
    times: Floats,
    told: Mapping[str, Floats],
) -> None:
    """From one time to another; the times from the first on and before the second are told."""
    begin, end = span
    rows = slice(int(np.searchsorted(times, begin)), int(np.searchsorted(times, end)))
    if end > begin:
        found = _run(engine, made, end - begin, times[rows])
        engine.set_time(end)
        _write(made, values, found, rows, told)


def _tell_last(
    engine: Any, made: Program, values: dict[str, float], times: Floats, told: Mapping[str, Floats]
) -> None:
    """The last time, as the begin of a run that goes a little farther."""
    end = float(times[-1])
    found = _run(engine, made, 1e-6 * (end - float(times[0])), times[-1:])
    _write(made, values, found, slice(len(times) - 1, len(times)), told)


def _run(engine: Any, made: Program, duration: float, times: Floats) -> Any:
    """Run on, and tell what moves at some times; CVODES' warnings come as errors anyway."""
    logged = [made.names[id] for id in made.moving] if len(times) else myokit.LOG_NONE
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return engine.run(duration, log=logged, log_times=times if len(times) else None)


def _write(
    made: Program,
    values: dict[str, float],
    found: Any,
    rows: slice,
    told: Mapping[str, Floats],
) -> None:
    still = {*made.free, *made.fixed}
    if rows.start == rows.stop:
        return
    for id, course in told.items():
        course[rows] = values[id] if id in still else found[made.names[id]]


def _give(engine: Any, made: Program, values: dict[str, float], group: tuple[Dose, ...]) -> None:
    """Doses of one time, one after the other."""
    states = dict(zip(made.states, engine.state(), strict=True))
    for id in made.states:
        values[id] = states[id]
    for id, size in made.sizes.items():
        values[id] = states[id] / values[size]
    for dose in group:
        before = values[dose.id]
        after = {"set": dose.value, "add": before + dose.value, "scale": before * dose.value}
        values[dose.id] = after[dose.how]
    _put(engine, made, values, {dose.id for dose in group})
