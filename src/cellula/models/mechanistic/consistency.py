"""Algebraic states that fit the differential ones, at a start or after a jump."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from cellula.core.errors import NotConverged
from cellula.models.mechanistic.problem import Problem
from cellula.models.mechanistic.solver import Cells
from cellula.models.mechanistic.tape import evaluate

__all__ = ["consistent"]

Floats = NDArray[np.float64]
#: Newton steps, and halvings of each, before a cell is given up.
MOST_STEPS, MOST_HALVINGS = 50, 30


def consistent(problem: Problem, cells: Cells, tolerance: float = 1e-12) -> Cells:
    """Cells whose algebraic states solve 0 = g(t, y, z, p), the differential ones held.

    Newton's method from the states as given, halving a step that does not bring |g| down. A
    cell is done where the step is below ``tolerance`` relative to each state, or to the largest
    where that is 0. Raises NotConverged, naming the cell, where g has no root nearby or is
    singular there.
    """
    if not problem.n_algebraic or not len(cells.time):
        return cells
    states = np.array(cells.states, np.float64)
    waiting = np.arange(len(states))
    for _ in range(MOST_STEPS):
        time, parameters = cells.time[waiting], cells.parameters[waiting]
        residual, slope = _linear(problem, time, states[waiting], parameters)
        change = _newton(residual, slope, waiting, cells)
        moved = _damped(problem, (time, parameters), states[waiting], residual, change)
        z = slice(problem.n_differential, None)
        size = np.maximum(
            np.abs(moved[:, z]), np.abs(moved[:, z]).max(axis=1, keepdims=True) * 1e-3
        )
        is_done = np.all(np.abs(moved[:, z] - states[waiting][:, z]) <= tolerance * size, axis=1)
        states[waiting] = moved
        waiting = waiting[~is_done]
        if not len(waiting):
            return replace(cells, states=states)
    raise _lost(cells, int(waiting[0]), f"no solution in {MOST_STEPS} Newton steps")


def _linear(
    problem: Problem, time: Floats, states: Floats, parameters: Floats
) -> tuple[Floats, Floats]:
    """The values of g (cells, algebraic) and of dg/dz (cells, algebraic, algebraic)."""
    n, first = len(problem.states), problem.n_differential
    found = evaluate(problem.local, time, states, parameters)
    slope = np.zeros((len(states), problem.n_algebraic, problem.n_algebraic))
    for place, (row, column) in enumerate(problem.entries):
        if row >= first and column >= first:
            slope[:, row - first, column - first] = found[:, n + place]
    return found[:, first:n], slope


def _newton(residual: Floats, slope: Floats, waiting: NDArray[np.int64], cells: Cells) -> Floats:
    """The Newton step of every cell."""
    is_finite = np.isfinite(residual).all(axis=1) & np.isfinite(slope).all(axis=(1, 2))
    if not is_finite.all():
        raise _lost(cells, int(waiting[int(np.argmin(is_finite))]), "they are not finite")
    is_regular = np.linalg.matrix_rank(slope) == slope.shape[1]
    if not is_regular.all():
        raise _lost(cells, int(waiting[int(np.argmin(is_regular))]), "they are singular")
    return np.asarray(np.linalg.solve(slope, -residual[..., None])[..., 0], np.float64)


def _damped(
    problem: Problem,
    held: tuple[Floats, Floats],
    states: Floats,
    residual: Floats,
    change: Floats,
) -> Floats:
    """The states after the step, halved in each cell until |g| is not larger than before."""
    first, n = problem.n_differential, len(problem.states)
    before = np.linalg.norm(residual, axis=1)
    share = np.ones(len(states))
    moved = states.copy()
    for _ in range(MOST_HALVINGS):
        moved[:, first:] = states[:, first:] + share[:, None] * change
        after = np.linalg.norm(evaluate(problem.rates, held[0], moved, held[1])[:, first:n], axis=1)
        is_worse = ~(after <= before)
        is_tiny = np.all(
            np.abs(share[:, None] * change) <= 1e-13 * np.abs(states[:, first:]) + 1e-300, axis=1
        )
        is_worse &= ~is_tiny
        if not is_worse.any():
            break
        share[is_worse] *= 0.5
    return moved


def _lost(cells: Cells, cell: int, reason: str) -> NotConverged:
    return NotConverged(
        f"the algebraic equations of cell {cell} at time {cells.time[cell]:g} cannot be solved "
        f"from its initial values: {reason}; give initial values that fit them"
    )
