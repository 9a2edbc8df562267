"""A population solved in batches of cells: as much memory as a batch takes, however many there are.

Batches give the numbers of the population in one piece: every cell has a number, and with the
seed it decides what is random about the cell.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from time import monotonic
from typing import Any, Protocol, final

import numpy as np
from numpy.typing import NDArray

from cellula.core.logic import LogicNetwork
from cellula.core.network import Network
from cellula.core.numerals import count, duration
from cellula.core.run import RunContext, SilentProgress, elsewhere
from cellula.core.simulation import ParameterTable, Schedule, Simulator, Trajectory

__all__ = ["Batch", "Cells", "Task", "batch_size", "each_batch"]

#: Bytes of a batch's trajectory, about; and the most cells in it.
BATCH_BYTES, MOST = 32e6, 1024
#: Cells a thread that are timed before the rest, and the shortest rest, in seconds, to speak of.
TIMED, WORTH_S = 32, 5.0
#: Batches that a cluster is given at once.
WAVE = 32


class Cells(Protocol):
    """A population that can be had in parts: a ``ParameterTable``, or a ``Spread``."""

    def __len__(self) -> int:
        """How many cells."""

    def batches(self, size: int) -> Iterator[ParameterTable]:
        """Consecutive parts of at most ``size`` cells."""


@final
@dataclass(frozen=True, slots=True)
class Task:
    """What is done with every cell of a population, by one or several simulators."""

    simulators: tuple[Simulator, ...]
    network: Network | LogicNetwork
    doses: Schedule
    times: NDArray[np.float64]

    def of(self, cells: ParameterTable, run: RunContext) -> Batch:
        """The courses of some cells; the run's own stream is left where it stands."""
        asked = (self.network, cells, self.doses, self.times)
        found = tuple(one.simulate(*asked, run.child()) for one in self.simulators)
        return Batch(cells.first, found)


@final
@dataclass(frozen=True, slots=True)
class Batch:
    """Courses of consecutive cells, one trajectory a simulator. first: number of the first."""

    first: int
    courses: tuple[Trajectory, ...]


def batch_size(n_times: int, n_ids: int) -> int:
    """How many cells a batch has: a multiple of 32, from 32 to 1024."""
    fit = int(BATCH_BYTES / (8 * max(n_times, 1) * max(n_ids, 1)))
    return min(MOST, max(32, fit // 32 * 32))


def each_batch(task: Task, cells: Cells, size: int, run: RunContext) -> Iterator[Batch]:
    """The batches of a population in their order, told as progress.

    What a first small batch took tells how long the rest takes, in one line, where that is worth
    one. With a cluster, batches are solved there. Raises what simulators raise.
    """
    quiet = replace(run, progress=SilentProgress())
    turns = run.progress.track(range(-(-len(cells) // size)), "batches of cells")
    if run.cluster is not None:
        yield from _on_cluster(task, cells.batches(size), turns, run)
        return
    for _, part in zip(turns, cells.batches(size), strict=True):
        if part.first or len(part) == 1:
            yield task.of(part, quiet if part.first else run)
        else:
            yield _first(task, part, len(cells), run)


def _first(task: Task, part: ParameterTable, n_cells: int, run: RunContext) -> Batch:
    """The first batch: one cell to get ready, some to take the time, the others.

    One cell, so that making the equations ready is not taken for work that every cell needs.
    """
    quiet = replace(run, progress=SilentProgress())
    found = [task.of(_part(part, 0, 1), run)]
    end = 1 + TIMED * run.threads
    began = monotonic()
    timed = _part(part, 1, end)
    found.append(task.of(timed, quiet))
    left = n_cells - 1 - len(timed)
    seconds = (monotonic() - began) / len(timed) * left
    if seconds >= WORTH_S:
        told = f"about {duration(seconds)} for the other {count(left)} cells"
        run.progress.say(f"{told}, by the first {count(len(timed))}")
    if end < len(part):
        found.append(task.of(_part(part, end, len(part)), quiet))
    return Batch(part.first, tuple(map(_joined, zip(*(one.courses for one in found), strict=True))))


def _part(cells: ParameterTable, begin: int, end: int) -> ParameterTable:
    return ParameterTable(cells.ids, cells.values[begin:end], cells.first + begin)


def _joined(parts: Sequence[Trajectory]) -> Trajectory:
    """Trajectories of consecutive cells as one."""
    values = np.concatenate([one.values for one in parts])
    return Trajectory(parts[0].ids, parts[0].times, values)


def _on_cluster(
    task: Task, parts: Iterator[ParameterTable], turns: Iterator[int], run: RunContext
) -> Iterator[Batch]:
    """Batches from a cluster, a wave at a time, so that results do not pile up there."""
    cluster: Any = run.cluster
    while wave := list(islice(parts, WAVE)):
        items = [(task, part, run.light) for part in wave]
        for found in cluster.map(_of_item, items):
            next(turns)
            yield found
    next(turns, None)


def _of_item(item: tuple[Task, ParameterTable, RunContext]) -> Batch:
    """One batch as a worker does it."""
    task, part, light = item
    with elsewhere(light) as run:
        return task.of(part, run)
