"""Steps that turn one dataset into another: fitted on training rows, applied to any."""

from __future__ import annotations

from typing import Any, ClassVar, Protocol, runtime_checkable

from cellula.core.dataset import Dataset
from cellula.core.model import Options, State
from cellula.core.run import RunContext

__all__ = ["FittedTransform", "Transform"]


@runtime_checkable
class FittedTransform(Protocol):
    """A transform that has seen its training data."""

    def apply(self, data: Dataset) -> Dataset:
        """The transformed dataset: same profiles in the same order."""

    def state(self) -> State:
        """What was learned, as arrays and JSON."""


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
