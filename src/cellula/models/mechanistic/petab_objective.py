"""The negative log-likelihood of a PEtab problem as a function of its estimated parameters."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from cellula.core.errors import DataError, EngineError
from cellula.core.optimisation import Local
from cellula.core.petab import PetabObservable, PetabParameter, PetabProblem, Scale
from cellula.models.mechanistic.petab_courses import PetabCourses
from cellula.models.mechanistic.petab_experiments import (
    Experiments,
    Preparations,
    experiments,
    preparations,
)
from cellula.models.mechanistic.petab_observed import (
    Observed,
    ObservedRows,
    ValuesOfRows,
    observed,
    observed_ids,
)
from cellula.models.mechanistic.petab_start import state_ids
from cellula.models.mechanistic.solver import SolverOptions
from cellula.models.mechanistic.steady_state import SteadyCriterion
from cellula.models.mechanistic.tangent_system import Tangent, tangent

__all__ = ["DIRECTIONS", "PetabObjective", "petab_objective", "scaled", "unscaled"]

Floats = NDArray[np.float64]
#: Directions that are solved beside one cell.
DIRECTIONS = 6


def scaled(value: float, scale: Scale) -> float:
    """A value on the scale on which it is estimated; -inf for 0 on a logarithm."""
    if scale == "lin":
        return value
    if value <= 0:
        return -math.inf if value == 0 else math.nan
    return math.log(value) if scale == "log" else math.log10(value)


def unscaled(value: float, scale: Scale) -> tuple[float, float]:
    """The value itself, and its derivative by what it is on its scale."""
    if scale == "lin":
        return value, 1.0
    if scale == "log":
        return math.exp(value), math.exp(value)
    return 10.0**value, math.log(10.0) * 10.0**value


@final
@dataclass(frozen=True, slots=True)
class PetabObjective:
    """The objective of a problem, with exact derivatives by forward sensitivities.

    estimated: the parameters that it is a function of, on their scales, in the problem's order.
    plain, moving: the system without directions, for values alone, and with some. threads: of
    the solver. Priors are no part of it.
    """

    problem: PetabProblem
    estimated: tuple[PetabParameter, ...]
    options: SolverOptions
    steady: SteadyCriterion
    plain: Tangent
    moving: Tangent
    before: tuple[Preparations, ...]
    groups: tuple[tuple[Experiments, tuple[Observed, ...]], ...]
    threads: int = 1

    def __reduce__(self) -> tuple[Any, ...]:
        """What travels to another machine is the problem; its equations are made there."""
        return petab_objective, (self.problem, self.options, self.steady, self.threads)

    @property
    def ids(self) -> tuple[str, ...]:
        """The estimated parameters."""
        return tuple(one.id for one in self.estimated)

    @property
    def lower(self) -> Floats:
        """The least values, on their scales."""
        return np.array([scaled(one.lower, one.scale) for one in self.estimated])

    @property
    def upper(self) -> Floats:
        """The greatest values, on their scales."""
        return np.array([scaled(one.upper, one.scale) for one in self.estimated])

    @property
    def nominal(self) -> Floats:
        """The nominal values, on their scales."""
        return np.array([scaled(one.nominal, one.scale) for one in self.estimated])

    def parameters(self, at: Floats) -> dict[str, float]:
        """Every parameter of the problem -> its value, not scaled, at a point (estimated,)."""
        found = self.problem.nominal
        for one, value in zip(self.estimated, at, strict=True):
            found[one.id] = unscaled(float(value), one.scale)[0]
        return found

    def value(self, at: Floats) -> float:
        """-log p(measurements | parameters), in nats, at a point (estimated,).

        Raises EngineError where there is no solution or no likelihood.
        """
        return self._local(at, self.plain).value

    def local(self, at: Floats) -> Local:
        """The value, its gradient and the Fisher information at a point.

        The curvature is sum(dm dm' + 2 ds ds') / sigma^2, m the transformed observable and s its
        noise; of Laplace's (dm dm' + ds ds') / b^2. Raises EngineError as :meth:`value` does.
        """
        return self._local(at, self.moving)

    def simulated(self, at: Floats) -> tuple[Floats, Floats]:
        """Observables, not transformed, and noises of all measurements: (measurements,) each."""
        told, noise = np.full((2, len(self.problem)), math.nan)
        for _, rows in self._rows(at, self.plain):
            told[rows.rows], noise[rows.rows] = rows.told.value, rows.noise.value
        return told, noise

    def _local(self, at: Floats, made: Tangent) -> Local:
        n = len(self.estimated)
        measured = self.problem.measurements["measurement"].to_numpy(np.float64)
        value, gradient, curvature = 0.0, np.zeros(n), np.zeros((n, n))
        for one, rows in self._rows(at, made):
            local = _likelihood(one, measured[rows.rows], rows, n if made.n else 0)
            value += local.value
            if made.n:
                gradient += local.gradient
                curvature += local.curvature
        if not (math.isfinite(value) and np.isfinite(gradient).all()):
            raise EngineError(f"{self.problem.id}: the likelihood or its gradient is not finite")
        return Local(value, gradient, curvature)

    def _rows(self, at: Floats, made: Tangent) -> list[tuple[PetabObservable, ObservedRows]]:
        """All measurements as the model says them, by group and observable."""
        parameters, slopes = self.parameters(at), self._slopes(at, made)
        n = len(self.estimated)
        courses = PetabCourses(
            self.problem, made, self.options, self.steady, parameters, slopes, n, self.threads
        )
        values = ValuesOfRows(self.problem, parameters, slopes, n)
        ends = courses.equilibria(self.before)
        return [
            (one.observable, values.of(one, made.told, found))
            for group, members in self.groups
            for found in [courses.courses(group, ends)]
            for one in members
        ]

    def _slopes(self, at: Floats, made: Tangent) -> Mapping[str, Floats]:
        """Parameter -> the derivative of its value by every estimated one on its scale."""
        if not made.n:
            return {}
        found = {}
        for k, (one, value) in enumerate(zip(self.estimated, at, strict=True)):
            found[one.id] = np.zeros(len(self.estimated))
            found[one.id][k] = unscaled(float(value), one.scale)[1]
        return found


def petab_objective(
    problem: PetabProblem,
    options: SolverOptions | None = None,
    steady: SteadyCriterion | None = None,
    threads: int = 1,
) -> PetabObjective:
    """The objective of a problem.

    options: of the solver, with rtol 1e-7 and atol 1e-12 where none are given. Raises DataError
    where no parameter is estimated or one that is not has no value, EngineError on a model that
    has no sensitivities here.
    """
    estimated = tuple(one for one in problem.parameters if one.is_estimated)
    if not estimated:
        raise DataError(f"{problem.id} estimates no parameter; set estimate to 1 for some")
    told = observed_ids(problem)
    groups, before = experiments(problem), preparations(problem)
    if before or any(group.has_end for group in groups):
        told = tuple(dict.fromkeys((*told, *state_ids(problem.network))))
    return PetabObjective(
        problem,
        estimated,
        options or SolverOptions.model_validate({"rtol": 1e-7, "atol": 1e-12}),
        steady or SteadyCriterion(),
        tangent(problem.network, told, 0),
        tangent(problem.network, told, min(DIRECTIONS, len(estimated))),
        before,
        tuple((group, observed(problem, group)) for group in groups),
        threads,
    )


def _likelihood(one: PetabObservable, measured: Floats, rows: ObservedRows, n: int) -> Local:
    """Of one observable's measurements; n: estimated parameters, 0 for the value alone."""
    is_there = ~np.isnan(measured)
    measured, told, noise = (
        measured[is_there],
        rows.told.value[is_there],
        rows.noise.value[is_there],
    )
    _require(one, measured, told, noise)
    beside, steep = np.zeros(len(measured)), np.ones(len(measured))
    if one.transformation != "lin":
        unit = 1.0 if one.transformation == "log" else math.log(10.0)
        beside, steep = np.log(measured * unit), 1.0 / (unit * told)
        measured, told = np.log(measured) / unit, np.log(told) / unit
    residual = (measured - told) / noise
    is_normal = one.distribution == "normal"
    if is_normal:
        value = float((beside + np.log(2 * np.pi * noise**2) / 2 + residual**2 / 2).sum())
    else:
        value = float((beside + np.log(2 * noise) + np.abs(residual)).sum())
    if not n:
        return Local(value, np.zeros(0), np.zeros((0, 0)))
    m = rows.told.slopes(n)[is_there] * (steep / noise)[:, None]
    s = rows.noise.slopes(n)[is_there] / noise[:, None]
    pull = residual if is_normal else np.sign(residual)
    gradient = s.sum(axis=0) - pull @ m - (pull * residual) @ s
    return Local(value, gradient, m.T @ m + (2.0 if is_normal else 1.0) * s.T @ s)


def _require(one: PetabObservable, measured: Floats, told: Floats, noise: Floats) -> None:
    """Raise EngineError where there is no likelihood, DataError where there never is one."""
    if one.transformation != "lin" and not (measured > 0).all():
        raise DataError(
            f"a measurement of {one.id!r} is not above 0; expected that with the transformation "
            f"{one.transformation!r}"
        )
    if not (noise > 0).all():
        raise EngineError(f"a noise of {one.id!r} is {noise[~(noise > 0)][0]:g}, not above 0")
    wrong = ~np.isfinite(told)
    if one.transformation != "lin":
        wrong |= ~(told > 0)
    if wrong.any():
        raise EngineError(f"a simulation of {one.id!r} is {told[wrong][0]:g}")
