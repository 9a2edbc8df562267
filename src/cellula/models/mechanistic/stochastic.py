"""A population of cells through a stochastic kernel, from dose to dose."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, TypeAlias, final

import numpy as np
from numpy.typing import NDArray

from cellula.core.errors import DataError, EngineError
from cellula.core.expression import Expression
from cellula.core.model import Options
from cellula.core.network import Network
from cellula.core.run import RunContext, each
from cellula.core.simulation import ParameterTable, Schedule, Trajectory
from cellula.kernels.jump import FAILED, FINISHED, NEGATIVE
from cellula.kernels.random_stream import streams, uniforms
from cellula.models.mechanistic.jump_network import JumpNetwork, jump_network
from cellula.models.mechanistic.jump_process import JumpProcess, jump_process
from cellula.models.mechanistic.jump_start import Start, start_values
from cellula.models.mechanistic.tape import evaluate, tape
from cellula.models.mechanistic.timed_changes import (
    Change,
    changeable_ids,
    dose_changes,
    event_changes,
)

__all__ = ["CountOptions", "Kernel", "simulated"]

Floats = NDArray[np.float64]
#: Process, registers, coefficients, clock, stops, times, streams, limit; told, ended: in place.
Kernel: TypeAlias = Callable[..., None]
#: Cells that one thread takes at once; what is random about a cell does not depend on it.
BLOCK = 32
#: A count this close to a whole number, relative to it, is that number.
NEARLY_WHOLE = 1e-9


class CountOptions(Options):
    """What every stochastic simulator is asked."""

    molecules_per_unit: float | None = None
    """How many molecules a unit of amount is; None where amounts are counts already."""
    fractions: Literal["refuse", "nearest", "random"] = "refuse"
    """What to do with counts that are no whole numbers, at the start or after a dose: refuse
    them, round to the nearest, or up or down at random, so that the mean is kept."""


@final
@dataclass(frozen=True, slots=True)
class _Block:
    """The state of some cells; the arrays change."""

    first: int
    registers: Floats
    clock: Floats
    stream: NDArray[np.uint64]
    told: Floats
    ended: NDArray[np.int64]


@final
@dataclass(frozen=True, slots=True)
class Population:
    """What a simulation is about: the process, the kernel and its limit, doses and times."""

    process: JumpProcess
    start: Start
    kernel: Kernel
    limit: int
    is_whole: bool
    fractions: str
    doses: Schedule
    times: Floats
    key: int

    def block(self, cells: ParameterTable) -> Floats:
        """The trajectories of some cells: (cells, times, ids)."""
        block = self._started(cells)
        changes = self._changes(block)
        due = np.array([change.due for change in changes]).reshape(-1, len(cells))
        has_moved = np.ones(len(cells), bool)
        while has_moved.any():
            clock = block.clock[:, 0].copy()
            self._change(block, changes, (due == clock) & has_moved)
            later = np.where(due > clock, due, np.inf).min(axis=0, initial=np.inf)
            self._advance(block, np.minimum(later, self.times[-1]))
            has_moved = block.clock[:, 0] > clock
        self._tell_rest(block)
        return self._observed(block)

    # -- the parts of it -----------------------------------------------------------------------
    def _started(self, cells: ParameterTable) -> _Block:
        process, n = self.process, len(cells)
        registers = np.zeros((n, process.n_registers))
        n_inputs = process.tape.n_inputs
        registers[:, 0] = self.times[0]
        registers[:, 1:n_inputs] = self.start.of(cells, process)
        registers[:, n_inputs : n_inputs + len(process.tape.constants)] = process.tape.constants
        registers[:, -1] = 1.0
        stream = streams(self.key, cells.first, n)
        clock = np.column_stack([np.full(n, self.times[0]), np.zeros(n)])
        told = np.empty((n, len(self.times), len(process.states)))
        block = _Block(cells.first, registers, clock, stream, told, np.zeros((n, 3), np.int64))
        self._whole(block, np.ones(n, bool), "at the start")
        return block

    def _changes(self, block: _Block) -> list[Change]:
        process, start = self.process, float(self.times[0])
        states, parameters = self._inputs(block)

        def timing(expressions: Sequence[Expression], time: Floats) -> Floats:
            made = tape(expressions, process.states, process.parameters)
            return evaluate(made, time, states, parameters)

        n = len(states)
        doses = list(dose_changes(process.described, self.doses, start, n))
        changeable = process.states[process.n_counts :]
        return doses + event_changes(process.described, changeable, start, timing, n)

    def _change(self, block: _Block, changes: Sequence[Change], now: NDArray[np.bool_]) -> None:
        """Make the changes that are due now: (changes, cells)."""
        made = [k for k in range(len(changes)) if now[k].any()]
        early = {k: self._values(block, changes[k]) for k in made if changes[k].is_early}
        for k in made:
            values = early[k] if k in early else self._values(block, changes[k])
            places = np.array([1 + self.process.states.index(id) for id in changes[k].targets])
            rows = np.flatnonzero(now[k])
            block.registers[np.ix_(rows, places)] = values[rows]
            self._whole(block, now[k], f"after {changes[k].name}")

    def _values(self, block: _Block, change: Change) -> Floats:
        made = tape(change.expressions, self.process.states, self.process.parameters)
        return evaluate(made, block.clock[:, 0].copy(), *self._inputs(block))

    def _advance(self, block: _Block, stops: Floats) -> None:
        process = self.process
        time = block.clock[:, 0].copy()
        c = evaluate(process.coefficients, time, *self._inputs(block))
        self.kernel(
            process.arrays, block.registers, c, block.clock, stops, self.times,
            block.stream, self.limit, block.told, block.ended,
        )  # fmt: skip
        for row in np.flatnonzero(block.ended[:, 0] != FINISHED):
            self._refuse(block, int(row))

    def _refuse(self, block: _Block, row: int) -> None:
        status, reaction, _ = block.ended[row]
        place = f"cell {block.first + row} at time {block.clock[row, 0]:.6g}"
        if status == NEGATIVE:
            name = self.process.reactions[reaction]
            raise EngineError(
                f"{place}: reaction {name!r} happened without enough of what it uses up; its rate "
                "has to be 0 where it cannot happen"
            )
        if status == FAILED:
            name = self.process.reactions[reaction]
            raise EngineError(
                f"{place}: the rate of reaction {name!r} is negative, infinite or not a number; "
                "a propensity is 0 or more: write a reversible reaction as two"
            )
        raise EngineError(
            f"{place}: {self.limit} steps are used up; the network explodes, or needs a greater "
            "limit: option max_steps"
        )

    def _tell_rest(self, block: _Block) -> None:
        n = len(self.process.states)
        for row in range(len(block.told)):
            block.told[row, int(block.clock[row, 1]) :] = block.registers[row, 1 : 1 + n]

    def _observed(self, block: _Block) -> Floats:
        cells, points = len(block.told), len(self.times)
        _, parameters = self._inputs(block)
        found = evaluate(
            self.process.observed,
            np.tile(self.times, cells),
            block.told.reshape(cells * points, -1),
            np.repeat(parameters, points, axis=0),
        )
        return found.reshape(cells, points, -1)

    def _inputs(self, block: _Block) -> tuple[Floats, Floats]:
        """States and parameters of the cells."""
        split = 1 + len(self.process.states)
        return block.registers[:, 1:split], block.registers[:, split : self.process.tape.n_inputs]

    def _whole(self, block: _Block, cells: NDArray[np.bool_], when: str) -> None:
        """Make the counts that reactions change whole, as the options say; all at least 0."""
        moved = sorted({id for jump in self.process.described.jumps.values() for id in jump})
        places = [1 + self.process.described.counted.index(id) for id in moved]
        rows = np.flatnonzero(cells)
        for id, place in zip(moved, places, strict=True):
            counts = block.registers[rows, place]
            odd = ~((counts >= 0) & (counts < 2.0**53))
            if odd.any():
                raise DataError(
                    f"the count of {id!r} is {counts[odd][0]:g} {when} in cell "
                    f"{block.first + rows[odd][0]}; expected a number from 0 to 2^53"
                )
            if not self.is_whole:
                continue
            block.registers[rows, place] = self._rounded(id, counts, block, rows, when)

    def _rounded(
        self, id: str, counts: Floats, block: _Block, rows: NDArray[np.int64], when: str
    ) -> Floats:
        nearest = np.round(counts)
        is_odd = np.abs(counts - nearest) > NEARLY_WHOLE * np.maximum(1.0, counts)
        if not is_odd.any() or self.fractions == "nearest":
            return nearest
        if self.fractions == "refuse":
            raise DataError(
                f"the count of {id!r} is {counts[is_odd][0]:g} {when} in cell "
                f"{block.first + rows[is_odd][0]}, no whole number; round it, or say how: "
                "option fractions = nearest or random"
            )
        drawn = np.zeros(len(block.stream))
        drawn[rows[is_odd]] = uniforms(block.stream, rows[is_odd])
        return np.where(is_odd, np.ceil(counts - drawn[rows]), nearest)


def simulated(
    network: Network,
    population: tuple[ParameterTable, Schedule, Floats],
    run: RunContext,
    options: CountOptions,
    method: tuple[Kernel, int, bool],
) -> Trajectory:
    """The trajectory of a population of (cells, doses, times) by a method: its kernel, the limit
    of its steps, whether it keeps counts whole.
    """
    cells, doses, times = population
    _check_times(times)
    described = jump_network(network, options.molecules_per_unit)
    _check_ids(described, cells, doses)
    molecules = options.molecules_per_unit or 1.0
    process = jump_process(described, changeable_ids(described, doses), molecules)
    kernel, limit, is_whole = method
    key = int(run.child("stochastic").rng.integers(2**64, dtype=np.uint64))
    work = Population(
        process, start_values(described, cells.ids, float(times[0])), kernel, limit, is_whole,
        options.fractions, doses, np.ascontiguousarray(times, np.float64), key,
    )  # fmt: skip
    values = np.empty((len(cells), len(times), len(described.network.ids)))
    blocks = list(cells.batches(BLOCK))
    for part, found in zip(blocks, each(partial(_block, work), blocks, run), strict=True):
        begin = part.first - cells.first
        values[begin : begin + len(part)] = found
    return Trajectory(described.network.ids, np.array(times, np.float64), values)


def _block(work: Population, cells: ParameterTable) -> Floats:
    return work.block(cells)


def _check_times(times: NDArray[Any]) -> None:
    if times.ndim != 1 or not len(times) or not np.isfinite(times).all():
        raise DataError(f"times have shape {times.shape}; expected one or more finite numbers")
    if (np.diff(times) <= 0).any():
        raise DataError("the times do not ascend; expected each greater than the one before")


def _check_ids(described: JumpNetwork, cells: ParameterTable, doses: Schedule) -> None:
    known = {*described.counted, *described.fixed}
    for id in (*cells.ids, *(dose.id for dose in doses.doses)):
        if id not in known:
            why = "follows from others" if id in described.network.ids else "is not there"
            raise DataError(
                f"{id!r} {why} in network {described.network.id!r}; expected a species, a "
                "parameter or a compartment that no rule gives"
            )
    if len(set(cells.ids)) < len(cells.ids):
        raise DataError("an id is given twice to the cells; expected each once")
