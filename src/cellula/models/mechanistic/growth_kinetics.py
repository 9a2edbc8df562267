"""Growth under a drug: division and death follow Hill curves of the dose, in every line."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, TypeAlias, final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from cellula.core.claim import ClaimKind
from cellula.core.dataset import Dataset
from cellula.core.errors import DataError
from cellula.core.model import Capabilities, Options, State
from cellula.core.prediction import Prediction
from cellula.core.query import QueryTable
from cellula.core.run import RunContext
from cellula.kernels.blas_threads import one_blas_thread
from cellula.models.baselines.answer import Answer, Effects, joined
from cellula.models.baselines.encoding import canonical_label, unique_labels
from cellula.models.baselines.reference import Reference
from cellula.models.mechanistic.growth_courses import (
    LEAST_DOSE_MOLAR,
    CourseOptions,
    division_rates,
    growth_courses,
)
from cellula.models.mechanistic.growth_fit import GrowthParameters, fit_growth, tuned_shrinkage
from cellula.models.mechanistic.growth_rates import growth_change

__all__ = ["FittedGrowthKinetics", "GrowthKinetics", "GrowthKineticsOptions", "GrowthQuestions"]

Floats: TypeAlias = NDArray[np.float64]


@final
class GrowthKineticsOptions(CourseOptions):
    """Options of :class:`GrowthKinetics`."""

    noise: float = Field(default=0.2, gt=0)
    """Standard deviation of log2 cells of a question that is no growth."""
    shrinkage: float = Field(default=0.3, gt=0)
    """How far a line may be from its drug, in standard deviations of the prior; tuned on
    validation data."""


@dataclass(frozen=True, slots=True)
class GrowthQuestions:
    """Queries as the parameters know them: codes (queries,), -1 where unknown; log10 of doses."""

    drug: NDArray[np.int64]
    line: NDArray[np.int64]
    log10_dose: Floats

    @classmethod
    def of(cls, queries: QueryTable, known: GrowthParameters) -> GrowthQuestions:
        """The codes of queries. Raises DataError where they have no dose."""
        if queries.dose_molar is None:
            raise DataError("a model of growth is asked for a dose; give dose_molar")
        drugs, of_drug = unique_labels(queries.perturbation)
        lines, of_line = unique_labels(queries.context)
        drug, line = known.codes([canonical_label(name) for name in drugs], lines)
        dose = np.log10(np.maximum(queries.dose_molar, LEAST_DOSE_MOLAR))
        return cls(drug[of_drug], line[of_line], dose)

    def in_domain(self, known: GrowthParameters) -> NDArray[np.bool_]:
        """Whether the pair was fitted, and the dose lies among those of its drug."""
        inside = (self.log10_dose >= known.least[self.drug]) & (
            self.log10_dose <= known.most[self.drug]
        )
        return np.asarray(known.is_fitted[self.drug, self.line] & inside)


@final
@dataclass(frozen=True, slots=True)
class GrowthKinetics:
    """Assumes that cells grow exponentially, that a drug lowers their division and raises their
    death along a Hill curve of the dose each, and that it does so after a delay.

    dN/dt = (b - l(dose) (1 - exp(-k t))) N with l = b a H1 + D H2, the rates in doublings per hour
    [harrisfrick2016]_. b is that of the untreated cells of the line, to whose growth the change is
    added. Each drug has its parameters, fitted to all lines by least squares under a wide prior,
    and every measured line its own, drawn to the drug's; by how much is tuned on validation data.
    Counts alone hardly tell less division from more death. An unmeasured line has what the drug
    does in others, at its own division rate. In domain: the pair was measured, and the dose lies
    between the lowest and the highest of the drug.
    """

    options: GrowthKineticsOptions

    name: ClassVar[str] = "growth_kinetics"
    options_type: ClassVar[type[Options]] = GrowthKineticsOptions
    capabilities: ClassVar[Capabilities] = Capabilities(frozenset(ClaimKind), needs_control=True)
    references: ClassVar[tuple[str, ...]] = ("harrisfrick2016",)

    def fit(self, train: Dataset, valid: Dataset | None, run: RunContext) -> FittedGrowthKinetics:
        """Choose the shrinkage on ``valid``, then fit both together.

        Raises DataError without controls or doses, on a readout that has no time, and on values
        that are no growth.
        """
        options = self.options
        seen, held, both, reference = growth_courses(train, valid, options, self.name)
        with one_blas_thread():
            shrinkage = options.shrinkage
            if held is not None:
                shrinkage = tuned_shrinkage(seen, held, reference, options.noise)
            found = fit_growth(both, reference, options.noise, shrinkage)
        return FittedGrowthKinetics(found, both.hours, Answer.of(train, reference, 0))

    def restore(self, state: State) -> FittedGrowthKinetics:
        """See :meth:`cellula.core.model.Model.restore`."""
        return FittedGrowthKinetics(
            GrowthParameters.restore(state),
            state.arrays["growth_hours"],
            Answer.restore(state.arrays, state.meta),
        )


@final
@dataclass(frozen=True, slots=True)
class FittedGrowthKinetics:
    """parameters: of every drug and line; hours: (readouts,) of the courses."""

    parameters: GrowthParameters
    hours: Floats
    answer: Answer

    def effects(self, queries: QueryTable, reference: Reference) -> Effects:
        """The change of growth that every query asks for: (queries, readouts)."""
        asked = GrowthQuestions.of(queries, self.parameters)
        labels, place = unique_labels(queries.context)
        division = division_rates(reference, self.hours, labels)[place]
        mean = growth_change(
            self.parameters.values[asked.drug, asked.line][:, None, :],
            asked.log10_dose[:, None],
            division[:, None],
            np.broadcast_to(self.hours, (len(queries), len(self.hours))),
        )
        return Effects(mean, asked.in_domain(self.parameters))

    def predict(
        self, queries: QueryTable, control: Dataset | None, run: RunContext
    ) -> Iterator[Prediction]:
        """See :meth:`cellula.core.model.Fitted.predict`."""
        reference = self.answer.reference_with(control)
        if reference is None:
            raise DataError("a fitted 'growth_kinetics' has controls, and this state has none")

        def effect(batch: QueryTable) -> Effects:
            return self.effects(batch, reference)

        return self.answer.stream(queries, effect, control, run)

    def state(self) -> State:
        """See :meth:`cellula.core.model.Fitted.state`."""
        hours = State({"growth_hours": self.hours})
        return joined(hours, self.parameters.state(), self.answer.state())
