"""Values that a network needs and does not have."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from cellula.core.errors import DataError, EngineError
from cellula.core.expression import Expression
from cellula.core.resolution import names_in
from cellula.models.mechanistic.system import System
from cellula.models.mechanistic.tape import evaluate, tape

__all__ = ["check_start"]

Floats = NDArray[np.float64]


def check_start(
    system: System, time: float, states: Floats, parameters: Floats, first: int = 0
) -> None:
    """Every state and its rate of change is a finite number at the start, in every cell.

    states: (cells, n); parameters: (cells, m). first: the number of the first cell. Raises
    DataError, naming it, where a value that a rate or a trigger needs was not given, and
    EngineError where one is not finite for another reason.
    """
    names = (*system.states, *system.parameters)
    given = np.concatenate([states, parameters], axis=1)
    lacking = {name for k, name in enumerate(names) if np.isnan(given[:, k]).any()}
    for what, expression in _needed(system):
        missing = sorted(lacking & names_in([expression])) if lacking else []
        values = evaluate(
            tape([expression], system.states, system.parameters), time, states, parameters
        )[:, 0] if missing else np.zeros(1)  # fmt: skip
        if np.isnan(values).any():
            raise DataError(
                f"{what} is not a number at the start: no value of {', '.join(missing)}; give a "
                "value, an initial assignment or a rule"
            )
    rates = evaluate(
        tape(list(system.derivatives), system.states, system.parameters), time, states, parameters
    )
    wrong = np.argwhere(~np.isfinite(rates))
    if len(wrong):
        cell, column = wrong[0]
        raise EngineError(
            f"cell {first + cell} has no solution beyond time {time:g}: the rate of change of "
            f"{system.states[column]!r} is {rates[cell, column]:g} there"
        )


def _needed(system: System) -> Iterator[tuple[str, Expression]]:
    for state, rate in zip(system.states, system.derivatives, strict=True):
        yield f"the rate of change of {state!r}", rate
    for event in system.events:
        yield f"the trigger of event {event.id!r}", event.trigger
