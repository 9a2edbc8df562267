"""Fits from many starts, since a likelihood of a mechanistic model has many minima."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from cellula.core.errors import DataError, EngineError, NotConverged
from cellula.core.model import Options
from cellula.core.optimisation import Minimum, Objective, Optimiser
from cellula.core.run import RunContext, each, elsewhere

__all__ = ["CLOSE", "Descent", "Fit", "FitOptions", "fit", "latin_hypercube"]

Floats = NDArray[np.float64]
#: Descents that end so near the best, in log units, found the same optimum.
CLOSE = 0.1


@final
class FitOptions(Options):
    """How many starts, and where."""

    starts: int = Field(20, ge=1)
    """Descents, from a Latin hypercube over the bounds."""
    redraws: int = Field(10, ge=0)
    """How often a start at which the objective has no value is drawn anew."""


@final
@dataclass(frozen=True, slots=True)
class Descent:
    """One start: where it began and ended. redrawn: starts without a value before it."""

    number: int
    begin: Floats
    minimum: Minimum
    redrawn: int = 0

    @property
    def value(self) -> float:
        """Where it ended; infinite where it had no value."""
        return self.minimum.value


@final
@dataclass(frozen=True, slots=True)
class Fit:
    """The best of all descents, and all descents from the best to the worst.

    ids: of the parameters; optimum: (parameters,), on the scale of estimation; value: of the
    objective there.
    """

    ids: tuple[str, ...]
    optimum: Floats
    value: float
    descents: tuple[Descent, ...]

    @property
    def waterfall(self) -> Floats:
        """The values of all descents, ascending: (starts,); infinite where one failed."""
        return np.array([one.value for one in self.descents])

    @property
    def evaluations(self) -> int:
        """How often the objective was asked for."""
        return sum(one.minimum.evaluations + one.redrawn for one in self.descents)

    @property
    def failures(self) -> int:
        """How many of these had no solution."""
        return sum(one.minimum.failures + one.redrawn for one in self.descents)

    @property
    def agreement(self) -> float:
        """The share of descents that ended within :data:`CLOSE` of the best."""
        return float(np.mean(self.waterfall <= self.value + CLOSE))


def fit(
    objective: Objective,
    optimiser: Optimiser,
    options: FitOptions,
    run: RunContext,
    given: Floats | None = None,
) -> Fit:
    """Descend from many starts and keep the best.

    given: (starts, parameters), starts to be tried beside the drawn ones, and before them.
    The starts follow from the run's seed; descents run on its threads or its cluster, with the
    same bits. Raises DataError on bounds that are not finite and ascending or given starts
    of another shape, NotConverged where no start has a value at all.
    """
    lower, upper = _bounds(objective)
    drawn = latin_hypercube(options.starts, lower, upper, run.child("starts").rng)
    if given is not None:
        if given.ndim != 2 or given.shape[1] != len(lower):
            raise DataError(
                f"given starts have shape {given.shape}; expected (starts, {len(lower)})"
            )
        drawn = np.concatenate([np.clip(given, lower, upper), drawn])
    tasks = [
        _Task(objective, optimiser, options.redraws, start, number, run.child("start", number))
        for number, start in enumerate(drawn)
    ]
    if run.cluster is None:
        descents = list(each(_descent, tasks, run, "starts"))
    else:
        quiet = [replace(one, run=one.run.light) for one in tasks]
        descents = list(run.cluster.map(_descent_elsewhere, quiet))
    descents.sort(key=lambda one: (one.value, one.number))
    best = descents[0]
    if not math.isfinite(best.value):
        raise NotConverged(
            f"none of {len(descents)} starts has a value, after {options.redraws} redraws each; "
            "the model has no solution there: narrow the bounds, or give a start that has one"
        )
    return Fit(objective.ids, best.minimum.point, best.value, tuple(descents))


def latin_hypercube(n: int, lower: Floats, upper: Floats, rng: np.random.Generator) -> Floats:
    """N points between bounds, one in every n-th of every axis: (n, parameters) [mckay1979]_."""
    cells = np.stack([rng.permutation(n) for _ in range(len(lower))], axis=1)
    share = (cells + rng.random((n, len(lower)))) / n
    return np.asarray(lower + share * (upper - lower))


@final
@dataclass(frozen=True, slots=True)
class _Task:
    """A start: all that travels."""

    objective: Objective
    optimiser: Optimiser
    redraws: int
    start: Floats
    number: int
    run: RunContext


def _descent_elsewhere(task: _Task) -> Descent:
    with elsewhere(task.run) as run:
        return _descent(replace(task, run=run))


def _descent(task: _Task) -> Descent:
    lower, upper = _bounds(task.objective)
    start, redrawn = task.start, 0
    while redrawn < task.redraws and not _has_value(task.objective, start):
        start = np.asarray(task.run.rng.uniform(lower, upper))
        redrawn += 1
    return Descent(task.number, start, task.optimiser.minimise(task.objective, start), redrawn)


def _has_value(objective: Objective, at: Floats) -> bool:
    try:
        return math.isfinite(objective.value(at))
    except EngineError:
        return False


def _bounds(objective: Objective) -> tuple[Floats, Floats]:
    lower, upper = objective.lower, objective.upper
    wrong = ~(np.isfinite(lower) & np.isfinite(upper) & (lower < upper))
    if wrong.any():
        k = int(np.argmax(wrong))
        raise DataError(
            f"parameter {objective.ids[k]!r} is bounded by {lower[k]:g} and {upper[k]:g} on its "
            "scale; expected finite bounds, the lower below the upper"
        )
    return lower, upper
