"""fides: a trust region between bounds, reflected at them."""

from __future__ import annotations

import logging
import math
from importlib.metadata import version
from typing import Any, ClassVar, final

import numpy as np
from fides import ExitFlag, Optimizer, SubSpaceDim
from numpy.typing import NDArray
from pydantic import Field

from cellula.core.errors import EngineError
from cellula.core.model import Options
from cellula.core.optimisation import Minimum, Objective

__all__ = ["Fides", "FidesOptions"]

Floats = NDArray[np.float64]
#: Why it ended, in words.
WORDS = {
    ExitFlag.DID_NOT_RUN: "no value at the start",
    ExitFlag.MAXITER: "too many iterations",
    ExitFlag.NOT_FINITE: "a derivative is not finite",
    ExitFlag.EXCEEDED_BOUNDARY: "left the bounds",
    ExitFlag.DELTA_TOO_SMALL: "the step became too small",
    ExitFlag.FTOL: "the value no longer changes",
    ExitFlag.XTOL: "the point no longer changes",
    ExitFlag.GTOL: "the gradient is flat",
}


@final
class FidesOptions(Options):
    """When a descent ends."""

    max_iterations: int = Field(300, ge=1)
    """Steps tried."""
    atol: float = Field(1e-4, gt=0)
    """It ends where a step changes the value by less than this, in the objective's unit."""
    step: float = Field(1e-8, gt=0)
    """It ends where a step is shorter."""


@final
class Fides:
    """Interior trust-region reflective descent with the objective's own curvature [fides2022]_.

    The steps solve the whole trust-region problem; a point without a value shrinks the region.
    """

    name: ClassVar[str] = "fides"
    package: ClassVar[str] = "fides"
    options_type: ClassVar[type[Options]] = FidesOptions
    references: ClassVar[tuple[str, ...]] = ("fides2022",)

    def __init__(self, options: FidesOptions) -> None:
        self.options = options

    @property
    def version(self) -> str:
        """Of the package."""
        return version(self.package)

    def minimise(self, objective: Objective, start: NDArray[np.float64]) -> Minimum:
        """See :meth:`cellula.core.optimisation.Optimiser.minimise`."""
        counted = _Counted(objective)
        settings = {
            "maxiter": self.options.max_iterations,
            "fatol": self.options.atol,
            "frtol": 0.0,
            "xtol": self.options.step,
            "subspace_solver": SubSpaceDim.FULL,
        }
        lower, upper = np.array(objective.lower), np.array(objective.upper)
        optimizer: Any = Optimizer(counted, upper, lower, logging.CRITICAL, settings)
        first = counted(np.array(start, np.float64))[0]
        if not math.isfinite(first):
            reason = WORDS[ExitFlag.DID_NOT_RUN]
            return Minimum(np.array(start), math.inf, counted.n, counted.n_failed, False, reason)
        with np.errstate(all="ignore"):  # what comes of it is looked at
            optimizer.minimize(np.array(start, np.float64), start_id="start")
        flag = ExitFlag(optimizer.exitflag)
        return Minimum(
            np.clip(optimizer.x_min, lower, upper),
            float(optimizer.fval_min),
            counted.n,
            counted.n_failed,
            flag.value > 0,
            WORDS.get(flag, flag.name),
        )


class _Counted:
    """The objective as the package asks for it, and how often."""

    def __init__(self, objective: Objective) -> None:
        self._objective = objective
        self._last: tuple[bytes, tuple[float, Floats, Floats]] | None = None
        self.n = self.n_failed = 0

    def __call__(self, at: Floats) -> tuple[float, Floats, Floats]:
        key = np.asarray(at, np.float64).tobytes()
        if self._last is not None and self._last[0] == key:
            return self._last[1]
        found = self._found(np.asarray(at, np.float64))
        self._last = key, found
        return found

    def _found(self, at: Floats) -> tuple[float, Floats, Floats]:
        self.n += 1
        try:
            if not np.isfinite(at).all():
                raise EngineError("the step that was proposed is not a number")
            local = self._objective.local(at)
        except EngineError:
            self.n_failed += 1
            nothing = np.full(len(at), math.nan)
            return math.inf, nothing, np.full((len(at), len(at)), math.nan)
        return float(local.value), local.gradient, local.curvature
