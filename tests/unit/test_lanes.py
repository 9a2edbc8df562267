"""Cells side by side: every lane has the arithmetic that it would have alone."""

from __future__ import annotations

import operator

import numba
import numpy as np
import pytest

from cellula.io.infix import parse
from cellula.kernels.lanes import (
    LANES,
    add,
    divide,
    greatest,
    load,
    multiply,
    size,
    spread,
    store,
    subtract,
)
from cellula.models.mechanistic.solver import SolverOptions, advance, problem, started

SPECIAL = np.array([1.5, -0.0, np.inf, np.nan])


@numba.njit
def every(rows, found):  # type: ignore[no-untyped-def]
    one, other = load(rows, 0), load(rows, 1)
    store(found, 0, add(one, other))
    store(found, 1, subtract(one, other))
    store(found, 2, multiply(one, other))
    store(found, 3, divide(one, other))
    store(found, 4, greatest(one, other))
    store(found, 5, size(one))
    store(found, 6, spread(rows[0, 0]))


def test_every_operation_is_that_of_numpy() -> None:
    rows = np.stack([SPECIAL, np.array([-3.0, 0.0, np.inf, 2.0])])
    found = np.full((8, LANES), 7.0)
    every(rows, found)
    with np.errstate(all="ignore"):
        expected = [
            one(*rows) for one in (operator.add, operator.sub, operator.mul, operator.truediv)
        ]
    greater = np.array([1.5, -0.0, np.inf, np.nan])
    expected += [greater, np.abs(rows[0]), np.full(LANES, 1.5), np.full(LANES, 7.0)]
    np.testing.assert_array_equal(found, expected)
    assert np.signbit(found[4, 1])  # the left one of two equal ones


@pytest.mark.requirement("K9")
@pytest.mark.parametrize("threads", [1, 2])
def test_a_cell_has_the_same_bytes_alone_and_in_any_lane(threads: int) -> None:
    """Roots, failures and cells that have ended already among them."""
    rates = [parse("-k * x + exp(-time) * y^1.5 / (1 + x)"), parse("k * x - y - 0.1 / (w - time)")]
    equations = problem(["x", "y"], ["k", "w"], rates, roots=[parse("x - k / 50")])
    rng = np.random.default_rng(3)
    n = 71
    parameters = np.stack([rng.uniform(0.2, 40, n), np.full(n, 100.0)], axis=1)
    parameters[5] = 1000.0, 2.0  # no root, and no solution past this time
    times = np.linspace(0, 5, 7)
    cells = started(rng.uniform(0.1, 3, (n, 2)), parameters)
    cells.time[9], cells.following[9] = 5.0, 7
    options = SolverOptions(rtol=1e-6, atol=1e-9, max_steps=500, max_step=None)
    whole = advance(equations, cells, times, options, threads)
    for cell in range(n):
        part = started(cells.states[cell : cell + 1], parameters[cell : cell + 1])
        part.time[0], part.following[0] = cells.time[cell], cells.following[cell]
        alone = advance(equations, part, times, options)
        assert alone.values[0].tobytes() == whole.values[cell].tobytes()
        assert alone.cells.states[0].tobytes() == whole.cells.states[cell].tobytes()
        assert alone.cells.time[0] == whole.cells.time[cell]
        assert alone.status[0] == whole.status[cell]
        assert alone.attempts[0] == whole.attempts[cell]
        assert (alone.changed[0] == whole.changed[cell]).all()
    words = {whole.word(cell) for cell in range(n)}
    assert {"done", "root"} <= words
    assert len(words) > 2
