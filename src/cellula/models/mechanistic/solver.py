"""Differential and algebraic equations of a population of cells, solved side by side.

M y' = f(t, y, p) by a stiffly accurate Rosenbrock method, Rodas5P [steinebach2023]_, with exact
sparse derivatives. The model is a tape, so that nothing is compiled for it. Every cell has its
own time, states, parameters and step size, and no cell's numbers depend on another's.
"""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from cellula.core.errors import DataError
from cellula.core.model import Options
from cellula.kernels.lane_clock import DONE
from cellula.kernels.rosenbrock import ROOT, advanced
from cellula.kernels.rosenbrock_method import RODAS5P
from cellula.kernels.rosenbrock_step import NOT_FINITE, SINGULAR, TOO_MANY, TOO_SMALL
from cellula.models.mechanistic.problem import Problem, problem
from cellula.models.mechanistic.tape import Tape

__all__ = ["Advanced", "Cells", "Problem", "SolverOptions", "advance", "problem", "started"]

Floats = NDArray[np.float64]
#: How a cell may end.
WORDS = {
    DONE: "done",
    ROOT: "root",
    TOO_SMALL: "the step became too small",
    NOT_FINITE: "not finite",
    TOO_MANY: "too many steps",
    SINGULAR: "singular equations",
}
#: Cells that are done by one thread, one after the other, where nobody says otherwise.
BLOCK = 32


@final
class SolverOptions(Options):
    """Tolerances and bounds of the solver."""

    rtol: float = Field(1e-6, gt=0, lt=1)
    """Error of a step that is allowed, relative to each state."""
    atol: float = Field(1e-9, gt=0)
    """Error of a step that is allowed beside it, in units of each state's scale."""
    max_steps: int = Field(100_000, ge=1)
    """Steps, accepted or not, before a cell is given up; of one call."""
    max_step: float | None = Field(None, gt=0)
    """The longest step, in the unit of time; None for no bound."""


@final
@dataclass(frozen=True, slots=True)
class Cells:
    """Where the cells are.

    time: (cells,); states: (cells, states); parameters: (cells, parameters). following: (cells,)
    of the times asked for, the place of the first that is not told yet. steps: (cells,) the next
    step to try, 0 where none is known, as after a jump. scales: (states,) what the absolute
    tolerance of each state is multiplied by; None for 1.
    """

    time: Floats
    states: Floats
    parameters: Floats
    following: NDArray[np.int64]
    steps: Floats
    scales: Floats | None = None


@final
@dataclass(frozen=True, slots=True)
class Advanced:
    """Where the cells came to.

    values: (cells, times, states), not a number at the times that were not passed. status:
    (cells,), see :meth:`word`. changed: (cells, roots), which root functions changed sides.
    attempts: (cells,) steps tried.
    """

    cells: Cells
    values: Floats
    status: NDArray[np.int64]
    changed: NDArray[np.bool_]
    attempts: NDArray[np.int64]

    def word(self, cell: int) -> str:
        """How a cell ended: ``done``, ``root``, or why it failed."""
        return WORDS[int(self.status[cell])]

    @property
    def failed(self) -> NDArray[np.bool_]:
        """The cells without a solution: (cells,)."""
        return np.asarray(self.status < DONE)


def started(states: Floats, parameters: Floats, time: float = 0.0) -> Cells:
    """Cells at one time that have told nothing yet.

    states: (cells, states); parameters: (cells, parameters).
    """
    n = len(states)
    return Cells(
        np.full(n, float(time)),
        np.array(states, np.float64),
        np.array(parameters, np.float64),
        np.zeros(n, np.int64),
        np.zeros(n),
    )


def advance(
    problem: Problem,
    cells: Cells,
    times: Floats,
    options: SolverOptions,
    threads: int = 1,
    block: int = BLOCK,
) -> Advanced:
    """Advance every cell to the last of ``times`` or to just after its first root.

    times: ascending, none before a cell's own time unless it is told. A root function has two
    sides: above zero, and zero or below. A cell stops at the first time, to the last digit, at
    which a function is not on the side where it was when the cell started, so that a function
    that starts at exactly zero and rises stops it at once. Times before the stop are told; one
    that equals it is left for the next call, after what the stop may change. Within a step a
    function is looked at five times: two changes between looks are missed, so a condition that
    holds for a very short while wants a root of its own or a bound on the step.

    Results do not depend on ``threads``, nor on ``block``, how many cells a thread takes at
    once: more than the default where they have short ways to go. A cell that fails stays where it
    came to and says why.
    Raises DataError on shapes and times that do not fit.
    """
    asked = np.ascontiguousarray(times, np.float64)
    _check(problem, cells, asked)
    n_cells, n = cells.states.shape
    moved = Cells(
        np.array(cells.time, np.float64),
        np.array(cells.states, np.float64, order="C"),
        np.array(cells.parameters, np.float64, order="C"),
        np.array(cells.following, np.int64),
        np.array(cells.steps, np.float64),
        cells.scales,
    )
    found = Advanced(
        moved,
        np.full((n_cells, len(asked), n), math.nan),
        np.zeros(n_cells, np.int64),
        np.zeros((n_cells, problem.n_roots), np.bool_),
        np.zeros(n_cells, np.int64),
    )
    if len(asked):
        _each_block(_work(problem, cells, asked, options), found, threads, block)
    return found


def _work(problem: Problem, cells: Cells, times: Floats, options: SolverOptions) -> tuple[Any, ...]:
    """What the kernel takes beside the cells."""
    scales = np.ones(cells.states.shape[1]) if cells.scales is None else cells.scales
    longest = math.inf if options.max_step is None else options.max_step
    control = (options.atol * np.asarray(scales, np.float64), options.rtol, longest)
    tapes = (problem.local, problem.rates, problem.roots)
    system = (
        *map(_arrays, tapes),
        problem.elimination.operations,
        problem.elimination.places,
        problem.n_differential,
    )
    n_registers = np.array([one.n_registers for one in tapes], np.int64)
    sizes = (problem.elimination.n_values, n_registers, options.max_steps)
    width = RODAS5P.stages.shape[1]
    table = np.zeros((len(RODAS5P.stages) + len(RODAS5P.dense), width))
    table[: len(RODAS5P.stages)] = RODAS5P.stages
    table[len(RODAS5P.stages) :, : RODAS5P.dense.shape[1]] = RODAS5P.dense
    return system, (RODAS5P.gamma, RODAS5P.n_plain, table, RODAS5P.order), control, times, sizes


def _arrays(tape: Tape) -> tuple[Any, ...]:
    return tape.operations, tape.runs, tape.n_once, tape.constants, tape.outputs


def _each_block(work: tuple[Any, ...], found: Advanced, threads: int, size: int) -> None:
    """The kernel over blocks of cells, which do not depend on how many threads there are."""
    cells = found.cells
    arrays = (
        cells.time, cells.states, cells.parameters, cells.following, cells.steps,
        found.values, found.status, found.changed, found.attempts,
    )  # fmt: skip

    def block(begin: int) -> None:
        system, method, control, times, sizes = work
        part = tuple(one[begin : begin + size] for one in arrays)
        advanced(system, method, control, times, sizes, part)

    begins = range(0, len(cells.time), size)
    if threads == 1 or len(begins) < 2:
        for begin in begins:
            block(begin)
        return
    with ThreadPoolExecutor(min(threads, len(begins))) as pool:
        list(pool.map(block, begins))


def _check(problem: Problem, cells: Cells, times: Floats) -> None:
    n_cells = len(cells.time)
    expected = {
        "states": (cells.states, (n_cells, len(problem.states))),
        "parameters": (cells.parameters, (n_cells, len(problem.parameters))),
        "following": (cells.following, (n_cells,)),
        "steps": (cells.steps, (n_cells,)),
    }
    if cells.scales is not None:
        expected["scales"] = (cells.scales, (len(problem.states),))
    for name, (given, shape) in expected.items():
        if given.shape != shape:
            raise DataError(f"{name} of cells have shape {given.shape}; expected {shape}")
    if not np.all(np.isfinite(times)) or np.any(np.diff(times) < 0):
        raise DataError("the times to tell are not finite and ascending")
    if not np.all(np.isfinite(cells.time)):
        raise DataError("a cell's time is not finite")
    left = cells.following < len(times)
    if np.any(cells.following < 0) or np.any(times[cells.following[left]] < cells.time[left]):
        cell = int(np.argmax(left & (np.append(times, math.inf)[cells.following] < cells.time)))
        raise DataError(
            f"cell {cell} is at {cells.time[cell]:g}, past the time it is to tell next; "
            "expected times from the cells' own time on"
        )
