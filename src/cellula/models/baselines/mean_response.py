"""The mean response: what a perturbation does on average, wherever it is applied."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
from pydantic import Field

from cellula.core.claim import ClaimKind
from cellula.core.dataset import Dataset
from cellula.core.model import Capabilities, Options, State
from cellula.core.run import RunContext
from cellula.models.baselines.answer import Answer
from cellula.models.baselines.response_table import FittedTable, ResponseTable
from cellula.models.baselines.tuning import train_and_valid

__all__ = ["MeanResponse", "MeanResponseOptions"]


class MeanResponseOptions(Options):
    """Options of :class:`MeanResponse`."""

    cells: int = Field(default=300, ge=0)
    """The most cells of a predicted population; 0: means only."""


@final
@dataclass(frozen=True, slots=True)
class MeanResponse:
    """Assumes that every context responds to a treatment like the average of those measured.

    The effect of a treatment averaged over training contexts, each with equal weight. With
    controls the effect is (pseudobulk - control) and is added to the control mean of the query's
    context; without them it is the mean value (on drug responses: the drug mean). An unseen dose
    or time gets its perturbation's mean, an unseen perturbation the mean over all. In domain: the
    treatment was seen, and where there are controls the context has some.
    """

    options: MeanResponseOptions

    name: ClassVar[str] = "mean_response"
    options_type: ClassVar[type[Options]] = MeanResponseOptions
    capabilities: ClassVar[Capabilities] = Capabilities(frozenset(ClaimKind), predicts_cells=True)
    references: ClassVar[tuple[str, ...]] = ("ahlmanneltze2025",)

    def fit(self, train: Dataset, valid: Dataset | None, run: RunContext) -> FittedTable:
        """Average train and valid together: there is nothing to tune."""
        _, _, both, reference = train_and_valid(train, valid)
        table = ResponseTable(
            both.treatments,
            (),
            both.treatments.with_fallbacks(both.effects()),
            np.ones(1, bool),
            both.treatments.is_seen,
        )
        return FittedTable(table, Answer.of(train, reference, self.options.cells))

    def restore(self, state: State) -> FittedTable:
        """See :meth:`cellula.core.model.Model.restore`."""
        return FittedTable.restore(state)
