"""The one contract of every virtual cell, learned or mechanistic."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from cellula.core.claim import ClaimKind
from cellula.core.dataset import Dataset
from cellula.core.prediction import Prediction
from cellula.core.query import QueryTable
from cellula.core.run import RunContext

__all__ = [
    "Assimilating",
    "Attribution",
    "Capabilities",
    "Composed",
    "Explaining",
    "Fitted",
    "Located",
    "Model",
    "Options",
    "State",
    "located",
    "model_files",
]


class Options(BaseModel):
    """Options of a plug-in: strict, frozen, unknown names are errors."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, allow_inf_nan=False, use_attribute_docstrings=True
    )


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a model can be asked.

    claims: the claim kinds it has an answer to. needs_control: whether it needs control
    profiles. needs_context_features, needs_perturbation_features: tables it cannot do without;
    needs_features: whether it needs one of the two, whichever.
    needs_structures: whether it needs structures of compounds.
    predicts_cells: whether its predictions carry populations.
    """

    claims: frozenset[ClaimKind]
    needs_control: bool = False
    needs_context_features: bool = False
    needs_perturbation_features: bool = False
    predicts_cells: bool = False
    needs_structures: bool = False
    needs_features: bool = False


@dataclass(frozen=True, slots=True)
class State:
    """A fitted model as arrays by name and JSON, never pickle."""

    arrays: Mapping[str, NDArray[Any]]
    meta: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Attribution:
    """How much each feature moved a prediction.

    features: names; values: (readouts or perturbations, features), in units of the prediction,
    for a feature that turns from absent to present, or rises by one standard deviation;
    rows: the name of every row of ``values``; method: how it was computed, in words.
    """

    rows: tuple[str, ...]
    features: tuple[str, ...]
    values: NDArray[np.float64]
    method: str


@runtime_checkable
class Composed(Protocol):
    """A model made of others, which needs what they need."""

    @property
    def parts(self) -> tuple[Model, ...]:
        """The models it fits."""


@runtime_checkable
class Located(Protocol):
    """A model whose options name files, or those of a model that it is made of."""

    @property
    def files(self) -> tuple[Path, ...]:
        """The files that it reads, as it would open them."""

    def within(self, folder: Path) -> Self:
        """The same model with relative paths that start from ``folder``: that of a study's data."""


@runtime_checkable
class Fitted(Protocol):
    """A model that has seen its training data; immutable."""

    def predict(
        self, queries: QueryTable, control: Dataset | None, run: RunContext
    ) -> Iterator[Prediction]:
        """Answer the queries in their order, in batches of bounded memory.

        control: control profiles of the queried contexts, or None where the value type is
        absolute. Every query gets a finite mean and an in-domain flag.
        """

    def state(self) -> State:
        """Everything needed to answer again: :meth:`Model.restore` gives equal predictions."""


@runtime_checkable
class Assimilating(Fitted, Protocol):
    """A fitted model of an individual that takes observations as they arrive (a twin)."""

    def update(self, observed: Dataset, run: RunContext) -> Fitted:
        """A new fitted model that has also seen ``observed``; this one does not change."""


@runtime_checkable
class Explaining(Fitted, Protocol):
    """A fitted model that says which features its predictions rest on."""

    def attribute(self) -> Attribution:
        """The attribution of every feature, exact for a linear model."""


@runtime_checkable
class Model(Protocol):
    """Options in, fitted object out: no half-built states.

    ``references`` are keys of ``references.bib``.
    """

    name: ClassVar[str]
    options_type: ClassVar[type[Options]]
    capabilities: ClassVar[Capabilities]
    references: ClassVar[tuple[str, ...]]
    options: Any

    def __init__(self, options: Any) -> None: ...

    def fit(self, train: Dataset, valid: Dataset | None, run: RunContext) -> Fitted:
        """Fit on ``train``; tune on ``valid`` where given, then refit on both together.

        train and valid are disjoint and were split as the claim splits its hold-out, so a
        score on ``valid`` tells how the model will do on the claim. Without ``valid`` the
        options' defaults are used as they stand.
        """

    def restore(self, state: State) -> Fitted:
        """The fitted object whose :meth:`Fitted.state` this is."""


def located(model: Model, folder: Path) -> Model:
    """The model with relative paths that start from ``folder``; itself where it names none."""
    return model.within(folder) if isinstance(model, Located) else model


def model_files(model: Model) -> tuple[Path, ...]:
    """The files that a model reads; none where it names none."""
    return model.files if isinstance(model, Located) else ()
