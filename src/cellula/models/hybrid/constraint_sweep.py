"""The weight of the equations over decades: gained in the residual, lost in the data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from cellula.core.errors import DataError
from cellula.core.physics import PhysicsProblem
from cellula.core.run import RunContext
from cellula.models.hybrid.physics_informed import PhysicsInformed

__all__ = ["SweepPoint", "Truth", "constraint_sweep", "relative_error"]


@final
@dataclass(frozen=True, slots=True)
class Truth:
    """Fields at times (times,) and places (places,) or None: (times, places, fields)."""

    times: NDArray[np.float64]
    places: NDArray[np.float64] | None
    values: NDArray[np.float64]


@final
@dataclass(frozen=True, slots=True)
class SweepPoint:
    """One weight: relative L2 error against the truth, residual and data error, estimates."""

    weight: float
    error: float
    residual: float
    data: float | None
    estimates: Mapping[str, float]


def constraint_sweep(
    solver: PhysicsInformed,
    problem: PhysicsProblem,
    weights: Sequence[float],
    truth: Truth,
    run: RunContext,
) -> tuple[SweepPoint, ...]:
    """The problem solved with every weight of its residual, all from one seed.

    Residual and data error are those of :class:`PhysicsSolution`. Raises DataError on a weight
    that is negative, or none.
    """
    if not weights or min(weights) < 0:
        raise DataError(f"the weights are {tuple(weights)}; expected numbers that are not negative")
    found = []
    for weight in run.progress.track(list(weights), "weights"):
        options = solver.options.model_copy(update={"residual_weight": float(weight)})
        solution = PhysicsInformed(options).solve(problem, run)
        field = solution.field(truth.times, truth.places)
        error = relative_error(field, truth.values)
        found.append(
            SweepPoint(float(weight), error, solution.residual, solution.data, solution.estimates)
        )
    return tuple(found)


def relative_error(found: NDArray[np.float64], truth: NDArray[np.float64]) -> float:
    """|found - truth| / |truth| in the L2 norm over times and places, mean over the fields."""
    gap = np.sqrt(np.square(found - truth).sum(axis=(0, 1)))
    size = np.sqrt(np.square(truth).sum(axis=(0, 1)))
    return float(np.mean(gap / np.where(size > 0, size, 1.0)))
