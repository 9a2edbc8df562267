"""Ridge regression of responses on features of contexts, or of perturbations."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal, final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from cellula.core.claim import ClaimKind
from cellula.core.dataset import Dataset
from cellula.core.errors import DataError
from cellula.core.model import Attribution, Capabilities, Options, State
from cellula.core.prediction import Prediction
from cellula.core.query import QueryTable
from cellula.core.run import RunContext
from cellula.kernels.blas_threads import one_blas_thread
from cellula.models.baselines.answer import Answer, Effects, joined
from cellula.models.baselines.domain import FeatureDomain
from cellula.models.baselines.encoding import group_means, row_names
from cellula.models.baselines.features import SideFeatures, feature_side
from cellula.models.baselines.masked_ridge import RidgeFit, RidgeProblem
from cellula.models.baselines.perturbation_embedding import PerturbationEmbedding
from cellula.models.baselines.pseudobulk import Pseudobulk
from cellula.models.baselines.response_table import ExplainedTable, FittedTable, ResponseTable
from cellula.models.baselines.tuning import least_error, train_and_valid

__all__ = ["FittedPerturbationRidge", "Ridge", "RidgeOptions"]

#: Penalties tried on validation data, a feature: alpha is this times the number of features.
CANDIDATES = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
METHOD = "ridge coefficient, from absent to present or for one standard deviation"
#: The largest table of answers kept: contexts x treatments x readouts.
MAX_ENTRIES = 100_000_000


class RidgeOptions(Options):
    """Options of :class:`Ridge`."""

    side: Literal["auto", "context", "perturbation"] = "auto"
    """Whose features are used; ``auto``: those of contexts where there are such."""
    penalty: float = Field(default=3.0, gt=0)
    """Ridge penalty over the number of features; tuned on validation data."""
    cells: int = Field(default=300, ge=0)
    """The most cells of a predicted population; 0: means only."""


@final
@dataclass(frozen=True, slots=True)
class Ridge:
    """Assumes that the response depends linearly on the features, each weighing the same in all
    contexts, and is near the mean response where they say little [hoerl1970]_.

    By contexts: one ridge a treatment (and readout) over the contexts in which it was measured,
    y = b0 + x_c b, b0 not penalised; so without a signal the answer is the treatment's mean.
    By perturbations: the mean effect of a perturbation is regressed on its features; a
    combination without features of its own has the sum of its components'. Features are
    put on one scale over the training items. In domain: the treatment was seen and the features
    of the context (by perturbations: of the perturbation) are as near to training as is usual.
    """

    options: RidgeOptions

    name: ClassVar[str] = "ridge"
    options_type: ClassVar[type[Options]] = RidgeOptions
    capabilities: ClassVar[Capabilities] = Capabilities(
        frozenset(ClaimKind), needs_features=True, predicts_cells=True
    )
    references: ClassVar[tuple[str, ...]] = ("hoerl1970",)

    def fit(
        self, train: Dataset, valid: Dataset | None, run: RunContext
    ) -> ExplainedTable | FittedPerturbationRidge:
        """Choose the penalty on ``valid``, then fit both together.

        Raises DataError when the table of features that ``side`` asks for is missing.
        """
        seen, held, both, reference = train_and_valid(train, valid)
        answer = Answer.of(train, reference, self.options.cells)
        with one_blas_thread():
            if feature_side(train, self.name, self.options.side) == "context":
                return self._by_context(train, seen, held, both, answer)
            return self._by_perturbation(train, seen, held, both, answer)

    def restore(self, state: State) -> ExplainedTable | FittedPerturbationRidge:
        """See :meth:`cellula.core.model.Model.restore`."""
        if "feature_values" in state.arrays:
            return FittedPerturbationRidge.restore(state)
        return ExplainedTable.restore(state)

    def _by_context(
        self,
        train: Dataset,
        seen: Pseudobulk,
        held: Pseudobulk | None,
        both: Pseudobulk,
        answer: Answer,
    ) -> ExplainedTable:
        features = SideFeatures.of(train.context_features, both.contexts)
        _check_size(both, features)
        penalty = self.options.penalty
        if held is not None:
            problem, inside = RidgeProblem.of(features.at(seen.contexts)), _inside(seen, features)
            penalty = least_error(
                CANDIDATES,
                lambda k: _context_table(seen, features, _solve(problem, seen, k), inside).effects,
                held,
            )
        problem = RidgeProblem.of(features.at(both.contexts))
        fitted = _solve(problem, both, penalty)
        table = _context_table(both, features, fitted, _inside(both, features))
        rows = row_names(both.treatments, answer.readouts)
        attribution = Attribution(
            rows, features.names, fitted.coefficients.T * features.contrast, METHOD
        )
        return ExplainedTable(FittedTable(table, answer), attribution)

    def _by_perturbation(
        self,
        train: Dataset,
        seen: Pseudobulk,
        held: Pseudobulk | None,
        both: Pseudobulk,
        answer: Answer,
    ) -> FittedPerturbationRidge:
        labels = sorted({*seen.treatments.perturbations, *both.treatments.perturbations})
        features = SideFeatures.of(train.perturbation_features, labels)
        penalty = self.options.penalty
        if held is not None:
            penalty = least_error(
                CANDIDATES,
                lambda k: _perturbation_fit(seen, features, k, answer).effects,
                held,
            )
        return _perturbation_fit(both, features, penalty, answer)


@final
@dataclass(frozen=True, slots=True)
class FittedPerturbationRidge:
    """A ridge from the features of a perturbation to its effect on every readout."""

    features: SideFeatures
    fitted: RidgeFit
    domain: FeatureDomain
    answer: Answer

    def effects(self, queries: QueryTable) -> Effects:
        """The effect that every query asks for; (queries, readouts)."""
        vectors, is_known, inverse = PerturbationEmbedding(
            self.features.labels, self.features.values
        ).of_queries(queries)
        mean = self.fitted.at(vectors)
        return Effects(mean[inverse], (is_known & self.domain.contains(vectors))[inverse])

    def predict(
        self, queries: QueryTable, control: Dataset | None, run: RunContext
    ) -> Iterator[Prediction]:
        """See :meth:`cellula.core.model.Fitted.predict`."""
        return self.answer.stream(queries, self.effects, control, run)

    def attribute(self) -> Attribution:
        """See :meth:`cellula.core.model.Explaining.attribute`: rows are readouts."""
        values = self.fitted.coefficients.T * self.features.contrast
        return Attribution(self.answer.readouts, self.features.names, values, METHOD)

    def state(self) -> State:
        """See :meth:`cellula.core.model.Fitted.state`."""
        own = State(
            {
                "intercept": self.fitted.intercept,
                "coefficients": self.fitted.coefficients,
            }
        )
        parts = (self.features, self.domain, self.answer)
        return joined(own, *(part.state() for part in parts))

    @classmethod
    def restore(cls, state: State) -> FittedPerturbationRidge:
        """The fitted ridge of a state."""
        arrays, meta = state.arrays, state.meta
        return cls(
            SideFeatures.restore(arrays, meta),
            RidgeFit(arrays["intercept"], arrays["coefficients"]),
            FeatureDomain.restore(arrays, meta),
            Answer.restore(arrays, meta),
        )


def _solve(problem: RidgeProblem, bulk: Pseudobulk, penalty: float) -> RidgeFit:
    """One ridge a treatment and readout, columns in that order."""
    columns = bulk.cube().reshape(len(bulk.contexts), -1)
    return problem.solve(columns, penalty * max(len(problem.center), 1))


def _inside(bulk: Pseudobulk, features: SideFeatures) -> NDArray[np.bool_]:
    """Which contexts lie in the domain of the training contexts, then one that is unknown."""
    places = features.places(bulk.contexts)
    domain = FeatureDomain.of(features.values[places[places >= 0]])
    return np.append(domain.contains(features.values), False)


def _context_table(
    bulk: Pseudobulk, features: SideFeatures, fitted: RidgeFit, inside: NDArray[np.bool_]
) -> ResponseTable:
    """Answers for every context that has features, then for one of which nothing is known."""
    treatments, readouts = len(bulk.treatments), bulk.values.shape[1]
    rows = np.concatenate([features.values, np.zeros((1, len(features.names)))])
    answers = fitted.at(rows).reshape(len(rows), treatments, readouts)
    by_treatment = bulk.treatments.with_fallbacks(np.moveaxis(answers, 1, 0))
    return ResponseTable(
        bulk.treatments,
        features.labels,
        np.zeros((bulk.treatments.n_rows, readouts)),
        inside,
        bulk.treatments.is_seen,
        interaction=np.ascontiguousarray(np.moveaxis(by_treatment, 0, 1)),
    )


def _perturbation_fit(
    bulk: Pseudobulk,
    features: SideFeatures,
    penalty: float,
    answer: Answer,
) -> FittedPerturbationRidge:
    labels = bulk.treatments.perturbations
    vectors, is_known = PerturbationEmbedding(features.labels, features.values).of_labels(labels)
    if not is_known.any():
        raise DataError(
            f"none of the {len(labels)} training perturbations ({', '.join(labels[:3])} ...) has a "
            "row in the table of perturbation features; index that table by the same labels"
        )
    effects = group_means(bulk.effects(), bulk.treatments.perturbation, len(labels))
    problem = RidgeProblem.of(vectors[is_known])
    fitted = problem.solve(effects[is_known], penalty * max(len(features.names), 1))
    domain = FeatureDomain.of(vectors[is_known])
    return FittedPerturbationRidge(features, fitted, domain, answer)


def _check_size(bulk: Pseudobulk, features: SideFeatures) -> None:
    columns = len(bulk.treatments) * bulk.values.shape[1]
    rows = max(len(features.labels), len(features.names))
    if columns * rows > MAX_ENTRIES:
        raise DataError(
            f"{columns} responses on {rows} contexts or features are too many for one table of "
            f"{MAX_ENTRIES} entries; take fewer readouts or perturbations"
        )
