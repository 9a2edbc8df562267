"""Optimisers by name: an objective with bounds and a start -> a local minimum."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from cellula.core.model import Options

__all__ = ["Local", "Minimum", "Objective", "Optimiser"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Local:
    """An objective at one point.

    gradient: (parameters,). curvature: (parameters, parameters), symmetric and positive
    semidefinite, what stands for the second derivatives; of a likelihood the Fisher information.
    """

    value: float
    gradient: Floats
    curvature: Floats


class Objective(Protocol):
    """What is to be made small, such as a negative log-likelihood, between bounds.

    ids: of its parameters, which are on the scale on which they are estimated; lower, upper:
    (parameters,), finite.
    """

    @property
    def ids(self) -> tuple[str, ...]:
        """The names of the parameters."""

    @property
    def lower(self) -> Floats:
        """The least values."""

    @property
    def upper(self) -> Floats:
        """The greatest values."""

    def value(self, at: Floats) -> float:
        """The objective at a point (parameters,). Raises EngineError where it has none."""

    def local(self, at: Floats) -> Local:
        """The objective with its derivatives. Raises EngineError where it has none."""


@dataclass(frozen=True, slots=True)
class Minimum:
    """Where a descent ended, and why.

    point: (parameters,). evaluations: of the objective, with derivatives or without.
    failures: those of them without a solution. reason: in words.
    """

    point: Floats
    value: float
    evaluations: int
    failures: int
    is_converged: bool
    reason: str


@runtime_checkable
class Optimiser(Protocol):
    """Descends from a start to a local minimum between bounds.

    ``references`` are keys of ``references.bib``. The same start gives the same bits.
    """

    name: ClassVar[str]
    options_type: ClassVar[type[Options]]
    references: ClassVar[tuple[str, ...]]
    options: Any

    def __init__(self, options: Any) -> None: ...

    def minimise(self, objective: Objective, start: NDArray[np.float64]) -> Minimum:
        """The minimum below a start (parameters,).

        A point at which the objective raises EngineError counts as infinite, and as a failure;
        where the start is such a point, the value that is told is infinite.
        """
