"""Profile likelihoods: how far one parameter can go while the others make up for it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy.stats import chi2

from cellula.core.errors import DataError, EngineError
from cellula.core.model import Options
from cellula.core.optimisation import Local, Objective, Optimiser
from cellula.core.run import RunContext, each, elsewhere

__all__ = ["Profile", "ProfileOptions", "profiles"]

Floats = NDArray[np.float64]
#: A step raises the profile by about this share of the threshold, at most by twice that.
RISE = 0.15
#: The longest step and the shortest, as shares of the distance between the bounds.
LONGEST, SHORTEST = 0.1, 1e-4
#: A parameter so near to a bound, as a share of the distance between its two, is there.
AT_BOUND = 1e-3


@final
class ProfileOptions(Options):
    """How far a profile is followed, and how finely."""

    level: float = Field(0.95, gt=0, lt=1)
    """Of the intervals: where the profile rises by half of chi-squared's quantile, one degree."""
    points: int = Field(60, ge=4)
    """Re-optimisations on each side of the optimum, at most."""


@final
@dataclass(frozen=True, slots=True)
class Profile:
    """min over all other parameters of the objective, as a function of one parameter's value.

    at, values: (points,), ascending in ``at``, on the scale of estimation. is_free: (points,),
    whether no other parameter has come to a bound of its own. best: the least value of the
    objective that is known. threshold: by how much an interval lets it rise. lower, upper: where
    it has risen so far; infinite where it does not before the parameter's bound. bounds: of the
    parameter. is_cut: (below, above), whether it ended before for want of points
    or of a solution. n_evaluations: of the objective.
    """

    id: str
    at: Floats
    values: Floats
    is_free: NDArray[np.bool_]
    best: float
    threshold: float
    lower: float
    upper: float
    bounds: tuple[float, float]
    is_cut: tuple[bool, bool]
    n_evaluations: int

    @property
    def rise(self) -> float:
        """By how much the profile rises at most while the other parameters are free."""
        free = self.values[self.is_free]
        return float(free.max() - self.best) if len(free) else math.inf

    @property
    def reach(self) -> float:
        """How far it was followed while the others were free, as a share of its range."""
        free = self.at[self.is_free]
        span = self.bounds[1] - self.bounds[0]
        return float(free.max() - free.min()) / span if len(free) else 0.0


def profiles(
    objective: Objective,
    optimum: Floats,
    optimiser: Optimiser,
    options: ProfileOptions,
    run: RunContext,
    ids: tuple[str, ...] | None = None,
) -> tuple[Profile, ...]:
    """The profile likelihoods of some parameters, or of all, around an optimum [raue2009]_.

    objective: a negative log-likelihood, in nats. optimum: (parameters,), on their scales. From
    there each parameter goes step by step towards its bounds, and the others are optimised anew,
    until the objective has risen by chi2(level, 1) / 2; steps follow how fast it rises.
    Parameters are done on the run's threads or its cluster, with the same bits. Raises DataError
    on an unknown parameter, EngineError where the objective has no value at the optimum.
    """
    chosen = objective.ids if ids is None else ids
    for id in chosen:
        if id not in objective.ids:
            raise DataError(
                f"no parameter {id!r} is estimated; those are {', '.join(objective.ids)}"
            )
    here = objective.local(optimum)
    threshold = float(chi2.ppf(options.level, 1)) / 2
    tasks = [
        _Task(objective, optimum, here, optimiser, options, threshold, objective.ids.index(id), run)
        for id in chosen
    ]
    if run.cluster is None:
        return tuple(each(_profile, tasks, run, "profiles"))
    return tuple(run.cluster.map(_elsewhere, [replace(one, run=run.light) for one in tasks]))


@final
@dataclass(frozen=True, slots=True)
class _Task:
    """A profile: all that travels."""

    objective: Objective
    optimum: Floats
    here: Local
    optimiser: Optimiser
    options: ProfileOptions
    threshold: float
    place: int
    run: RunContext


@final
@dataclass(frozen=True, slots=True)
class _Held:
    """The objective with one parameter held."""

    whole: Objective
    place: int
    held: float

    @property
    def ids(self) -> tuple[str, ...]:
        return tuple(np.delete(np.array(self.whole.ids), self.place))

    @property
    def lower(self) -> Floats:
        return np.delete(self.whole.lower, self.place)

    @property
    def upper(self) -> Floats:
        return np.delete(self.whole.upper, self.place)

    def point(self, at: Floats) -> Floats:
        """With the held one in its place."""
        return np.insert(at, self.place, self.held)

    def value(self, at: Floats) -> float:
        return self.whole.value(self.point(at))

    def local(self, at: Floats) -> Local:
        found = self.whole.local(self.point(at))
        curvature = np.delete(np.delete(found.curvature, self.place, 0), self.place, 1)
        return Local(found.value, np.delete(found.gradient, self.place), curvature)


@final
@dataclass(slots=True)
class _Side:
    """A walk from the optimum to one bound."""

    task: _Task
    sign: float
    at: list[float]
    values: list[float]
    points: list[Floats]
    n_evaluations: int = 0

    @property
    def bound(self) -> float:
        whole = self.task.objective
        return float((whole.upper if self.sign > 0 else whole.lower)[self.task.place])

    @property
    def is_free(self) -> NDArray[np.bool_]:
        """Whether, at each point, no other parameter has come to a bound."""
        whole, place = self.task.objective, self.task.place
        lower, upper = np.delete(whole.lower, place), np.delete(whole.upper, place)
        near = AT_BOUND * (upper - lower)
        points = np.array(self.points).reshape(len(self.at), -1)
        is_at = (points <= lower + near) | (points >= upper - near)
        return np.asarray(~(is_at & ~is_at[0]).any(axis=1))

    @property
    def crossing(self) -> float:
        """Where the threshold is passed, by interpolation; infinite where it is not."""
        limit = min(self.values) + self.task.threshold
        for k in range(1, len(self.at)):
            if self.values[k] > limit:
                low, high = self.values[k - 1], self.values[k]
                share = (limit - low) / (high - low)
                return self.at[k - 1] + share * (self.at[k] - self.at[k - 1])
        return self.sign * math.inf

    @property
    def is_cut(self) -> bool:
        """Whether it ended neither at the bound nor beyond the threshold."""
        return math.isinf(self.crossing) and abs(self.at[-1] - self.bound) > 1e-12

    def walk(self) -> None:
        """Go on until the threshold, the bound or the last point."""
        whole, place = self.task.objective, self.task.place
        span = float(whole.upper[place] - whole.lower[place])
        step = _first_step(self.task, span)
        target = RISE * self.task.threshold
        while len(self.at) <= self.task.options.points:
            left = abs(self.bound - self.at[-1])
            if left <= 1e-12 * span or not math.isinf(self.crossing):
                return
            step = min(step, left, LONGEST * span)
            found = self._at(self.at[-1] + self.sign * step)
            rise = math.inf if found is None else found[0] - self.values[-1]
            if rise > 2 * target and step > SHORTEST * span:
                step = max(step * (0.25 if math.isinf(rise) else 0.5), SHORTEST * span)
                continue
            if found is None:
                return
            self.at.append(self.at[-1] + self.sign * step)
            self.values.append(found[0])
            self.points.append(found[1])
            step *= 2.0 if rise < 0.5 * target else 1.0

    def _at(self, value: float) -> tuple[float, Floats] | None:
        """The objective with the parameter held, and the other parameters there."""
        held = _Held(self.task.objective, self.task.place, value)
        if not len(held.lower):
            self.n_evaluations += 1
            try:
                return held.value(np.zeros(0)), np.zeros(0)
            except EngineError:
                return None
        starts = [self.points[-1]]
        if len(self.points) > 1:
            slope = (self.points[-1] - self.points[-2]) / (self.at[-1] - self.at[-2])
            ahead = self.points[-1] + slope * (value - self.at[-1])
            starts.insert(0, np.clip(ahead, held.lower, held.upper))
        for start in starts:
            found = self.task.optimiser.minimise(held, start)
            self.n_evaluations += found.evaluations
            if math.isfinite(found.value):
                return found.value, found.point
        return None


def _first_step(task: _Task, span: float) -> float:
    """The step that raises a quadratic profile by the share that is wanted."""
    curvature = task.here.curvature
    size = float(np.trace(curvature)) / len(curvature) or 1.0
    stiff = np.linalg.inv(curvature + 1e-10 * size * np.eye(len(curvature)))
    variance = max(float(stiff[task.place, task.place]), 0.0)
    step = math.sqrt(2 * RISE * task.threshold * variance)
    return min(max(step, SHORTEST * span), LONGEST * span)


def _elsewhere(task: _Task) -> Profile:
    with elsewhere(task.run) as run:
        return _profile(replace(task, run=run))


def _profile(task: _Task) -> Profile:
    others = np.delete(task.optimum, task.place)
    sides = []
    for sign in (-1.0, 1.0):
        side = _Side(task, sign, [float(task.optimum[task.place])], [task.here.value], [others])
        side.walk()
        sides.append(side)
    below, above = sides
    at = [*reversed(below.at), *above.at[1:]]
    values = [*reversed(below.values), *above.values[1:]]
    whole, place = task.objective, task.place
    return Profile(
        whole.ids[place],
        np.array(at),
        np.array(values),
        np.concatenate([below.is_free[::-1], above.is_free[1:]]),
        min(values),
        task.threshold,
        below.crossing,
        above.crossing,
        (float(whole.lower[place]), float(whole.upper[place])),
        (below.is_cut, above.is_cut),
        below.n_evaluations + above.n_evaluations,
    )
