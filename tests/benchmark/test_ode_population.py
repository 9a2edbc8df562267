"""Populations of cells beside a peer's loop: one run, one thread each, at equal measured accuracy.

Run with one thread everywhere (``make bench``). Each side runs over a ladder of tolerances; its
time at an error is read off between the rungs, on logarithmic axes. The absolute tolerance is
that of the relative one at a tenth of a typical species, for both sides alike.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import libsbml
import numpy as np
import pytest
from numpy.typing import NDArray

from cellula.core.expression import Apply, Expression, Number, apply
from cellula.io.infix import parse
from cellula.models.mechanistic.solver import Problem, SolverOptions, advance, problem, started

Floats = NDArray[np.float64]
N_CELLS, N_TIMES, REPEATS = 32, 101, 3
#: Error at which both are compared: relative to the most of each species, the worst of all.
ERRORS = (3e-4, 1e-4, 3e-5)


@dataclass(frozen=True)
class Population:
    """A model, its cells, and the courses of a tolerance of 1e-11."""

    path: Path
    equations: Problem
    initial: Floats
    parameters: Floats
    free: list[int]
    times: Floats
    atol: float
    exact: Floats

    def error(self, values: Floats) -> float:
        """The root mean square over cells of the worst error relative to a species' most."""
        most = self.exact.max(axis=1, keepdims=True)
        kept = most.min(axis=0)[0] > 1e-3
        worst = (np.abs(values - self.exact)[..., kept] / most[..., kept]).max(axis=(1, 2))
        return float(np.sqrt(np.mean(worst**2)))


def translated(path: Path) -> tuple[list[str], list[str], list[Expression], Floats, Floats]:
    """States, parameters, derivatives, initial values, values, of a model with mass and rates."""
    model = libsbml.readSBML(str(path)).getModel()
    states = [one.getId() for one in model.getListOfSpecies()]
    constants = [one for one in model.getListOfParameters() if one.getConstant()]
    constants += list(model.getListOfCompartments())
    terms: dict[str, list[Expression]] = {id: [] for id in states}
    for reaction in model.getListOfReactions():
        rate = parse(libsbml.formulaToL3String(reaction.getKineticLaw().getMath()))
        sides = ((-1, reaction.getListOfReactants()), (1, reaction.getListOfProducts()))
        for sign, side in sides:
            for one in side:
                term = apply("times", sign * one.getStoichiometry(), rate)
                terms[one.getSpecies()].append(term)
    initial = []
    for one in model.getListOfSpecies():
        given = model.getInitialAssignmentBySymbol(one.getId())
        value = one.getInitialConcentration() if one.isSetInitialConcentration() else 0.0
        if given is not None:
            value = model.getParameter(libsbml.formulaToL3String(given.getMath())).getValue()
        initial.append(value)
    values = [one.getSize() if hasattr(one, "getSize") else one.getValue() for one in constants]
    derivatives: list[Expression] = [
        Number(0.0) if model.getSpecies(id).getBoundaryCondition() else Apply("plus", tuple(parts))
        for id, parts in terms.items()
    ]
    names = [one.getId() for one in constants]
    return states, names, derivatives, np.array(initial), np.array(values)


@pytest.fixture(scope="module", params=[("mapk", 4000.0, 10.0), ("earm", 20000.0, 10.0)])
def population(request: pytest.FixtureRequest, data_dir: Path) -> Population:
    name, end, atol = request.param
    path = data_dir / "models" / "sbml" / f"{name}.xml"
    states, names, derivatives, initial, values = translated(path)
    began = time.process_time()
    equations = problem(states, names, derivatives)
    print(f"\n{name}: {len(states)} species made ready in {time.process_time() - began:.3f} s")
    rates = [k for k, id in enumerate(names[:-1]) if id != "n" and not id.endswith("_0")]
    parameters = np.tile(values, (N_CELLS, 1))
    rng = np.random.default_rng(0)
    parameters[:, rates] *= np.exp(0.2 * rng.standard_normal((N_CELLS, len(rates))))
    times = np.linspace(0, end, N_TIMES)
    cells = started(np.tile(initial, (N_CELLS, 1)), parameters)
    exact = advance(equations, cells, times, SolverOptions(rtol=1e-11, atol=1e-9))
    assert not exact.failed.any()
    return Population(path, equations, initial, parameters, rates, times, atol, exact.values)


def ours(population: Population) -> Callable[[float], Floats]:
    cells = started(np.tile(population.initial, (N_CELLS, 1)), population.parameters)

    def run(rtol: float) -> Floats:
        options = SolverOptions(rtol=rtol, atol=rtol * population.atol)
        return advance(population.equations, cells, population.times, options).values

    return run


def roadrunners(population: Population) -> Callable[[float], Floats]:
    roadrunner = pytest.importorskip("roadrunner")
    engine = roadrunner.RoadRunner(str(population.path))
    engine.timeCourseSelections = [f"[{id}]" for id in population.equations.states]
    ids = [population.equations.parameters[k] for k in population.free]
    end = float(population.times[-1])

    def run(rtol: float) -> Floats:
        engine.integrator.relative_tolerance = rtol
        engine.integrator.absolute_tolerance = rtol * population.atol
        found = []
        for cell in range(N_CELLS):
            engine.reset()
            for id, value in zip(ids, population.parameters[cell, population.free], strict=True):
                engine.model[id] = value
            found.append(np.array(engine.simulate(0, end, N_TIMES)))
        return np.array(found)

    return run


def ladder(
    population: Population, name: str, run: Callable[[float], Floats], tolerances: Floats
) -> tuple[Floats, Floats]:
    """Errors and CPU seconds a cell, a rung a tolerance."""
    errors, seconds = [], []
    run(float(tolerances[0]))
    for rtol in tolerances:
        times = []
        for _ in range(REPEATS):
            began = time.process_time()
            values = run(float(rtol))
            times.append(time.process_time() - began)
        errors.append(population.error(values))
        seconds.append(min(times) / N_CELLS)
        print(f"  {name:>10} rtol {rtol:.0e}: error {errors[-1]:.1e}, {seconds[-1] * 1e3:.3f} ms")
    return np.array(errors), np.array(seconds)


def seconds_at(error: float, errors: Floats, seconds: Floats) -> float:
    order = np.argsort(errors)
    found = np.interp(np.log(error), np.log(errors[order]), np.log(seconds[order]))
    return float(np.exp(found))


def test_population_against_roadrunner(population: Population) -> None:
    own = ladder(
        population, "ours", ours(population), np.array([3e-3, 1e-3, 3e-4, 1e-4, 3e-5, 1e-5, 3e-6])
    )
    peer = ladder(
        population, "roadrunner", roadrunners(population), np.array([1e-5, 3e-6, 1e-6, 1e-7, 1e-8])
    )
    ratios = []
    for error in ERRORS:
        assert own[0].min() < error < own[0].max()
        assert peer[0].min() < error < peer[0].max()
        ratios.append(seconds_at(error, *peer) / seconds_at(error, *own))
        print(f"  at an error of {error:.0e}: {ratios[-1]:.2f} x roadrunner")
    assert min(ratios) > (3.0 if len(population.initial) > 8 else 2.0)


def copasis(population: Population) -> Callable[[float, int], tuple[float, Floats]]:
    """CPU seconds and courses of the first cells by COPASI's own loop.

    The quickest that its library offers: the model is read and compiled once, a cell sets the
    values that differ in one call and runs the same task; its course stays in COPASI's memory
    while the time is taken, and only then is fetched.
    """
    pytest.importorskip("cellula.engines.copasi.library")
    from cellula.engines.copasi.library import COPASI, kept_locale

    copasi: Any = COPASI
    with kept_locale():
        data = copasi.CRootContainer.addDatamodel()
        assert data.importSBMLFromString(population.path.read_text())
    model, task = data.getModel(), data.getTask("Time-Course")
    task.setMethodType(copasi.CTaskEnum.Method_deterministic)
    task.setUpdateModel(False)
    problem, method = task.getProblem(), task.getMethod()
    problem.setDuration(float(population.times[-1]))
    problem.setStepNumber(N_TIMES - 1)
    problem.setTimeSeriesRequested(True)
    entities = {one.getSBMLId(): one for one in model.getModelValues()}
    free = [entities[population.equations.parameters[k]] for k in population.free]

    def run(rtol: float, n_cells: int) -> tuple[float, Floats]:
        method.getParameter("Relative Tolerance").setUDblValue(rtol)
        method.getParameter("Absolute Tolerance").setUDblValue(rtol * population.atol)
        seconds, found = 0.0, []
        for cell in range(n_cells):
            began = time.process_time()
            changed = copasi.ObjectStdVector()
            for one, value in zip(free, population.parameters[cell, population.free], strict=True):
                one.setInitialValue(float(value))
                changed.append(one.getInitialValueReference())
            model.updateInitialValues(changed)
            assert task.initializeRaw(copasi.CCopasiTask.ONLY_TIME_SERIES)
            assert task.processRaw(True)
            seconds += time.process_time() - began
            series = task.getTimeSeries()
            columns = {series.getSBMLId(k, data): k for k in range(series.getNumVariables())}
            order = [columns.get(id) for id in population.equations.states]
            found.append(
                [
                    [np.nan if k is None else series.getConcentrationData(row, k) for k in order]
                    for row in range(N_TIMES)
                ]
            )
            task.restore()
        return seconds / n_cells, np.array(found)

    return run


def basicos(population: Population) -> Callable[[float, int], tuple[float, Floats]]:
    """The same by the loop that a user of COPASI's Python package writes: set, run, read."""
    basico = pytest.importorskip("basico")
    from cellula.engines.copasi.library import kept_locale

    with kept_locale():
        basico.load_model(str(population.path))
    names = [population.equations.parameters[k] for k in population.free]

    def run(rtol: float, n_cells: int) -> tuple[float, Floats]:
        seconds, found = 0.0, []
        for cell in range(n_cells):
            began = time.process_time()
            for name, value in zip(
                names, population.parameters[cell, population.free], strict=True
            ):
                basico.set_parameters(name, exact=True, initial_value=float(value))
            course = basico.run_time_course(
                0, float(population.times[-1]), N_TIMES - 1, r_tol=rtol,
                a_tol=rtol * population.atol, use_sbml_id=True, update_model=False,
            )  # fmt: skip
            seconds += time.process_time() - began
            lost = np.full(N_TIMES, np.nan)
            found.append(
                np.stack([course.get(id, lost) for id in population.equations.states], axis=1)
            )
        return seconds / n_cells, np.array(found)

    return run


@pytest.mark.parametrize("peer", [copasis, basicos])
def test_population_against_copasi(
    population: Population, peer: Callable[..., Callable[[float, int], tuple[float, Floats]]]
) -> None:
    n_cells = 3
    first = replace(population, exact=population.exact[:n_cells])
    run, errors, seconds = peer(population), [], []
    for rtol in (1e-3, 1e-4, 1e-5, 1e-6, 1e-7):
        took, values = run(rtol, n_cells)
        is_told = ~np.isnan(values)
        errors.append(first.error(np.where(is_told, values, first.exact)))
        seconds.append(took)
        print(f"  {peer.__name__:>10} rtol {rtol:.0e}: error {errors[-1]:.1e}, {took * 1e3:.3f} ms")
    own = ladder(population, "ours", ours(population), np.array([1e-3, 1e-4, 1e-5, 1e-6, 1e-7]))
    at = float(np.clip(1e-4, min(errors), max(errors)))
    ratio = seconds_at(at, np.array(errors), np.array(seconds)) / seconds_at(at, *own)
    print(f"  at an error of {at:.0e}: {ratio:.0f} x {peer.__name__}")
    is_written_by_users = peer is basicos and len(population.initial) > 8
    assert ratio > (100.0 if is_written_by_users else 1.0)
