"""Nearest neighbours: an item does what the items with the most similar features do."""

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
from cellula.core.model import Capabilities, Options, State
from cellula.core.prediction import Prediction
from cellula.core.query import QueryTable
from cellula.core.run import RunContext
from cellula.kernels.blas_threads import one_blas_thread
from cellula.models.baselines.answer import Answer, Effects, joined
from cellula.models.baselines.domain import FeatureDomain
from cellula.models.baselines.encoding import Treatments, group_means
from cellula.models.baselines.features import SideFeatures, feature_side
from cellula.models.baselines.neighbourhood import (
    Neighbourhood,
    cosines,
    least_neighbourhood,
    neighbour_weights,
)
from cellula.models.baselines.perturbation_embedding import PerturbationEmbedding
from cellula.models.baselines.pseudobulk import Pseudobulk
from cellula.models.baselines.response_table import FittedTable, ResponseTable
from cellula.models.baselines.tuning import train_and_valid

__all__ = ["FittedKnn", "Knn", "KnnOptions"]

#: The largest table of answers kept: contexts x treatments x readouts.
MAX_ENTRIES = 100_000_000


class KnnOptions(Options):
    """Options of :class:`Knn`; all but ``side`` and ``cells`` are tuned where there is valid."""

    side: Literal["auto", "context", "perturbation"] = "auto"
    """Whose features are used; ``auto``: those of contexts where there are such."""
    neighbours: int = Field(default=10, ge=1)
    """How many nearest items count."""
    temperature: float = Field(default=0.1, gt=0)
    """T of their weights, in units of the cosine: small takes the nearest."""
    strength: float = Field(default=1.0, ge=0, le=1)
    """The share of the neighbours' departure from the mean that is believed."""
    cells: int = Field(default=300, ge=0)
    """The most cells of a predicted population; 0: means only."""


@final
@dataclass(frozen=True, slots=True)
class Knn:
    """Assumes that what is alike in its features responds alike: contexts to a treatment, or the
    same contexts to two perturbations.

    delta = mean + s sum over the k nearest items i of softmax(cos / T)_i (delta_i - mean).
    cos is the cosine of standardised features: any embedding given as a table of features does,
    such as gene sets, a knowledge graph or coordinates of another screen. By perturbations: the
    items are training perturbations with features, the mean is over them, and a combination
    without features of its own has the sum of its components'. By contexts: the items are
    training contexts in which the treatment was measured, the mean is the treatment's.
    k and T have the least squared error on validation data, s is then its least-squares slope
    within [0, 1]: neighbours that tell nothing leave the mean. In domain: the treatment was
    seen (by contexts) and the features are as near to training as is usual.
    """

    options: KnnOptions

    name: ClassVar[str] = "knn"
    options_type: ClassVar[type[Options]] = KnnOptions
    capabilities: ClassVar[Capabilities] = Capabilities(
        frozenset(ClaimKind), needs_features=True, predicts_cells=True
    )
    references: ClassVar[tuple[str, ...]] = ()

    def fit(
        self, train: Dataset, valid: Dataset | None, run: RunContext
    ) -> FittedTable | FittedKnn:
        """Choose k, T and s on ``valid``, then take the neighbours of both.

        Raises DataError when the table of features that ``side`` asks for is missing.
        """
        seen, held, both, reference = train_and_valid(train, valid)
        answer = Answer.of(train, reference, self.options.cells)
        with one_blas_thread():
            if feature_side(train, self.name, self.options.side) == "context":
                return self._by_context(train, seen, held, both, answer)
            return self._by_perturbation(train, seen, held, both, answer)

    def restore(self, state: State) -> FittedTable | FittedKnn:
        """See :meth:`cellula.core.model.Model.restore`."""
        if "neighbours" in state.meta:
            return FittedKnn.restore(state)
        return FittedTable.restore(state)

    def _default(self) -> Neighbourhood:
        own = self.options
        return Neighbourhood(own.neighbours, own.temperature, own.strength)

    def _by_perturbation(
        self,
        train: Dataset,
        seen: Pseudobulk,
        held: Pseudobulk | None,
        both: Pseudobulk,
        answer: Answer,
    ) -> FittedKnn:
        features = SideFeatures.of(train.perturbation_features, both.treatments.perturbations)
        how = self._default()
        if held is not None:
            known = _perturbations(seen, features, how, answer)
            asked, _, inverse = known.embedding.of_queries(held.queries())
            cosine = cosines(asked, known.vectors)
            residual = held.values - known.center

            def departure(k: int, t: float) -> NDArray[np.float64]:
                return (neighbour_weights(cosine, k, t) @ known.residual)[inverse]

            how = least_neighbourhood(departure, residual)
        return _perturbations(both, features, how, answer)

    def _by_context(
        self,
        train: Dataset,
        seen: Pseudobulk,
        held: Pseudobulk | None,
        both: Pseudobulk,
        answer: Answer,
    ) -> FittedTable:
        features = SideFeatures.of(train.context_features, both.contexts)
        _check_size(both, features)
        how = self._default()
        if held is not None:
            queries = held.queries()
            mean = seen.treatments.with_fallbacks(seen.effects())
            row = seen.treatments.positions(queries)
            place = _places(features, held.contexts)[held.context]
            cosine, residual = _context_items(seen, features)

            def departure(k: int, t: float) -> NDArray[np.float64]:
                return _departures(seen.treatments, cosine, residual, k, t)[place, row]

            how = least_neighbourhood(departure, held.values - mean[row])
        return FittedTable(_context_table(both, features, how), answer)


@final
@dataclass(frozen=True, slots=True)
class FittedKnn:
    """Training perturbations and their departures from the mean.

    embedding: features of all perturbations; vectors: (items, features) of training; residual:
    (items, readouts); center: (readouts,).
    """

    embedding: PerturbationEmbedding
    vectors: NDArray[np.float64]
    residual: NDArray[np.float64]
    center: NDArray[np.float64]
    how: Neighbourhood
    domain: FeatureDomain
    answer: Answer

    def effects(self, queries: QueryTable) -> Effects:
        """The mean and the neighbours' departure from it, for every query: (queries, readouts)."""
        vectors, is_known, inverse = self.embedding.of_queries(queries)
        cosine = cosines(vectors, self.vectors)
        weights = neighbour_weights(cosine, self.how.neighbours, self.how.temperature)
        weights *= self.how.strength * is_known[:, None]
        mean = self.center + weights @ self.residual
        return Effects(mean[inverse], (is_known & self.domain.contains(vectors))[inverse])

    def predict(
        self, queries: QueryTable, control: Dataset | None, run: RunContext
    ) -> Iterator[Prediction]:
        """See :meth:`cellula.core.model.Fitted.predict`."""
        return self.answer.stream(queries, self.effects, control, run)

    def state(self) -> State:
        """See :meth:`cellula.core.model.Fitted.state`."""
        own = State(
            {"vectors": self.vectors, "residual": self.residual, "center": self.center},
            {
                "neighbours": self.how.neighbours,
                "temperature": self.how.temperature,
                "strength": self.how.strength,
            },
        )
        return joined(own, self.embedding.state(), self.domain.state(), self.answer.state())

    @classmethod
    def restore(cls, state: State) -> FittedKnn:
        """The fitted neighbours of a state."""
        arrays, meta = state.arrays, state.meta
        return cls(
            PerturbationEmbedding.restore(arrays, meta),
            arrays["vectors"],
            arrays["residual"],
            arrays["center"],
            Neighbourhood(int(meta["neighbours"]), meta["temperature"], meta["strength"]),
            FeatureDomain.restore(arrays, meta),
            Answer.restore(arrays, meta),
        )


def _perturbations(
    bulk: Pseudobulk, features: SideFeatures, how: Neighbourhood, answer: Answer
) -> FittedKnn:
    """The training perturbations that have features; DataError where none has."""
    labels = bulk.treatments.perturbations
    embedding = PerturbationEmbedding(features.labels, features.values)
    vectors, is_known = embedding.of_labels(labels)
    if not is_known.any():
        raise DataError(
            f"none of the {len(labels)} training perturbations ({', '.join(labels[:3])} ...) has a "
            "row in the table of perturbation features; index that table by the same labels"
        )
    effects = group_means(bulk.effects(), bulk.treatments.perturbation, len(labels))
    center = effects.mean(axis=0)
    domain = FeatureDomain.of(vectors[is_known])
    residual = effects[is_known] - center
    return FittedKnn(embedding, vectors[is_known], residual, center, how, domain, answer)


def _places(features: SideFeatures, contexts: tuple[str, ...]) -> NDArray[np.int64]:
    """The row of every context among those with features, then one row for all others."""
    places = features.places(contexts)
    return np.where(places < 0, len(features.labels), places)


def _context_items(
    bulk: Pseudobulk, features: SideFeatures
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Cosines (labels + 1, training contexts) and departures from each treatment's mean.

    The departures are (training contexts, treatments, readouts), NaN where not measured; a
    context without features is nobody's neighbour and has none.
    """
    cosine = cosines(features.values, features.at(bulk.contexts))
    cosine[:, features.places(bulk.contexts) < 0] = -np.inf
    none = np.full((1, len(bulk.contexts)), -np.inf)
    return np.concatenate([cosine, none]), bulk.cube() - bulk.effects()


def _departures(
    treatments: Treatments,
    cosine: NDArray[np.float64],
    residual: NDArray[np.float64],
    neighbours: int,
    temperature: float,
) -> NDArray[np.float64]:
    """Weighted mean departure of the neighbours that measured it: (labels + 1, rows, readouts)."""
    weights = neighbour_weights(cosine, neighbours, temperature)
    n_contexts, n_treatments, n_readouts = residual.shape
    is_measured = ~np.isnan(residual[:, :, 0])
    told = weights @ np.nan_to_num(residual).reshape(n_contexts, -1)
    share = (weights @ is_measured)[:, :, None]
    told = told.reshape(-1, n_treatments, n_readouts)
    mean = np.divide(told, share, out=np.zeros_like(told), where=share > 0)
    return np.moveaxis(treatments.with_fallbacks(np.moveaxis(mean, 0, 1)), 0, 1)


def _context_table(bulk: Pseudobulk, features: SideFeatures, how: Neighbourhood) -> ResponseTable:
    cosine, residual = _context_items(bulk, features)
    departure = _departures(bulk.treatments, cosine, residual, how.neighbours, how.temperature)
    places = features.places(bulk.contexts)
    domain = FeatureDomain.of(features.values[places[places >= 0]])
    return ResponseTable(
        bulk.treatments,
        features.labels,
        bulk.treatments.with_fallbacks(bulk.effects()),
        np.append(domain.contains(features.values), False),
        bulk.treatments.is_seen,
        interaction=how.strength * departure,
    )


def _check_size(bulk: Pseudobulk, features: SideFeatures) -> None:
    entries = bulk.treatments.n_rows * bulk.values.shape[1] * (len(features.labels) + 1)
    if entries > MAX_ENTRIES:
        raise DataError(
            f"{bulk.treatments.n_rows} treatments x {bulk.values.shape[1]} readouts in "
            f"{len(features.labels)} contexts are more than one table of {MAX_ENTRIES} entries; "
            "take fewer readouts or perturbations"
        )
