"""The population solver against exact solutions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from cellula.core.errors import DataError, NotConverged
from cellula.io.infix import parse
from cellula.models.mechanistic.consistency import consistent
from cellula.models.mechanistic.elimination import elimination
from cellula.models.mechanistic.solver import (
    Advanced,
    Problem,
    SolverOptions,
    advance,
    problem,
    started,
)

TIGHT = SolverOptions(rtol=1e-10, atol=1e-13)
#: Hairer and Wanner's value of Robertson's problem at t = 40.
ROBERTSON_40 = (0.7158270687, 9.185534764e-6, 0.2841637457)
ROBERTSON = ("-0.04 * a + 1e4 * b * c", "0.04 * a - 1e4 * b * c - 3e7 * b^2", "3e7 * b^2")


def made(equations: dict[str, str], parameters: str = "", **more: object) -> Problem:
    roots = [parse(one) for one in more.pop("roots", ())]  # type: ignore[attr-defined]
    formulas = [parse(one) for one in equations.values()]
    return problem(list(equations), parameters.split(), formulas, roots=roots, **more)  # type: ignore[arg-type]


def solved(
    equations: Problem,
    initial: list[float],
    times: NDArray[np.float64],
    parameters: list[float] | None = None,
    options: SolverOptions = TIGHT,
) -> Advanced:
    cells = started(np.array([initial]), np.array([parameters or []]))
    return advance(equations, cells, times, options)


@pytest.mark.requirement("K9")
def test_decay() -> None:
    times = np.linspace(0, 5, 13)
    found = solved(made({"x": "-k * x"}, "k"), [2.0], times, [0.7])
    assert found.word(0) == "done"
    assert not found.failed.any()
    assert found.values[0, :, 0] == pytest.approx(2 * np.exp(-0.7 * times), rel=1e-9)
    assert found.cells.time[0] == 5
    assert found.cells.following[0] == 13


@pytest.mark.requirement("K9")
def test_stiff_robertson() -> None:
    equations = made(dict(zip("abc", ROBERTSON, strict=True)))
    found = solved(equations, [1.0, 0.0, 0.0], np.array([40.0, 1e11]))
    assert found.values[0, 0] == pytest.approx(ROBERTSON_40, rel=1e-7)
    assert found.values[0, 1, 0] == pytest.approx(2.0833e-8, rel=1e-3)
    assert found.values[0].sum(axis=1) == pytest.approx(1.0, abs=1e-9)


def test_robertson_with_an_algebraic_equation() -> None:
    equations = made({"a": ROBERTSON[0], "b": ROBERTSON[1], "c": "a + b + c - 1"}, n_algebraic=1)
    found = solved(equations, [1.0, 0.0, 0.0], np.array([40.0, 1e6]))
    assert found.values[0, 0] == pytest.approx(ROBERTSON_40, rel=1e-7)
    assert found.values[0].sum(axis=1) == pytest.approx(1.0, abs=1e-12)


def test_oscillator_forced_by_time() -> None:
    equations = made({"x": "v", "v": "-x + 3 * cos(2 * time)"})
    times = np.linspace(0, 20, 41)
    found = solved(equations, [1.0, 0.0], times)
    assert found.values[0, :, 0] == pytest.approx(2 * np.cos(times) - np.cos(2 * times), abs=1e-7)


@pytest.mark.parametrize(("place", "order"), [("end", 4.5), ("dense", 3.5)])
def test_order_of_convergence(place: str, order: float) -> None:
    equations = made({"x": "-v - (x^2 + v^2 - 1) * x", "v": "x"})
    times = np.linspace(0, 6, 2 if place == "end" else 301)
    errors = []
    for step in (0.2, 0.1):
        options = SolverOptions(rtol=0.9, atol=1e3, max_step=step)
        cells = replace(started(np.array([[1.0, 0.0]]), np.zeros((1, 0))), steps=np.array([step]))
        found = advance(equations, cells, times, options)
        errors.append(np.abs(found.values[0, :, 0] - np.cos(times)).max())
        assert found.attempts[0] <= 6 / step + 2
    assert np.log2(errors[0] / errors[1]) > order


def test_tolerance_is_met() -> None:
    equations = made({"x": "mu * (1 - y^2) * x - y", "y": "x"}, "mu")
    times = np.array([0.0, 10.0, 35.0])
    exact = solved(equations, [0.0, 2.0], times, [30.0], SolverOptions(rtol=1e-12, atol=1e-14))
    errors = []
    for rtol in (1e-4, 1e-6, 1e-8):
        options = SolverOptions(rtol=rtol, atol=rtol * 1e-3)
        found = solved(equations, [0.0, 2.0], times, [30.0], options)
        errors.append(np.abs(found.values - exact.values)[..., 1].max())
        assert errors[-1] < 100 * rtol
    assert errors[0] > errors[1] > errors[2]


def test_root_is_located_to_the_last_digits() -> None:
    equations = made({"x": "-k * x"}, "k", roots=["x - 1", "time - 3"])
    found = solved(equations, [2.0], np.array([0.0, 0.5, 5.0]), [0.7])
    stop = found.cells.time[0]
    assert found.word(0) == "root"
    assert found.changed.tolist() == [[True, False]]
    assert stop == pytest.approx(np.log(2) / 0.7, rel=1e-9)
    assert found.cells.states[0, 0] <= 1.0  # just after
    assert found.cells.states[0, 0] == pytest.approx(1.0, abs=1e-14)
    assert found.cells.following[0] == 2
    assert np.isnan(found.values[0, 2, 0])
    again = advance(equations, found.cells, np.array([0.0, 0.5, 5.0]), TIGHT)
    assert again.changed.tolist() == [[False, True]]
    assert again.cells.time[0] == np.nextafter(3.0, 4.0)
    last = advance(equations, again.cells, np.array([0.0, 0.5, 5.0]), TIGHT)
    assert last.word(0) == "done"
    assert last.values[0, 2, 0] == pytest.approx(2 * np.exp(-3.5), rel=1e-9)


def test_a_time_at_which_a_cell_stops_is_left_to_be_told() -> None:
    equations = made({"x": "1"}, roots=["1 - time"])
    times = np.array([0.0, 1.0, 2.0])
    found = solved(equations, [0.0], times)
    assert found.cells.time[0] == 1.0
    assert found.cells.following[0] == 1
    jumped = replace(found.cells, states=found.cells.states + 5)
    assert advance(equations, jumped, times, TIGHT).values[0, 1:, 0] == pytest.approx([6.0, 7.0])


def test_a_function_that_starts_at_zero() -> None:
    rising = solved(made({"x": "1"}, roots=["x"]), [0.0], np.array([1.0]))
    assert rising.word(0) == "root"
    assert 0.0 < rising.cells.time[0] < 1e-15
    falling = solved(made({"x": "-1"}, roots=["x"]), [0.0], np.array([1.0]))
    assert falling.word(0) == "done"
    resting = solved(made({"x": "0"}, roots=["x"]), [0.0], np.array([1.0]))
    assert resting.word(0) == "done"


def test_the_first_of_several_roots() -> None:
    equations = made({"x": "v", "v": "-x"}, roots=["x + 0.5", "x - 0.5", "v - 0.999"])
    found = solved(equations, [1.0, 0.0], np.array([10.0]), options=SolverOptions(rtol=1e-3))
    assert found.changed.tolist() == [[False, True, False]]
    assert found.cells.time[0] == pytest.approx(np.arccos(0.5), rel=1e-3)


def test_a_function_that_dips_within_a_step() -> None:
    equations = made({"x": "0"}, roots=["(time - 4.9) * (time - 5.6)"])
    found = solved(equations, [1.0], np.array([10.0]), options=SolverOptions(max_step=1.0))
    assert found.cells.time[0] == pytest.approx(4.9)


@pytest.mark.requirement("K9")
def test_conservation() -> None:
    equations = made({
        "e": "-a * e * s + (b + c) * es", "s": "-a * e * s + b * es",
        "es": "a * e * s - (b + c) * es", "p": "c * es",
    }, "a b c")  # fmt: skip
    rng = np.random.default_rng(1)
    cells = started(
        np.column_stack([rng.random((50, 2)) * 10, np.zeros((50, 2))]),
        10 ** rng.normal(size=(50, 3)),
    )
    found = advance(equations, cells, np.linspace(0, 100, 11), SolverOptions(rtol=1e-4))
    e, s, es, p = np.moveaxis(found.values, 2, 0)
    assert np.ptp(e + es, axis=1).max() < 1e-9
    assert np.ptp(s + es + p, axis=1).max() < 1e-9


@pytest.mark.requirement("K9")
def test_threads_and_batches_do_not_change_a_bit() -> None:
    equations = made(dict(zip("abc", ROBERTSON, strict=True)), roots=["c - 0.3"])
    states = np.random.default_rng(2).random((100, 3))
    times = np.linspace(0, 30, 7)
    one, two = (
        advance(equations, started(states, np.zeros((100, 0))), times, SolverOptions(), threads)
        for threads in (1, 2)
    )
    assert one.values.tobytes() == two.values.tobytes()
    assert one.cells.states.tobytes() == two.cells.states.tobytes()
    alone = advance(equations, started(states[7:8], np.zeros((1, 0))), times, SolverOptions())
    assert alone.values[0].tobytes() == one.values[7].tobytes()
    assert set(one.status.tolist()) == {0, 1}


@pytest.mark.parametrize(
    ("formula", "initial", "word"),
    [
        ("x^2", 1.0, "the step became too small"),
        ("ln(x - 1)", 0.5, "not finite"),
        ("ln(0.5 - time)", 0.5, "not finite"),
        ("sin(1e5 * time)", 0.0, "too many steps"),
    ],
)
def test_failures_are_told(formula: str, initial: float, word: str) -> None:
    options = SolverOptions(max_steps=2000)
    found = solved(made({"x": formula}), [initial], np.array([0.0, 3.0]), options=options)
    assert found.word(0) == word
    assert found.failed.tolist() == [True]
    assert np.isnan(found.values[0, 1, 0])
    assert np.isfinite(found.cells.states).all()
    assert found.cells.time[0] < 3.0


def test_singular_algebraic_equations_are_told() -> None:
    equations = made({"x": "-x", "z": "(x - x) * z + x^2 * (z - z) + 0 * z"}, n_algebraic=0)
    assert solved(equations, [1.0, 1.0], np.array([1.0])).word(0) == "done"
    equations = made({"x": "-x", "z": "z * (x - x / 1) - x"}, n_algebraic=1)
    assert solved(equations, [1.0, 1.0], np.array([1.0])).word(0) == "singular equations"


def test_a_failing_cell_does_not_disturb_the_others() -> None:
    cells = started(np.array([[1.0], [-1.0]]), np.zeros((2, 0)))
    found = advance(made({"x": "x^2"}), cells, np.array([2.0]), TIGHT)
    assert found.failed.tolist() == [True, False]
    assert found.cells.time[0] == pytest.approx(1.0, rel=1e-6)
    assert found.values[1, 0, 0] == pytest.approx(-1 / 3)


def test_infinite_derivative_at_the_start() -> None:
    found = solved(
        made({"x": "-sqrt(abs(x)) + 1", "y": "sqrt(y) + 1"}), [0.0, 0.0], np.array([1.0])
    )
    assert found.word(0) == "done"
    assert np.isfinite(found.values).all()


def test_consistent_algebraic_states() -> None:
    equations = made({"x": "-z", "z": "z^3 + z - x", "w": "w * z - p * x"}, "p", n_algebraic=2)
    cells = consistent(
        equations, started(np.array([[2.0, 5.0, 5.0], [10.0, 0.1, 1.0]]), np.array([[1.0], [3.0]]))
    )
    assert cells.states[:, 1] == pytest.approx([1.0, 2.0], rel=1e-12)
    assert cells.states[:, 2] == pytest.approx([2.0, 15.0], rel=1e-12)
    found = advance(equations, cells, np.array([0.5, 1.0]), TIGHT)
    x, z, w = np.moveaxis(found.values, 2, 0)
    assert z**3 + z == pytest.approx(x, rel=1e-9)
    assert w * z == pytest.approx(np.array([[1.0], [3.0]]) * x, rel=1e-9)


def test_algebraic_equations_are_matched_with_their_states() -> None:
    equations = made({"x": "-z", "z": "w - 2 * x", "w": "z - x"}, n_algebraic=2)
    found = solved(equations, [1.0, 1.0, 2.0], np.array([1.0]))
    assert found.values[0, 0] == pytest.approx(np.exp(-1) * np.array([1.0, 1.0, 2.0]), rel=1e-9)


def test_inconsistent_algebraic_equations() -> None:
    with pytest.raises(NotConverged, match=r"cell 0 at time 0 .*singular"):
        consistent(
            made({"z": "z^2 + 1"}, n_algebraic=1), started(np.zeros((1, 1)), np.zeros((1, 0)))
        )
    with pytest.raises(NotConverged, match="cell 0"):
        consistent(
            made({"z": "z^2 + 1"}, n_algebraic=1), started(np.ones((1, 1)), np.zeros((1, 0)))
        )
    with pytest.raises(NotConverged, match=r"cell 0 .*not finite"):
        consistent(made({"z": "ln(z)"}, n_algebraic=1), started(-np.ones((1, 1)), np.zeros((1, 0))))
    with pytest.raises(DataError, match="do not determine 'w'"):
        made({"z": "z - 1", "w": "z - 2"}, n_algebraic=2)


def test_what_does_not_fit() -> None:
    equations = made({"x": "-k * x"}, "k")
    cells = started(np.ones((2, 1)), np.ones((2, 1)))
    with pytest.raises(
        DataError, match=r"parameters of cells have shape \(2, 1\); expected \(2, 0"
    ):
        advance(made({"x": "1"}), cells, np.array([1.0]), TIGHT)
    with pytest.raises(DataError, match="ascending"):
        advance(equations, cells, np.array([1.0, 0.5]), TIGHT)
    with pytest.raises(DataError, match="cell 1 is at 2, past"):
        advance(equations, replace(cells, time=np.array([0.0, 2.0])), np.array([1.0, 3.0]), TIGHT)
    with pytest.raises(DataError, match="scales"):
        advance(equations, replace(cells, scales=np.ones(2)), np.array([1.0]), TIGHT)
    with pytest.raises(DataError, match="1 derivatives of 2 states"):
        problem(["a", "b"], [], [parse("a")])
    assert advance(equations, cells, np.zeros(0), TIGHT).values.shape == (2, 0, 1)


def test_elimination_fills_in_little() -> None:
    arrow = [(0, k) for k in range(1, 9)] + [(k, 0) for k in range(1, 9)]
    assert elimination(9, arrow).n_values == 9 + 16  # nothing is filled in: the tip comes last
    assert 0 in elimination(9, arrow).operations[0][-2:]
    assert elimination(9, arrow, last=(5,)).operations[0][-1] == 5
