"""A population handed to an engine cell by cell, and its courses gathered again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cellula.core.network import Network
from cellula.core.run import RunContext
from cellula.core.simulation import ParameterTable, Trajectory
from cellula.core.variant import is_settled, of_cell

__all__ = ["Cell", "each_cell", "gathered"]


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of a population.

    number: in its population, as messages call it. values: what differs. network: its own, where
    a model that is loaded once cannot be set to it; else None. seed: its own, from 1 to 2^31 - 1,
    the same in whatever batches the population comes.
    """

    number: int
    values: Mapping[str, float]
    network: Network | None
    seed: int


def each_cell(network: Network, cells: ParameterTable, run: RunContext) -> Iterator[Cell]:
    """The cells in their order, told as progress.

    Every cell has a network of its own where the start of the network depends on what differs
    (:func:`~cellula.core.variant.is_settled`).
    """
    is_shared = is_settled(network, cells.ids)
    for place in run.progress.track(range(len(cells)), "cells"):
        number = cells.first + place
        values = dict(zip(cells.ids, map(float, cells.values[place]), strict=True))
        own = None if is_shared else of_cell(network, values)
        seed = int(run.child("cell", number).rng.integers(1, 2**31))
        yield Cell(number, values, own, seed)


def gathered(
    ids: tuple[str, ...],
    times: NDArray[np.float64],
    courses: Iterable[Mapping[str, NDArray[np.float64]]],
    run: RunContext,
) -> Trajectory:
    """The trajectory of courses, id -> (times,), one a cell.

    Ids that the first course does not tell are left out, and the run's progress says which.
    """
    told: tuple[str, ...] | None = None
    parts: list[NDArray[np.float64]] = []
    for course in courses:
        if told is None:
            told = tuple(id for id in ids if id in course)
        parts.append(np.column_stack([course[id] for id in told]))
    if told is None:
        return Trajectory(ids, times.copy(), np.empty((0, len(times), len(ids))))
    missing = [id for id in ids if id not in told]
    if missing:
        run.progress.say(f"the engine does not tell {', '.join(missing)}: left out")
    return Trajectory(told, times.copy(), np.stack(parts))
