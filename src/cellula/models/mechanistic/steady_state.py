"""The steady state of a population, by simulating until nothing changes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from cellula.core.errors import NotConverged
from cellula.core.network import Network
from cellula.core.run import RunContext
from cellula.core.simulation import ParameterTable, Schedule, Simulator

__all__ = ["SteadyCriterion", "steady_state"]

Floats = NDArray[np.float64]


@final
@dataclass(frozen=True, slots=True)
class SteadyCriterion:
    """Steady is what changes by no more than ``atol + rtol |x|`` between a time and twice it.

    first: the first such time, in the network's unit; the next are ten times as long, up to
    ``longest``.
    """

    rtol: float = 1e-6
    atol: float = 1e-12
    first: float = 1e4
    longest: float = 1e12


def steady_state(
    network: Network,
    cells: ParameterTable,
    ids: tuple[str, ...],
    by: tuple[Simulator, SteadyCriterion],
    run: RunContext,
) -> Floats:
    """The values of all ids of the network once ``ids`` are steady: (cells, ids of the network).

    by: what simulates, and when to be content. Raises NotConverged, naming cell and id, where
    one still changes at the longest time, such as in a model that oscillates.
    """
    simulator, criterion = by
    time = criterion.first
    while True:
        times = np.array([0.0, time, 2 * time])
        course = simulator.simulate(network, cells, Schedule(), times, run)
        columns = [course.ids.index(id) for id in ids]
        before, after = course.values[:, 1][:, columns], course.values[:, 2][:, columns]
        moving = ~(np.abs(after - before) <= criterion.atol + criterion.rtol * np.abs(after))
        if not moving.any():
            return course.values[:, 2]
        time *= 10
        if 2 * time > criterion.longest:
            cell, k = np.argwhere(moving)[0]
            raise NotConverged(
                f"network {network.id!r} has no steady state up to time {times[-1]:g}: in cell "
                f"{cell}, {ids[k]!r} went from {before[cell, k]:g} to {after[cell, k]:g}"
            )
