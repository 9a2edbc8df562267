"""Abstention: a question that is too far or too uncertain is out of domain."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal, final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from cellula.core.comparison import Comparison
from cellula.core.dataset import Dataset
from cellula.core.errors import DataError
from cellula.core.model import Fitted, Options, State
from cellula.core.nested import inner_state, nested_state
from cellula.core.prediction import Prediction
from cellula.core.query import QueryTable
from cellula.core.run import RunContext
from cellula.evaluation.uncertainty.difficulty import Difficulty, difficulty_of, half_spread
from cellula.evaluation.uncertainty.inside_training import InsideTraining, Restoring
from cellula.evaluation.uncertainty.question_distance import QuestionDistance

__all__ = ["Abstaining", "Abstention", "AbstentionOptions", "group_doubt"]

Floats = NDArray[np.float64]


@final
class AbstentionOptions(Options):
    """Options of :class:`Abstention`."""

    share: float = Field(default=0.2, gt=0.0, lt=1.0)
    """The share of questions like those held out that is declined: the most doubtful."""
    by: Literal["distance", "spread", "estimated"] = "distance"
    """What doubt is: the distance to the questions of training, the model's own interval, or the
    error that distance, dose, time, number of components and size of the answer lead to expect."""


@final
@dataclass(frozen=True, slots=True)
class Abstaining:
    """A fitted model that is out of domain where its doubt is above ``threshold``."""

    fitted: Fitted
    threshold: float
    distance: QuestionDistance | None
    difficulty: Difficulty | None = None

    def predict(
        self, queries: QueryTable, control: Dataset | None, run: RunContext
    ) -> Iterator[Prediction]:
        """The predictions of the model inside; fewer of them in domain, none more."""
        for batch in self.fitted.predict(queries, control, run):
            doubt = self.doubt(batch)
            yield replace(batch, in_domain=batch.in_domain & (doubt <= self.threshold))

    def doubt(self, batch: Prediction) -> Floats:
        """The doubt of every answer: (queries,)."""
        far = None if self.distance is None else self.distance.at(batch.queries)
        if self.difficulty is not None:
            here = np.arange(batch.mean.shape[1])
            return self.difficulty.of(batch.queries, batch.mean, (None, None), far, here)[:, 0]
        if far is not None:
            return far
        return np.asarray(half_spread(batch.lower, batch.upper).mean(axis=1), np.float64)

    def state(self) -> State:
        """The state of the model inside beside the threshold."""
        meta: dict[str, Any] = {
            "threshold": self.threshold,
            "has_distance": self.distance is not None,
            "has_difficulty": self.difficulty is not None,
        }
        parts = {"fitted": self.fitted.state()}
        if self.difficulty is not None:
            parts["difficulty"] = self.difficulty.state()
        if self.distance is not None:
            parts["distance"] = self.distance.state()
        return nested_state(State({}, meta), parts)


@final
class Abstention:
    """Declines the share of questions that a model doubts most.

    The threshold is the quantile 1 - share of the doubt over held-out groups, every unit of
    replication weighing the same. Whether to abstain lowers the error is told by
    :mod:`cellula.evaluation.risk_coverage`, not assumed.
    """

    name: ClassVar[str] = "abstention"
    options_type: ClassVar[type[Options]] = AbstentionOptions
    references: ClassVar[tuple[str, ...]] = ("geifman2017",)
    options: AbstentionOptions

    def __init__(self, options: AbstentionOptions) -> None:
        self.options = options

    def calibrate_on(
        self,
        fitted: Fitted,
        held_out: Comparison,
        distance: QuestionDistance | None = None,
        of_groups: Floats | None = None,
    ) -> Abstaining:
        """The fitted model with its threshold from groups that it had NOT seen.

        Arguments as those of ``AdaptiveConformal.calibrate_on``. Raises DataError where the
        distance, or the model's own interval, is missing.
        """
        by_distance = self.options.by != "spread"
        if by_distance and distance is None:
            raise DataError(
                f"abstaining by {self.options.by} needs the distance to the training questions; "
                "hand over QuestionDistance.of(train), or take by = 'spread'"
            )
        kept = distance if by_distance else None
        doubt = of_groups if by_distance and of_groups is not None else group_doubt(held_out, kept)
        difficulty = None
        if self.options.by == "estimated":
            residual = np.abs(held_out.observed - held_out.predicted)
            difficulty, own = difficulty_of("estimated", held_out, residual, doubt)
            doubt = own[:, 0]
        codes = np.unique(held_out.unit, return_inverse=True)[1]
        weight = 1.0 / np.bincount(codes)[codes]
        order = np.argsort(doubt, kind="stable")
        reached = np.cumsum(weight[order]) / weight.sum()
        place = int(np.searchsorted(reached, 1.0 - self.options.share - 1e-9))
        return Abstaining(fitted, float(doubt[order][place]), kept, difficulty)

    def wrap_doubt(self, inside: InsideTraining, fitted: Fitted) -> Abstaining:
        """``fitted``, which is ``inside.fitted`` with its intervals, declining what it doubts.

        Raises DataError as :meth:`calibrate_on`.
        """
        if self.options.by == "spread":
            return self.calibrate_on(fitted, inside.held_out)
        return self.calibrate_on(fitted, inside.held_out, inside.distance(), inside.distances())

    def restore(self, state: State, model: Restoring) -> Abstaining:
        """The abstaining model whose state this is; ``model`` restores the one inside."""
        distance = None
        if state.meta["has_distance"]:
            inner = inner_state(state, "distance")
            distance = QuestionDistance.restore(inner.arrays, inner.meta)
        difficulty = None
        if state.meta["has_difficulty"]:
            difficulty = Difficulty.restore(inner_state(state, "difficulty"))
        fitted = model.restore(inner_state(state, "fitted"))
        return Abstaining(fitted, float(state.meta["threshold"]), distance, difficulty)


def group_doubt(comparison: Comparison, distance: QuestionDistance | None) -> Floats:
    """Doubt of every group (groups,): its distance, or without one its mean half interval.

    Raises DataError where there is neither.
    """
    if distance is not None:
        return distance.at(QueryTable.from_frame(comparison.groups))
    return np.asarray(half_spread(comparison.lower, comparison.upper).mean(axis=1), np.float64)
