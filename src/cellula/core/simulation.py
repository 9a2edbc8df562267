"""Simulators: a network, a population of different cells, doses over time -> a trajectory.

A network is one of reactions or of logic; a simulator that takes one of them refuses the other.
Numbers are in the network's own units, time included.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from cellula.core.errors import DataError
from cellula.core.logic import LogicNetwork
from cellula.core.model import Options
from cellula.core.network import Network
from cellula.core.run import RunContext

__all__ = [
    "Dose",
    "ParameterTable",
    "Schedule",
    "Simulator",
    "Trajectory",
    "logic_network",
    "reaction_network",
]


@dataclass(frozen=True, slots=True)
class ParameterTable:
    """What differs between cells: ids of parameters, compartments, species or components x cells.

    values: (cells, ids), as the ids stand in expressions, at the start. A cell takes the
    network's own value, or the expression that gives it, for every id not named.
    first: the number of the first cell in its population; with the seed it decides what is
    random about a cell, so that a population in batches is the population in one piece.
    """

    ids: tuple[str, ...]
    values: NDArray[np.float64]
    first: int = 0

    def __post_init__(self) -> None:
        if self.values.ndim != 2 or self.values.shape[1] != len(self.ids):
            raise DataError(
                f"parameter values have shape {self.values.shape}; "
                f"expected (cells, {len(self.ids)})"
            )

    def __len__(self) -> int:
        return len(self.values)

    def batches(self, size: int) -> Iterator[ParameterTable]:
        """Consecutive parts of at most ``size`` cells."""
        for start in range(0, len(self), size):
            part = self.values[start : start + size]
            yield ParameterTable(self.ids, part, self.first + start)


@dataclass(frozen=True, slots=True)
class Dose:
    """At ``time`` the id is set to, multiplied by or raised by ``value``."""

    time: float
    id: str
    value: float
    how: Literal["set", "scale", "add"] = "set"


@dataclass(frozen=True, slots=True)
class Schedule:
    """Doses in the order of their times; empty for an untreated population."""

    doses: tuple[Dose, ...] = ()

    def __post_init__(self) -> None:
        times = [dose.time for dose in self.doses]
        if times != sorted(times):
            raise DataError("the doses of a schedule are not in the order of their times")


@dataclass(frozen=True, slots=True)
class Trajectory:
    """values: (cells, times, ids); times: (times,) ascending, in the network's unit of time.

    A species is told as its id stands in expressions (:class:`~cellula.core.network.Species`).
    """

    ids: tuple[str, ...]
    times: NDArray[np.float64]
    values: NDArray[np.float64]

    def __post_init__(self) -> None:
        expected = (len(self.times), len(self.ids))
        if self.values.ndim != 3 or self.values.shape[1:] != expected:
            raise DataError(
                f"trajectory values have shape {self.values.shape}; expected (cells, "
                f"{expected[0]} times, {expected[1]} ids)"
            )

    def of(self, id: str) -> NDArray[np.float64]:
        """The time courses of one id: (cells, times); DataError where it was not recorded."""
        if id not in self.ids:
            raise DataError(f"no {id!r} in the trajectory; it has {', '.join(self.ids)}")
        return self.values[:, :, self.ids.index(id)]


@runtime_checkable
class Simulator(Protocol):
    """Solves a network for a population.

    is_stochastic: its trajectories are random, drawn from ``run.rng`` alone; the conformance
    kit then asks for the right distribution in place of the right course.
    """

    name: ClassVar[str]
    is_stochastic: ClassVar[bool]
    options_type: ClassVar[type[Options]]
    references: ClassVar[tuple[str, ...]]
    options: Any

    def __init__(self, options: Any) -> None: ...

    def simulate(
        self,
        network: Network | LogicNetwork,
        cells: ParameterTable,
        doses: Schedule,
        times: NDArray[np.float64],
        run: RunContext,
    ) -> Trajectory:
        """The trajectory of every cell at ``times``, which ascend from where the cells start.

        Its ids are all of ``network.ids``. Raises DataError, naming the simulator, on a form of
        network that it does not take (:func:`reaction_network`, :func:`logic_network`), and on an
        id that the network lacks; EngineError, naming cell and time, where a cell has no solution.
        """


def reaction_network(given: Network | LogicNetwork, simulator: str) -> Network:
    """A network of reactions as it is. Raises DataError, naming the simulator, on one of logic."""
    if not isinstance(given, Network):
        raise DataError(
            f"simulator {simulator!r} takes networks of reactions, and {given.id!r} is a logic "
            "network; take simulator 'logic'"
        )
    return given


def logic_network(given: Network | LogicNetwork, simulator: str) -> LogicNetwork:
    """A logic network as it is. Raises DataError, naming the simulator, on one of reactions."""
    if not isinstance(given, LogicNetwork):
        raise DataError(
            f"simulator {simulator!r} takes logic networks, and {given.id!r} has reactions; take a "
            "simulator of reactions, such as 'ode'"
        )
    return given
