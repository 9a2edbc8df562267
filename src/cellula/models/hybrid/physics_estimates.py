"""Unknown parameters: an interval from many seeds, and least squares through the plain solver."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares
from scipy.stats import t as student

from cellula.core.errors import DataError, NotConverged
from cellula.core.physics import PhysicsProblem, Unknown
from cellula.core.run import RunContext
from cellula.models.hybrid.method_of_lines import plain_solution
from cellula.models.hybrid.physics_informed import PhysicsInformed

__all__ = ["Estimate", "ensemble_estimates", "plain_estimates"]

#: Of an interval.
LEVEL = 0.95
#: Steps of numerical derivatives, as a share of the range that is searched.
STEP = 1e-4


@final
@dataclass(frozen=True, slots=True)
class Estimate:
    """An unknown with a 95 % interval; n: seeds of an ensemble, or measurements."""

    id: str
    value: float
    lower: float
    upper: float
    n: int


def ensemble_estimates(
    solver: PhysicsInformed, problem: PhysicsProblem, n_seeds: int, run: RunContext
) -> tuple[Estimate, ...]:
    """Every unknown by networks that begin differently and see data resampled within sigma.

    Median and 2.5 and 97.5 % quantile over ``n_seeds`` parametric bootstraps: the interval tells
    noise of the data and chance of training together. Raises DataError without unknowns or data,
    and on fewer than two seeds.
    """
    _require(problem)
    if n_seeds < 2:
        raise DataError(f"{n_seeds} seed tells no interval; expected two or more")
    found = np.empty((n_seeds, len(problem.unknowns)))
    for seed in run.progress.track(range(n_seeds), "seeds"):
        own = run.child("physics ensemble", seed)
        estimates = solver.solve(_resampled(problem, own, seed), own).estimates
        found[seed] = [estimates[one.id] for one in problem.unknowns]
    low, middle, high = np.quantile(found, [(1 - LEVEL) / 2, 0.5, (1 + LEVEL) / 2], axis=0)
    return tuple(
        Estimate(one.id, float(middle[k]), float(low[k]), float(high[k]), n_seeds)
        for k, one in enumerate(problem.unknowns)
    )


def plain_estimates(
    problem: PhysicsProblem, run: RunContext, *, nodes: int = 101
) -> tuple[Estimate, ...]:
    """Every unknown by least squares through the plain solver, with an interval by Student's t.

    The interval is symmetric on the scale that is searched, from the derivatives at the optimum.
    Raises DataError without unknowns or data or with fewer data than unknowns, NotConverged where
    the search ends without an optimum or the data do not tell an unknown.
    """
    _require(problem)
    n, k = len(problem.data), len(problem.unknowns)
    if n <= k:
        raise DataError(f"{n} measurements for {k} unknowns; an interval needs more")
    low, high = np.array([_bounds(one) for one in problem.unknowns]).T

    def misfit(z: NDArray[np.float64]) -> NDArray[np.float64]:
        return _misfit(problem, (low + z * (high - low)).tolist(), run, nodes)

    def slopes(z: NDArray[np.float64]) -> NDArray[np.float64]:
        moves = STEP * np.eye(k)
        return np.column_stack([(misfit(z + m) - misfit(z - m)) / (2 * STEP) for m in moves])

    found = least_squares(misfit, np.full(k, 0.5), slopes, bounds=(STEP, 1 - STEP))
    if not found.success:
        raise NotConverged(f"least squares of {problem.id!r}: {found.message}")
    information = found.jac.T @ found.jac
    if np.linalg.matrix_rank(information) < k:
        raise NotConverged(f"the data of {problem.id!r} do not tell all of its unknowns")
    variance = 2 * found.cost / (n - k)
    reach = np.sqrt(np.diag(np.linalg.inv(information)) * variance) * (high - low)
    reach *= student.ppf((1 + LEVEL) / 2, n - k)
    x = low + found.x * (high - low)
    return tuple(
        Estimate(one.id, _natural(one, at), _natural(one, at - r), _natural(one, at + r), n)
        for one, at, r in zip(problem.unknowns, x.tolist(), reach.tolist(), strict=True)
    )


def _require(problem: PhysicsProblem) -> None:
    if not (problem.unknowns and problem.data):
        lacking = "no unknown" if not problem.unknowns else "no data"
        raise DataError(f"problem {problem.id!r} has {lacking}; there is nothing to estimate")


def _resampled(problem: PhysicsProblem, run: RunContext, seed: int) -> PhysicsProblem:
    """The data with their noise drawn once more; as they are for the first seed."""
    noise = run.rng.normal(size=len(problem.data)) if seed else np.zeros(len(problem.data))
    rows = [
        replace(one, value=one.value + one.sigma * float(z))
        for one, z in zip(problem.data, noise, strict=True)
    ]
    return replace(problem, data=tuple(rows))


def _bounds(one: Unknown) -> tuple[float, float]:
    return (math.log(one.lower), math.log(one.upper)) if one.is_log else (one.lower, one.upper)


def _natural(one: Unknown, x: float) -> float:
    return math.exp(x) if one.is_log else x


def _misfit(
    problem: PhysicsProblem, x: Sequence[float], run: RunContext, nodes: int
) -> NDArray[np.float64]:
    """(found - measured) / sigma of every measurement."""
    values = {one.id: _natural(one, float(v)) for one, v in zip(problem.unknowns, x, strict=True)}
    times = np.unique([one.time for one in problem.data])
    found = plain_solution(problem, values, times, run, nodes=nodes)
    return np.array([_gap(problem, one_row, times, found) for one_row in range(len(problem.data))])


def _gap(
    problem: PhysicsProblem, row: int, times: NDArray[np.float64], found: NDArray[np.float64]
) -> float:
    one = problem.data[row]
    course = found[int(np.searchsorted(times, one.time)), :, problem.ids.index(one.field)]
    value = course[0]
    if problem.place is not None and one.place is not None:
        value = np.interp(one.place, np.linspace(*problem.place, len(course)), course)
    return float((value - one.value) / one.sigma)
