"""What training tells of a model's errors on new units: all that a method of intervals may see."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from cellula.core.comparison import Comparison
from cellula.core.dataset import Dataset
from cellula.core.model import Fitted, Options, State
from cellula.core.prediction import Prediction
from cellula.core.query import QueryTable
from cellula.core.run import RunContext
from cellula.data.splits import Fold
from cellula.evaluation.uncertainty.question_distance import QuestionDistance

__all__ = ["InsideTraining", "IntervalMethod", "Restoring", "Wrapped"]


@dataclass(frozen=True, slots=True)
class InsideTraining:
    """A model fitted on all of training, and its errors where training was split inside.

    fitted: on all of ``train``. held_out: groups of training beside the predictions of fits that
    had not seen them; fold: (groups,) which of ``folds`` each belongs to; of_folds: their fits.
    unit: what is exchangeable, the unit of replication.
    """

    fitted: Fitted
    held_out: Comparison
    fold: NDArray[np.int64]
    folds: tuple[Fold, ...]
    of_folds: tuple[Fitted, ...]
    train: Dataset
    unit: str

    def distance(self) -> QuestionDistance:
        """The distance to the questions of all of training."""
        return QuestionDistance.of(self.train)

    def distances(self) -> NDArray[np.float64]:
        """Distance of every group to the training of the fit that answered it: (groups,)."""
        found = np.empty(len(self.fold))
        asked = QueryTable.from_frame(self.held_out.groups)
        for number, fold in enumerate(self.folds):
            rows = self.fold == number
            known = QuestionDistance.of(self.train.take(fold.train))
            found[rows] = known.at(asked.take(rows))
        return found


class Restoring(Protocol):
    """What makes a fitted model of its state again: a model, or a method around one."""

    def restore(self, state: State) -> Fitted:
        """See :meth:`cellula.core.model.Model.restore`."""


@runtime_checkable
class Wrapped(Protocol):
    """A fitted model with intervals; ``reason``: why it gives none, or ""."""

    @property
    def fitted(self) -> Fitted:
        """The model inside, whose means do not change."""

    @property
    def reason(self) -> str:
        """Why no interval can be given, "" where one is."""

    def predict(
        self, queries: QueryTable, control: Dataset | None, run: RunContext
    ) -> Iterator[Prediction]:
        """See :meth:`cellula.core.model.Fitted.predict`."""

    def state(self) -> State:
        """See :meth:`cellula.core.model.Fitted.state`."""


@runtime_checkable
class IntervalMethod(Protocol):
    """A plug-in of ``cellula.uncertainty`` that makes intervals; ``options`` has a ``level``."""

    name: ClassVar[str]
    options_type: ClassVar[type[Options]]
    references: ClassVar[tuple[str, ...]]
    options: Any

    def wrap(self, inside: InsideTraining) -> Wrapped:
        """The model with intervals, of which every new unit's are held with the level's chance.

        Raises DataError where the method needs what training does not tell.
        """

    def restore(self, state: State, model: Restoring) -> Wrapped:
        """The wrapped model whose state this is; ``model`` restores the one inside."""
