"""Steps that turn one dataset into another: fitted on training rows, applied to any."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from cellula.core.dataset import Dataset, Matrix
from cellula.core.model import Options, State
from cellula.core.run import RunContext

__all__ = ["CountSpace", "ExpectedCounts", "FittedTransform", "Transform"]


@dataclass(frozen=True, slots=True)
class ExpectedCounts:
    """What is expected of cells: negative-binomial counts, some of them lost.

    mean: (cells, readouts), before any is lost; inverse_dispersion: (cells, readouts) the r of
    the variance mean + mean^2 / r; absent: (cells, readouts) the probability that a count is lost
    and 0, which is 0 where the likelihood has no such part.
    """

    mean: NDArray[np.float64]
    inverse_dispersion: NDArray[np.float64]
    absent: NDArray[np.float64]


@runtime_checkable
class FittedTransform(Protocol):
    """A transform that has seen its training data."""

    def apply(self, data: Dataset) -> Dataset:
        """The transformed dataset: same profiles in the same order."""

    def state(self) -> State:
        """What was learned, as arrays and JSON."""


@runtime_checkable
class CountSpace(FittedTransform, Protocol):
    """A fitted transform that gives a cell's counts a state, and a state its expected counts."""

    def encode(self, counts: Matrix) -> NDArray[np.float64]:
        """Mean states (cells, coordinates) of counts (cells, readouts), dense or CSR."""

    def decode(self, states: NDArray[np.float64], depth: NDArray[np.float64]) -> ExpectedCounts:
        """What is expected of cells in these states, with ``depth`` (cells,) counts in all."""


@runtime_checkable
class Transform(Protocol):
    """Options in, fitted transform out."""

    name: ClassVar[str]
    options_type: ClassVar[type[Options]]
    references: ClassVar[tuple[str, ...]]
    options: Any

    def __init__(self, options: Any) -> None: ...

    def fit(self, data: Dataset, run: RunContext) -> FittedTransform:
        """Learn from ``data``, which must hold no held-out profile."""

    def restore(self, state: State) -> FittedTransform:
        """The fitted transform whose state this is."""
