"""Parameters of a declared network fitted to training profiles, and how sure they are."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Self, final

import numpy as np
from numpy.typing import NDArray
from pydantic import model_validator

from cellula.core.errors import DataError, EngineError
from cellula.core.model import Options
from cellula.core.optimisation import Local, Optimiser
from cellula.core.petab import Scale
from cellula.core.run import RunContext
from cellula.models.mechanistic.fitting import FitOptions, fit
from cellula.models.mechanistic.petab_objective import scaled, unscaled

__all__ = ["FittedParameters", "ParameterRange", "fitted_parameters"]

Floats = NDArray[np.float64]
#: Values of the fitted parameters -> what the model says of all training means, flat.
Answer = Callable[[Mapping[str, float]], Floats]
#: Steps of central differences, as a share of the distance between the bounds.
STEP = 1e-5


@final
class ParameterRange(Options):
    """Where a fitted parameter may be, and on which scale it is looked for."""

    lower: float
    """The least value."""
    upper: float
    """The greatest value."""
    scale: Scale = "log10"
    """``lin``, ``log`` or ``log10``."""

    @model_validator(mode="after")
    def _is_range(self) -> Self:
        if not self.lower < self.upper:
            raise ValueError(f"lower {self.lower:g} is not below upper {self.upper:g}")
        if self.scale != "lin" and not self.lower > 0:
            raise ValueError(f"lower {self.lower:g} is not above 0, which scale {self.scale} needs")
        return self


@final
@dataclass(frozen=True, slots=True)
class FittedParameters:
    """values: parameter -> its best value. draws: (draws, parameters), values that the data allow,
    from the Fisher information at the optimum, within the bounds. noise: (readouts,) the
    standard deviation that is left.
    """

    values: Mapping[str, float]
    draws: Floats
    noise: Floats


@final
@dataclass(frozen=True, slots=True)
class _Residuals:
    """Half the sum of squared residuals, each in units of ``sizes``; slopes by differences."""

    ranges: Mapping[str, ParameterRange]
    answer: Answer
    observed: Floats
    sizes: Floats

    @property
    def ids(self) -> tuple[str, ...]:
        return tuple(self.ranges)

    @property
    def lower(self) -> Floats:
        return np.array([scaled(one.lower, one.scale) for one in self.ranges.values()])

    @property
    def upper(self) -> Floats:
        return np.array([scaled(one.upper, one.scale) for one in self.ranges.values()])

    def values(self, at: Floats) -> dict[str, float]:
        pairs = zip(self.ranges.items(), at, strict=True)
        return {id: unscaled(float(value), one.scale)[0] for (id, one), value in pairs}

    def residuals(self, at: Floats) -> Floats:
        try:
            found = (self.answer(self.values(at)) - self.observed) / self.sizes
        except DataError as error:  # a readout that the course does not have there
            raise EngineError(str(error)) from error
        if not np.isfinite(found).all():
            raise EngineError("an answer of the network is not finite")
        return found

    def value(self, at: Floats) -> float:
        found = self.residuals(at)
        return float(found @ found / 2)

    def slopes(self, at: Floats) -> Floats:
        """(residuals, parameters)."""
        columns = []
        for k, step in enumerate(STEP * (self.upper - self.lower)):
            ahead, behind = at.copy(), at.copy()
            ahead[k], behind[k] = min(at[k] + step, self.upper[k]), max(at[k] - step, self.lower[k])
            moved = self.residuals(ahead) - self.residuals(behind)
            columns.append(moved / (ahead[k] - behind[k]))
        return np.stack(columns, axis=1)

    def local(self, at: Floats) -> Local:
        found, slopes = self.residuals(at), self.slopes(at)
        return Local(float(found @ found / 2), slopes.T @ found, slopes.T @ slopes)


def fitted_parameters(
    ranges: Mapping[str, ParameterRange],
    answer: Answer,
    observed: Floats,
    by: tuple[Optimiser, FitOptions, int],
    run: RunContext,
) -> FittedParameters:
    """Least squares from many starts over the training means.

    observed: (questions, readouts); ``answer`` tells the same, flat. Every readout counts in
    units of its own spread. by: the optimiser, the starts, and how many draws to make. Raises
    NotConverged where no start has an answer.
    """
    optimiser, options, n_draws = by
    spread = observed.std(axis=0)
    size = np.where(spread > 0, spread, np.maximum(np.abs(observed).max(axis=0), 1e-300))
    sizes = np.broadcast_to(size, observed.shape).ravel()
    objective = _Residuals(ranges, answer, observed.ravel(), sizes)
    best = fit(objective, optimiser, options, run).optimum
    left = objective.residuals(best)
    free = max(len(left) - len(ranges), 1)
    variance = float(left @ left) / free
    curvature = objective.local(best).curvature
    values, vectors = np.linalg.eigh(curvature)
    span = objective.upper - objective.lower
    # a direction that the data say nothing about may be anywhere between the bounds
    widths = np.sqrt(variance / np.maximum(values, variance / float(span @ span) + 1e-300))
    scores = run.child("draws").rng.standard_normal((n_draws, len(ranges)))
    drawn = np.clip(best + (scores * widths) @ vectors.T, objective.lower, objective.upper)
    plain = [list(objective.values(one).values()) for one in drawn]
    by_readout = left.reshape(observed.shape) * size
    share = math.sqrt(len(observed) * observed.shape[1] / free)
    noise = np.sqrt((by_readout**2).mean(axis=0)) * share
    return FittedParameters(
        objective.values(best), np.array(plain).reshape(n_draws, len(ranges)), noise
    )
