"""The additive expectation of a combination: the sum of what its components do alone."""

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
from cellula.core.errors import DataError
from cellula.core.model import Capabilities, Options, State
from cellula.core.perturbation import components
from cellula.core.prediction import Prediction
from cellula.core.query import QueryTable
from cellula.core.run import RunContext
from cellula.models.baselines.answer import Answer, Effects, joined
from cellula.models.baselines.encoding import Treatments, unique_labels
from cellula.models.baselines.tuning import train_and_valid

__all__ = ["Additive", "AdditiveOptions", "FittedAdditive"]


class AdditiveOptions(Options):
    """Options of :class:`Additive`."""

    cells: int = Field(default=300, ge=0)
    """The most cells of a predicted population; 0: means only."""


@final
@dataclass(frozen=True, slots=True)
class Additive:
    """Assumes that the effects of the parts of a combination add up, and that each part does in
    every context what it did alone on average.

    control + sum over components of the component's mean effect alone [ahlmanneltze2025]_. An
    effect is (pseudobulk - control) averaged over training contexts with equal weight; a
    component not measured alone has the mean effect of all that were. A sum needs effects
    relative to a control, so tables of absolute values without controls are refused. In domain:
    every component was measured alone (at the queried dose and time, where the data have such).
    """

    options: AdditiveOptions

    name: ClassVar[str] = "additive"
    options_type: ClassVar[type[Options]] = AdditiveOptions
    capabilities: ClassVar[Capabilities] = Capabilities(
        frozenset(ClaimKind), needs_control=True, predicts_cells=True
    )
    references: ClassVar[tuple[str, ...]] = ("ahlmanneltze2025",)

    def fit(self, train: Dataset, valid: Dataset | None, run: RunContext) -> FittedAdditive:
        """Take the effects of all single perturbations; there is nothing to tune.

        Raises DataError where there is no control, or no perturbation with one component.
        """
        _, _, both, reference = train_and_valid(train, valid)
        if reference is None:
            raise DataError(
                "the model 'additive' adds effects relative to a control and these data have no "
                "control; name the column that marks them in the role is_control, or take "
                "'row_column_offset', which is additive in perturbation and context"
            )
        known = both.treatments
        is_single = np.array([len(components(p)) == 1 for p in known.perturbations])
        if not is_single.any():
            raise DataError(
                f"all {len(is_single)} training perturbations are combinations, e.g. "
                f"{known.perturbations[0]!r}; 'additive' needs perturbations with one component"
            )
        rows = np.flatnonzero(is_single[known.perturbation])
        kept = np.flatnonzero(is_single)
        singles = Treatments(
            tuple(known.perturbations[i] for i in kept),
            np.searchsorted(kept, known.perturbation[rows]).astype(np.int64),
            known.dose_molar[rows],
            known.time_s[rows],
        )
        effect = singles.with_fallbacks(both.effects()[rows])
        answer = Answer.of(train, reference, self.options.cells)
        return FittedAdditive(singles, effect, answer)

    def restore(self, state: State) -> FittedAdditive:
        """See :meth:`cellula.core.model.Model.restore`."""
        return FittedAdditive(
            Treatments.restore(state.arrays, state.meta),
            state.arrays["effect"],
            Answer.restore(state.arrays, state.meta),
        )


@final
@dataclass(frozen=True, slots=True)
class FittedAdditive:
    """Effects of single treatments: (singles.n_rows, readouts), in units of the values."""

    singles: Treatments
    effect: NDArray[np.float64]
    answer: Answer

    def effects(self, queries: QueryTable) -> Effects:
        """The sum of the effects of every query's components: (queries, readouts)."""
        labels, inverse = unique_labels(queries.perturbation)
        parts = [components(label) for label in labels]
        mean = np.zeros((len(queries), self.effect.shape[1]))
        in_domain = np.array([len(part) > 0 for part in parts])[inverse]
        for place in range(max(map(len, parts), default=0)):
            rows = np.flatnonzero(np.array([len(part) > place for part in parts])[inverse])
            names = [part[place] if len(part) > place else "" for part in parts]
            row = self.singles.positions(_renamed(queries.take(rows), names, inverse[rows]))
            mean[rows] += self.effect[row]
            in_domain[rows] &= self.singles.is_seen[row]
        return Effects(mean, in_domain)

    def predict(
        self, queries: QueryTable, control: Dataset | None, run: RunContext
    ) -> Iterator[Prediction]:
        """See :meth:`cellula.core.model.Fitted.predict`."""
        return self.answer.stream(queries, self.effects, control, run)

    def state(self) -> State:
        """See :meth:`cellula.core.model.Fitted.state`."""
        return joined(self.singles.state(), State({"effect": self.effect}), self.answer.state())


def _renamed(queries: QueryTable, names: list[str], code: NDArray[np.int64]) -> QueryTable:
    """The queries with other perturbations: ``names[code]``."""
    distinct = sorted(set(names))
    place = np.array([distinct.index(name) for name in names])
    return replace(queries, perturbation=pd.Categorical.from_codes(place[code], distinct))
