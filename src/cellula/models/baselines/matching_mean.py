"""The matching mean: a combination does what its components do on average."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import ClassVar, final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field

from cellula.core.claim import ClaimKind
from cellula.core.dataset import Dataset
from cellula.core.model import Capabilities, Options, State
from cellula.core.perturbation import components
from cellula.core.prediction import Prediction
from cellula.core.query import QueryTable
from cellula.core.run import RunContext
from cellula.models.baselines.answer import Answer, Effects, joined
from cellula.models.baselines.encoding import Treatments, group_means, unique_labels
from cellula.models.baselines.tuning import train_and_valid

__all__ = ["FittedMatchingMean", "MatchingMean", "MatchingMeanOptions"]


class MatchingMeanOptions(Options):
    """Options of :class:`MatchingMean`."""

    cells: int = Field(default=300, ge=0)
    """The most cells of a predicted population; 0: means only."""


@final
@dataclass(frozen=True, slots=True)
class MatchingMean:
    """Assumes that a combination does what its components do alone, on average, in every context.

    delta = 1/n sum over the n components of a combination of delta_i.
    delta_i is the mean response of component i alone; a component never measured alone counts
    with the mean over all perturbations. A perturbation that was measured itself, single or
    combination, has its own mean response: on singles this is the model 'mean_response'.
    In domain: the treatment, or each of its components, was seen (at the queried dose and time,
    where the data have such).
    """

    options: MatchingMeanOptions

    name: ClassVar[str] = "matching_mean"
    options_type: ClassVar[type[Options]] = MatchingMeanOptions
    capabilities: ClassVar[Capabilities] = Capabilities(frozenset(ClaimKind), predicts_cells=True)
    references: ClassVar[tuple[str, ...]] = ()

    def fit(self, train: Dataset, valid: Dataset | None, run: RunContext) -> FittedMatchingMean:
        """Average train and valid together: there is nothing to tune."""
        _, _, both, reference = train_and_valid(train, valid)
        known = both.treatments
        answer = Answer.of(train, reference, self.options.cells)
        return FittedMatchingMean(known, known.with_fallbacks(both.effects()), answer)

    def restore(self, state: State) -> FittedMatchingMean:
        """See :meth:`cellula.core.model.Model.restore`."""
        return FittedMatchingMean.restore(state)


@final
@dataclass(frozen=True, slots=True)
class FittedMatchingMean:
    """Mean responses of treatments: (treatments.n_rows, readouts), in units of the values.

    exponent: k of an unseen combination, n^-k times the sum of its n components: 1 their mean.
    One of whose components none was ever seen has the mean response.
    """

    treatments: Treatments
    effect: NDArray[np.float64]
    answer: Answer
    exponent: float = 1.0

    def effects(self, queries: QueryTable) -> Effects:
        """The mean response, of the components where the perturbation was never measured.

        Shape (queries, readouts).
        """
        row = self.treatments.positions(queries)
        mean, in_domain = self.effect[row], self.treatments.is_seen[row]
        labels, inverse = unique_labels(queries.perturbation)
        parts = [components(label) for label in labels]
        n_parts = np.array([len(part) for part in parts])[inverse]
        matched = np.flatnonzero((row == self.treatments.n_rows - 1) & (n_parts > 1))
        if len(matched):
            owner = np.repeat(np.arange(len(matched)), n_parts[matched])
            names = [name for code in inverse[matched] for name in parts[code]]
            asked = replace(queries.take(matched[owner]), perturbation=pd.Categorical(names))
            part_row = self.treatments.positions(asked)
            average = group_means(self.effect[part_row], owner, len(matched))
            is_strange = part_row == self.treatments.n_rows - 1
            strange = np.bincount(owner, is_strange, len(matched))
            parts_known = strange < n_parts[matched]
            factor = np.where(parts_known, n_parts[matched] ** (1.0 - self.exponent), 1.0)
            mean[matched] = average * factor[:, None]
            unseen = np.bincount(owner, ~self.treatments.is_seen[part_row], len(matched))
            in_domain[matched] = unseen == 0
        return Effects(mean, in_domain)

    def predict(
        self, queries: QueryTable, control: Dataset | None, run: RunContext
    ) -> Iterator[Prediction]:
        """See :meth:`cellula.core.model.Fitted.predict`."""
        return self.answer.stream(queries, self.effects, control, run)

    def state(self) -> State:
        """See :meth:`cellula.core.model.Fitted.state`."""
        own = State({"effect": self.effect}, {"exponent": self.exponent})
        return joined(self.treatments.state(), own, self.answer.state())

    @classmethod
    def restore(cls, state: State) -> FittedMatchingMean:
        """The fitted model of a state."""
        return cls(
            Treatments.restore(state.arrays, state.meta),
            state.arrays["effect"],
            Answer.restore(state.arrays, state.meta),
            float(state.meta["exponent"]),
        )
