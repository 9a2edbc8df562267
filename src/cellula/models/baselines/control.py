"""The control itself: the answer that nothing happens."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
from pydantic import Field

from cellula.core.claim import ClaimKind
from cellula.core.dataset import Dataset
from cellula.core.errors import DataError
from cellula.core.model import Capabilities, Options, State
from cellula.core.prediction import Prediction
from cellula.core.query import QueryTable
from cellula.core.run import RunContext
from cellula.models.baselines.answer import Answer, Effects
from cellula.models.baselines.reference import Reference

__all__ = ["Control", "ControlOptions", "FittedControl"]


class ControlOptions(Options):
    """Options of :class:`Control`."""

    cells: int = Field(default=300, ge=0)
    """The most cells of a predicted population; 0: means only."""


@final
@dataclass(frozen=True, slots=True)
class Control:
    """Assumes that a perturbation changes nothing.

    Predicts the control mean of the query's context, whatever the perturbation. On log1p cells
    the prediction carries control cells of that context.
    """

    options: ControlOptions

    name: ClassVar[str] = "control"
    options_type: ClassVar[type[Options]] = ControlOptions
    capabilities: ClassVar[Capabilities] = Capabilities(
        frozenset(ClaimKind), needs_control=True, predicts_cells=True
    )
    references: ClassVar[tuple[str, ...]] = ()

    def fit(self, train: Dataset, valid: Dataset | None, run: RunContext) -> FittedControl:
        """Take the control means of training; DataError where there is no control."""
        reference = Reference.of([train] if valid is None else [train, valid])
        if reference is None:
            raise DataError(
                "the model 'control' needs control profiles and these data have none; name the "
                "column that marks them in the role is_control, or take 'mean_response'"
            )
        return FittedControl(Answer.of(train, reference, self.options.cells))

    def restore(self, state: State) -> FittedControl:
        """See :meth:`cellula.core.model.Model.restore`."""
        return FittedControl(Answer.restore(state.arrays, state.meta))


@final
@dataclass(frozen=True, slots=True)
class FittedControl:
    """The control means of every context."""

    answer: Answer

    def predict(
        self, queries: QueryTable, control: Dataset | None, run: RunContext
    ) -> Iterator[Prediction]:
        """See :meth:`cellula.core.model.Fitted.predict`; in domain where there are controls."""
        return self.answer.stream(queries, self._nothing, control, run)

    def state(self) -> State:
        """See :meth:`cellula.core.model.Fitted.state`."""
        return self.answer.state()

    def _nothing(self, queries: QueryTable) -> Effects:
        n = len(queries)
        return Effects(np.zeros((n, len(self.answer.readouts))), np.ones(n, bool))
