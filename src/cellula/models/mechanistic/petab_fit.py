"""A PEtab problem fitted: its optimum from many starts, and what the data say of each parameter."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import final

import numpy as np
from pydantic import Field

from cellula.core.errors import DataError, EngineError
from cellula.core.model import Options
from cellula.core.optimisation import Optimiser
from cellula.core.petab import PetabProblem, Scale
from cellula.core.run import RunContext
from cellula.models.mechanistic.fitting import Fit, FitOptions, fit
from cellula.models.mechanistic.identifiability import Finding, TradeOff, finding, trade_offs
from cellula.models.mechanistic.petab_objective import PetabObjective, petab_objective, unscaled
from cellula.models.mechanistic.profile_likelihood import Profile, ProfileOptions, profiles
from cellula.models.mechanistic.solver import SolverOptions

__all__ = ["Estimation", "EstimationOptions", "estimate"]


@final
class EstimationOptions(Options):
    """How a problem is fitted."""

    starts: int = Field(20, ge=1)
    """Descents, from a Latin hypercube over the bounds on the scales of estimation."""
    redraws: int = Field(10, ge=0)
    """How often a start at which the model has no solution is drawn anew."""
    rtol: float = Field(1e-6, gt=0, lt=1)
    """Error of a solver's step that is allowed, relative to each state and each sensitivity."""
    atol: float = Field(1e-10, gt=0)
    """Error of a solver's step that is allowed beside it."""
    max_steps: int = Field(10_000, ge=1)
    """Steps of the solver before a simulation counts as failed."""
    level: float = Field(0.95, gt=0, lt=1)
    """Of the intervals by profile likelihood."""
    points: int = Field(60, ge=4)
    """Points of a profile on each side of the optimum, at most."""


@final
@dataclass(frozen=True, slots=True)
class Estimation:
    """What became of a problem.

    nominal: the objective at the nominal parameters; not a number where they have none.
    profiles, findings: of the parameters that were asked for. trade_offs: null directions of the
    Fisher information at the optimum.
    """

    objective: PetabObjective
    fit: Fit
    nominal: float
    profiles: tuple[Profile, ...]
    findings: tuple[Finding, ...]
    trade_offs: tuple[TradeOff, ...]

    @property
    def parameters(self) -> dict[str, float]:
        """Estimated parameter -> its value at the optimum, not scaled."""
        found = self.objective.parameters(self.fit.optimum)
        return {id: found[id] for id in self.objective.ids}

    @property
    def at_bound(self) -> tuple[str, ...]:
        """Parameters whose optimum is at a bound, to a thousandth of the way between both."""
        lower, upper = self.objective.lower, self.objective.upper
        near = 1e-3 * (upper - lower)
        is_at = (self.fit.optimum <= lower + near) | (self.fit.optimum >= upper - near)
        return tuple(id for id, one in zip(self.objective.ids, is_at, strict=True) if one)


def estimate(
    problem: PetabProblem,
    optimiser: Optimiser,
    options: EstimationOptions,
    run: RunContext,
    profiled: tuple[str, ...] = (),
) -> Estimation:
    """Fit a problem from many starts, and follow the profiles of some parameters.

    No start is at the nominal parameters. Raises DataError on bounds that are not finite, on a
    parameter to be profiled that is not estimated, EngineError on a model without
    sensitivities, NotConverged where no start has a solution.
    """
    tolerances = {"rtol": options.rtol, "atol": options.atol, "max_steps": options.max_steps}
    objective = petab_objective(problem, SolverOptions.model_validate(tolerances))
    for id in profiled:
        if id not in objective.ids:
            raise DataError(
                f"no parameter {id!r} is estimated; those are {', '.join(objective.ids)}"
            )
    found = fit(
        objective, optimiser, FitOptions(starts=options.starts, redraws=options.redraws), run
    )
    asked = ProfileOptions(level=options.level, points=options.points)
    drawn = profiles(objective, found.optimum, optimiser, asked, run, profiled)
    scales = {one.id: one.scale for one in objective.estimated}
    told = (finding(one, partial(_plain, scales[one.id])) for one in drawn)
    return Estimation(
        objective,
        found,
        _nominal(objective),
        drawn,
        tuple(told),
        trade_offs(objective.ids, objective.local(found.optimum)),
    )


def _plain(scale: Scale, value: float) -> float:
    return unscaled(value, scale)[0]


def _nominal(objective: PetabObjective) -> float:
    at = np.clip(objective.nominal, objective.lower, objective.upper)
    try:
        return objective.value(at)
    except EngineError:
        return math.nan
