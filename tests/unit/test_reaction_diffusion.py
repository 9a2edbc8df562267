"""Reaction-diffusion against analytic solutions, linear theory and the well-stirred solver."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import erfc

from cellula.core.errors import DataError, EngineError, NotConverged
from cellula.core.expression import Number
from cellula.core.field_course import FieldCourse
from cellula.core.network import (
    Compartment,
    Event,
    Network,
    Parameter,
    Participant,
    RateRule,
    Reaction,
    Species,
)
from cellula.core.run import run_context
from cellula.core.simulation import ParameterTable, Schedule
from cellula.core.space import Gaussian, Grid, Space, Step, Values
from cellula.io.infix import parse
from cellula.models.mechanistic.ode import Ode
from cellula.models.mechanistic.reaction_diffusion import propagator as propagator_module
from cellula.models.mechanistic.reaction_diffusion.options import ReactionDiffusionOptions
from cellula.models.mechanistic.reaction_diffusion.propagator import Line, propagator
from cellula.models.mechanistic.reaction_diffusion.simulation import ReactionDiffusion
from cellula.models.mechanistic.solver import SolverOptions

pytestmark = pytest.mark.requirement("K9", "S2")
Floats = NDArray[np.float64]


def network(
    species: dict[str, float], parameters: dict[str, float], reactions: dict[str, str]
) -> Network:
    """reactions: ``A + B -> C`` -> its rate, in a compartment of size 1."""
    made = []
    for k, (what, rate) in enumerate(reactions.items()):
        sides = [
            tuple(Participant(one.strip()) for one in side.split("+") if one.strip())
            for side in what.split("->")
        ]
        made.append(Reaction(f"r{k}", sides[0], sides[1], parse(f"cell*({rate})"), tuple(species)))
    return Network(
        "test",
        (Compartment("cell"),),
        tuple(Species(id, "cell", value) for id, value in species.items()),
        tuple(Parameter(id, value) for id, value in parameters.items()),
        tuple(made),
    )


INERT = network({"u": 0.0}, {}, {})
FISHER = network({"u": 0.0}, {"r": 1.0}, {"-> u": "r*u*(1-u)"})
SCHNAKENBERG = network(
    {"u": 1.0, "v": 0.9},
    {"a": 0.1, "b": 0.9},
    {"-> u": "a - u + u^2*v", "-> v": "b - u^2*v"},
)


def solved(
    tmp_path: Path, model: Network, space: Space, times: Any, threads: int = 1, **options: Any
) -> FieldCourse:
    simulator = ReactionDiffusion(ReactionDiffusionOptions(**options))
    run = run_context(3, tmp_path, threads=threads)
    return simulator.simulate(model, space, np.asarray(times, np.float64), run)


def cosine(n: int, tmp_path: Path) -> float:
    """The L2 error of cos(2 pi x) exp(-4 pi^2 D t) on [0, 1], no flux."""
    grid = Grid((1.0,), (n,))
    start = 1 + np.cos(2 * math.pi * grid.centres(0))
    space = Space(grid, {"u": 0.05}, initial={"u": Values(start)})
    found = solved(tmp_path, INERT, space, [0.0, 0.5]).of("u")[-1]
    exact = 1 + (start - 1) * math.exp(-4 * math.pi**2 * 0.05 * 0.5)
    return float(np.sqrt(np.mean((found - exact) ** 2)))


def test_heat_converges_with_order_2_in_space(tmp_path: Path) -> None:
    errors = [cosine(n, tmp_path) for n in (16, 32, 64, 128)]
    orders = np.log2(np.array(errors[:-1]) / errors[1:])
    assert np.all(np.abs(orders - 2) < 0.05), (errors, orders)
    assert errors[-1] < 1e-4


@pytest.mark.parametrize("ends", ["no flux", "held", "mixed", "periodic"])
def test_diffusion_alone_is_exact_for_modes_of_the_grid(ends: str, tmp_path: Path) -> None:
    """Eigenvectors of the discrete Laplacian decay by their eigenvalue, in one step."""
    n, d, t = 24, 0.3, 0.7
    grid = Grid((2.0, 1.0), (n, 2), (ends == "periodic", False))
    at = (np.arange(n) + 0.5) / n
    shape, k = {
        "no flux": (np.cos(3 * math.pi * at), 3.0),
        "held": (np.sin(3 * math.pi * at), 3.0),
        "mixed": (np.cos(2.5 * math.pi * at), 2.5),
        "periodic": (np.sin(4 * math.pi * at), 4.0),
    }[ends]
    sides = {"held": {"x_low": 0.0, "x_high": 0.0}, "mixed": {"x_high": 0.0}}.get(ends, {})
    rate = 2 * (1 - math.cos(math.pi * k / n)) * d / grid.spacing[0] ** 2
    fields = np.repeat(shape[:, None], 2, axis=1)
    space = Space(grid, {"u": d}, {"u": sides} if sides else {}, {"u": Values(fields)})
    found = solved(tmp_path, INERT, space, [0.0, t], largest_jump=1).of("u")[-1]
    assert np.allclose(found, fields * math.exp(-rate * t), rtol=0, atol=2e-13)


@pytest.mark.parametrize("cells", [(100,), (60, 50), (30, 32, 34)])
def test_a_gaussian_spreads_as_it_should_and_nothing_is_lost(
    cells: tuple[int, ...], tmp_path: Path
) -> None:
    n = len(cells)
    grid, width, d, t = Grid((20.0,) * n, cells), 1.5, 0.5, 0.8
    space = Space(grid, {"u": d}, initial={"u": Gaussian((10.0,) * n, width, 1.0)})
    course = solved(tmp_path, INERT, space, [0.0, t / 2, t])
    total = course.total("u")
    assert np.all(np.abs(total / total[0] - 1) < 1e-12)
    after = width**2 + 2 * d * t
    found = course.of("u")[-1]
    for axis in range(n):
        x = np.moveaxis(np.broadcast_to(grid.centres(axis), (*cells[:axis], *cells[axis + 1 :],
                                                              cells[axis])), -1, axis)  # fmt: skip
        variance = np.sum(found * (x - 10.0) ** 2) / found.sum()
        assert variance == pytest.approx(after, rel=1e-6)
    exact = (width**2 / after) ** (n / 2)
    assert course.peak("u")[-1] == pytest.approx(exact, rel=0.05 if n == 3 else 0.02)


def test_a_held_side_against_the_error_function(tmp_path: Path) -> None:
    """c(x, t) = c0 erfc(x / (2 sqrt(D t))) in a half space, the other end out of reach."""
    space = Space(Grid((10.0,), (400,)), {"u": 0.25}, {"u": {"x_low": 2.0}}, {"u": 0.0})
    found = solved(tmp_path, INERT, space, [0.0, 1.0]).of("u")[-1]
    exact = 2 * erfc(space.grid.centres(0) / (2 * math.sqrt(0.25)))
    assert np.abs(found - exact).max() < 2e-4
    assert found.min() >= 0


def test_held_sides_of_two_dimensions_reach_the_steady_state(tmp_path: Path) -> None:
    """Twice the value at x_low as at y_low: the discrete Laplace equation in the end."""
    grid = Grid((1.0, 1.0), (12, 10))
    sides = {"x_low": 2.0, "x_high": 0.0, "y_low": 1.0, "y_high": 0.0}
    space = Space(grid, {"u": 1.0}, {"u": sides}, {"u": 0.0})
    options = {"largest_jump": 1}
    found = solved(tmp_path, INERT, space, [0.0, 1.0], **options).of("u")[-1]
    wide = np.pad(found, 1)
    wide[0, 1:-1], wide[-1, 1:-1] = 2 * 2.0 - found[0], -found[-1]
    wide[1:-1, 0], wide[1:-1, -1] = 2 * 1.0 - found[:, 0], -found[:, -1]
    dx, dy = grid.spacing
    curved = (wide[2:, 1:-1] + wide[:-2, 1:-1] - 2 * found) / dx**2
    curved += (wide[1:-1, 2:] + wide[1:-1, :-2] - 2 * found) / dy**2
    assert np.abs(curved).max() < 1e-5 * 2 / dx**2  # what decays last: exp(-2 pi^2 t)
    inside = solved(tmp_path, INERT, space, [0.0, 0.02, 0.5], **options).of("u")
    assert np.allclose(inside[-1], found, atol=1e-3)
    assert np.all(np.diff(inside, axis=0) >= 0)


@pytest.mark.parametrize(
    ("outer", "is_extrapolated", "order"),
    [("diffusion", False, 2), ("reaction", False, 2), ("diffusion", True, 4)],
)
def test_the_order_in_time(outer: str, is_extrapolated: bool, order: int, tmp_path: Path) -> None:
    grid = Grid((20.0,), (64,))
    space = Space(grid, {"u": 1.0}, initial={"u": Gaussian((8.0,), 1.5, 0.8, 0.1)})
    words = {"outer": outer, "rtol": 1e-9, "atol": 1e-13, "is_extrapolated": is_extrapolated}

    def at(step: float) -> Floats:
        return solved(tmp_path, FISHER, space, [0.0, 2.0], step=step, **words).of("u")[-1]

    exact = at(2 / 128)
    errors = [float(np.abs(at(2 / n) - exact).max()) for n in (4, 8, 16)]
    orders = np.log2(np.array(errors[:-1]) / errors[1:])
    assert np.all(orders > order - 0.3), (errors, orders)


def test_the_error_that_is_asked_for_is_kept(tmp_path: Path) -> None:
    grid = Grid((20.0,), (64,))
    space = Space(grid, {"u": 1.0}, initial={"u": Gaussian((8.0,), 1.5, 0.8, 0.1)})
    exact = solved(tmp_path, FISHER, space, [0.0, 2.0], step=2 / 128, rtol=1e-9).of("u")[-1]
    for rtol in (1e-2, 1e-4, 1e-6):
        found = solved(tmp_path, FISHER, space, [0.0, 2.0], rtol=rtol).of("u")[-1]
        assert np.abs(found - exact).max() < 2 * rtol


def test_a_fisher_front_moves_at_twice_the_root_of_r_d(tmp_path: Path) -> None:
    """Kolmogorov, Petrovsky and Piskunov: 2 sqrt(r D), approached as 2 sqrt(r D) - 3 / (2 t)."""
    space = Space(Grid((170.0,), (510,)), {"u": 1.0}, initial={"u": Step("x", 5.0, 1.0, 0.0)})
    course = solved(tmp_path, FISHER, space, np.linspace(0, 75, 31), rtol=1e-3)
    assert course.front_speed("u", 0.5) == pytest.approx(2.0, rel=0.02)
    assert course.of("u").min() >= 0
    assert course.peak("u").max() <= 1 + 1e-6


@pytest.mark.parametrize(("d", "grows"), [(7.0, False), (12.0, True)])
def test_a_turing_pattern_grows_where_linear_theory_says(
    d: float, grows: bool, tmp_path: Path
) -> None:
    """Schnakenberg, a = 0.1, b = 0.9: every mode's growth is the greater root of its quadratic."""
    length, n = 22.0, 88
    grid = Grid((length,), (n,), (True,))
    jacobian = np.array([[0.8, 1.0], [-1.8, -1.0]])
    modes = np.arange(1, 40)
    k2 = 2 * (1 - np.cos(2 * math.pi * modes / n)) / grid.spacing[0] ** 2
    growth = np.array(
        [np.linalg.eigvals(jacobian - one * np.diag([1.0, d])).real.max() for one in k2]
    )
    assert (growth.max() > 0) == grows
    space = Space(grid, {"u": 1.0, "v": d}, initial={"u": 1.0, "v": 0.9}, noise={"u": 1e-6})
    times = np.array([0.0, 20.0, 30.0, 40.0])
    course = solved(tmp_path, SCHNAKENBERG, space, times, rtol=1e-4, largest_jump=1, atol=1e-12)
    power = np.abs(np.fft.rfft(course.of("u") - course.of("u").mean(axis=1, keepdims=True)))
    if not grows:
        assert power[-1].max() < 0.1 * power[0].max()
        return
    fastest = int(modes[np.argmax(growth)])
    assert int(np.argmax(power[-1])) == fastest
    found = math.log(power[-1, fastest] / power[-2, fastest]) / 10
    assert found == pytest.approx(growth.max(), rel=0.01)


def test_reactions_alone_are_those_of_ode_in_every_voxel(tmp_path: Path) -> None:
    model = network(
        {"A": 0.0, "B": 1.0, "C": 0.0},
        {"k": 2.0, "l": 0.5},
        {"A + B -> C": "k*A*B", "C -> A": "l*C"},
    )
    grid = Grid((1.0, 1.0), (3, 4))
    a = np.arange(12.0).reshape(3, 4) / 6
    times = np.array([0.0, 0.5, 3.0])
    course = solved(tmp_path, model, Space(grid, initial={"A": Values(a)}), times, rtol=1e-7)
    cells = ParameterTable(("A",), a.reshape(-1, 1))
    run = run_context(1, tmp_path)
    alone = Ode(SolverOptions(rtol=1e-7)).simulate(model, cells, Schedule(), times, run)
    for id in "ABC":
        found = course.of(id).reshape(3, 12).T
        assert np.allclose(found, alone.of(id), rtol=1e-6, atol=1e-9)


def test_what_reactions_conserve_is_conserved(tmp_path: Path) -> None:
    model = network(
        {"A": 0.0, "B": 0.0, "C": 0.0},
        {"k": 30.0, "l": 0.5},
        {"A + B -> C": "k*A*B", "C -> A + B": "l*C"},
    )
    grid = Grid((4.0, 4.0), (16, 16))
    initial = {"A": Step("x", 2.0, 1.0, 0.0), "B": Gaussian((3.0, 2.0), 0.5, 1.0)}
    space = Space(grid, {"A": 0.5, "B": 1.0, "C": 0.1}, initial=initial)
    course = solved(tmp_path, model, space, [0.0, 0.3, 1.0, 4.0])
    for id in "AB":
        total = course.total(id) + course.total("C")
        assert np.all(np.abs(total / total[0] - 1) < 1e-9)


def test_a_parameter_may_differ_in_space_and_a_volume_is_told_as_concentration(
    tmp_path: Path,
) -> None:
    model = Network(
        "sized",
        (Compartment("cell", 0.25),),
        (Species("u", "cell", 3.0),),
        (Parameter("k", 1.0),),
        (Reaction("decay", (Participant("u"),), (), parse("cell*k*u")),),
    )
    grid = Grid((1.0,), (4,))
    space = Space(grid, initial={"k": Values(np.array([0.0, 1.0, 2.0, 3.0]))})
    found = solved(tmp_path, model, space, [0.0, 0.5], rtol=1e-8).of("u")[-1]
    assert np.allclose(found, 3 * np.exp(-0.5 * np.arange(4.0)), rtol=1e-6)
    held = Space(grid, {"u": 1.0}, {"u": {"x_low": 3.0, "x_high": 3.0}}, {"k": 0.0})
    assert np.allclose(solved(tmp_path, model, held, [0.0, 9.0]).of("u"), 3.0)


def test_rates_that_jump_in_time_are_followed(tmp_path: Path) -> None:
    model = network({"u": 0.0}, {}, {"-> u": "piecewise(1, time < 0.5, 0)"})
    space = Space(Grid((1.0,), (8,)), {"u": 0.1})
    found = solved(tmp_path, model, space, [0.0, 1.0], rtol=1e-5).of("u")[-1]
    assert np.allclose(found, 0.5, atol=1e-3)


def test_threads_change_no_bit(tmp_path: Path) -> None:
    grid = Grid((8.0, 8.0), (48, 48))
    space = Space(grid, {"u": 1.0, "v": 40.0}, initial={"u": 1.0, "v": 0.9}, noise={"u": 0.1})
    one, two = (
        solved(tmp_path, SCHNAKENBERG, space, [0.0, 0.2], threads=n, largest_jump=1).values
        for n in (1, 2)
    )
    assert one.tobytes() == two.tobytes()


@pytest.mark.parametrize("sides", [(None, None), (0.0, 0.0), (None, 0.0), (0.0, None), "around"])
def test_a_line_too_long_for_a_matrix_is_transformed_to_the_same(
    sides: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    low, high = (None, None) if sides == "around" else sides
    line = Line(50, 0.1, sides == "around", low, high)
    u = np.random.default_rng(1).random((50, 3))
    matrix = propagator(line, 0.2, 0.5)
    monkeypatch.setattr(propagator_module, "MOST_WEIGHTS", 10)
    transform = propagator(line, 0.2, 0.5)
    assert (matrix.decay is None, transform.matrix is None) == (True, True)
    assert np.allclose(matrix.apply(u, 0), transform.apply(u, 0), atol=1e-15)


# -- faults ------------------------------------------------------------------------------------
LINE = Grid((1.0,), (8,))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Grid((1.0,) * 4, (2,) * 4), "one to three"),
        (lambda: Grid((1.0,), (1,)), "two voxels or more"),
        (lambda: Grid((-1.0,), (4,)), "lengths above 0"),
        (lambda: Space(LINE, {"u": -1.0}), "diffusion coefficient of 'u' is -1"),
        (lambda: Space(LINE, {"u": math.nan}), "diffusion coefficient of 'u' is nan"),
        (lambda: Space(LINE, fixed={"u": {"y_low": 1.0}}), "x_low, x_high"),
        (lambda: Space(Grid((1.0,), (4,), (True,)), fixed={"u": {"x_low": 1.0}}), "periodic"),
        (lambda: Space(LINE, noise={"u": 0.1}), "no field at the start"),
    ],
)
def test_a_space_that_cannot_be_is_refused(make: Any, words: str) -> None:
    with pytest.raises(DataError, match=words):
        make()


@pytest.mark.parametrize(
    ("space", "words"),
    [
        (Space(LINE, {"w": 1.0}), "'w', which is no species"),
        (Space(LINE, {"r": 1.0}), "'r', which is no species"),
        (Space(LINE, {"u": 1.0}, {"w": {"x_low": 1.0}}), "'w', which is no species"),
        (Space(LINE, fixed={"u": {"x_low": 1.0}}), "does not diffuse"),
        (Space(LINE, initial={"w": 1.0}), "'w', which network 'test' lacks"),
        (Space(LINE, initial={"r0": 1.0}), "no species or parameter"),
        (Space(LINE, initial={"u": Values(np.zeros(9))}), r"shape \(9,\)"),
        (Space(LINE, initial={"u": Values(np.full(8, math.nan))}), "nan at x = 0.0625"),
        (Space(LINE, initial={"u": Gaussian((0.5,), 0.01, 1.0)}), "too coarse"),
        (Space(LINE, initial={"u": Gaussian((0.5, 0.5), 0.5, 1.0)}), "expected 1 coord"),
        (Space(LINE, initial={"u": Step("y", 0.5, 1.0, 0.0)}), "along 'y'"),
    ],
)
def test_a_space_that_does_not_fit_the_network_is_refused(
    space: Space, words: str, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=words):
        solved(tmp_path, FISHER, space, [0.0, 1.0])


def test_a_front_thinner_than_a_voxel_is_refused(tmp_path: Path) -> None:
    """On a grid this coarse the front would stand still."""
    space = Space(Grid((2000.0,), (200,)), {"u": 0.5}, initial={"u": Step("x", 50.0, 1.0, 0.0)})
    with pytest.raises(EngineError, match=r"is too coarse: 'u' changes by .*diffusion number"):
        solved(tmp_path, FISHER, space, [0.0, 250.0])
    solved(tmp_path, FISHER, space, [0.0, 250.0], largest_jump=1)


def test_a_blow_up_names_place_and_time(tmp_path: Path) -> None:
    model = network({"u": 0.0}, {}, {"-> u": "u^2"})
    space = Space(LINE, {"u": 1e-3}, initial={"u": Step("x", 0.5, 1.0, 2.0)})
    with pytest.raises((EngineError, NotConverged), match=r"blow up"):
        solved(tmp_path, model, space, [0.0, 5.0])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"events": (Event("e", parse("time > 1"), {"r": Number(2.0)}),),
          "parameters": (Parameter("r", 1.0, False),)}, "event 'e'"),
        ({"rules": (RateRule("cell", Number(1.0)),),
          "compartments": (Compartment("cell", 1.0, False),)}, "compartment 'cell'"),
    ],
)  # fmt: skip
def test_what_has_no_meaning_in_space_is_refused(
    change: dict[str, Any], words: str, tmp_path: Path
) -> None:
    from dataclasses import replace

    with pytest.raises(EngineError, match=words):
        solved(tmp_path, replace(FISHER, **change), Space(LINE, {"u": 1.0}), [0.0, 1.0])


def test_times_must_ascend_and_ids_be_there(tmp_path: Path) -> None:
    space = Space(LINE, {"u": 1.0})
    with pytest.raises(DataError, match="ascend"):
        solved(tmp_path, FISHER, space, [0.0, 0.0])
    simulator = ReactionDiffusion(ReactionDiffusionOptions())
    with pytest.raises(DataError, match="'w' are asked for"):
        simulator.simulate(FISHER, space, np.array([0.0, 1.0]), run_context(1, tmp_path), ("w",))
    course = solved(tmp_path, FISHER, space, [0.0, 1.0])
    with pytest.raises(DataError, match="no 'w' among the fields"):
        course.of("w")
    with pytest.raises(DataError, match="needs six"):
        course.front_speed("u", 0.5)
