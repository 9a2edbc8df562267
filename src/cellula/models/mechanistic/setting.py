"""Setting ids at one time: what events and doses do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from cellula.core.errors import DataError
from cellula.core.expression import Expression, Number
from cellula.models.mechanistic.system import System
from cellula.models.mechanistic.tape import Tape, evaluate, tape

__all__ = ["Setting", "setting"]

Floats = NDArray[np.float64]


@final
@dataclass(frozen=True, slots=True)
class Setting:
    """Where the values of some ids go: (column of the states or parameters) x (what by).

    is_state, columns: one an id. factors: what its value is multiplied by, as it was before
    (a concentration counts in the volume before, also where that is set too).
    """

    is_state: NDArray[np.bool_]
    columns: NDArray[np.intp]
    has_factor: NDArray[np.bool_]
    factors: Tape

    def put(self, time: Floats, states: Floats, parameters: Floats, values: Floats) -> None:
        """Set ids in place: states (cells, n), parameters (cells, m), values (cells, ids)."""
        scaled = values
        if self.has_factor.any():
            scaled = values * evaluate(self.factors, time, states, parameters)
        for is_state, side in ((True, states), (False, parameters)):
            which = self.is_state == is_state
            side[:, self.columns[which]] = scaled[:, which]


def setting(system: System, ids: Sequence[str], by: str) -> Setting:
    """How ``ids`` are set. Raises DataError, naming ``by``, where one cannot be set."""
    targets = []
    for id in ids:
        if id not in system.observed:
            raise DataError(f"{by} sets {id!r}, which network {system.network.id!r} lacks")
        if id not in system.targets:
            raise DataError(
                f"{by} sets {id!r}, which follows from other values at all times; set one of those"
            )
        targets.append(system.targets[id])
    states = {name: k for k, name in enumerate(system.states)}
    parameters = {name: k for k, name in enumerate(system.parameters)}
    one: Expression = Number(1.0)
    factors = [one if target.factor is None else target.factor for target in targets]
    return Setting(
        np.array([target.name in states for target in targets], dtype=np.bool_),
        np.array([{**parameters, **states}[target.name] for target in targets], dtype=np.intp),
        np.array([target.factor is not None for target in targets], dtype=np.bool_),
        tape(factors, system.states, system.parameters),
    )
