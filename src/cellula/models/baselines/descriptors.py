"""Everything that is known of a question, as one row of numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cellula.core.dataset import Dataset
from cellula.core.model import State
from cellula.core.query import QueryTable
from cellula.models.baselines.answer import joined
from cellula.models.baselines.encoding import unique_labels
from cellula.models.baselines.features import SideFeatures
from cellula.models.baselines.perturbation_embedding import PerturbationEmbedding
from cellula.models.baselines.pseudobulk import Pseudobulk

__all__ = ["Descriptors"]

#: Doses and times below these count as these: 1e-15 mol/l, 1 s.
LEAST_DOSE_MOLAR, LEAST_TIME_S = 1e-15, 1.0
#: How many numbers describe a perturbation that has no features: its own responses' components.
CODES = 5


@dataclass(frozen=True, slots=True)
class Descriptors:
    """Features of the context and of the perturbation, log10 of dose and of time.

    context: kept features, standardised; perturbation: the table of perturbation features, or
    where there is none the leading components of the training responses of every perturbation.
    """

    context: SideFeatures
    perturbation: PerturbationEmbedding

    @classmethod
    def of(cls, train: Dataset, bulk: Pseudobulk, most: int) -> Descriptors:
        """Descriptors fitted on a training set; at most ``most`` context features, those that
        vary most between the contexts of training.
        """
        table = train.context_features
        if table is not None and table.shape[1] > most:
            fitted = table.loc[table.index.astype(str).isin(bulk.contexts)]
            spread = fitted.to_numpy(np.float64).std(axis=0)
            table = table.iloc[:, np.sort(np.argsort(-spread, kind="stable")[:most])]
        context = SideFeatures.of(table, bulk.contexts)
        labels = bulk.treatments.perturbations
        if train.perturbation_features is not None:
            side = SideFeatures.of(train.perturbation_features, labels)
            return cls(context, PerturbationEmbedding(side.labels, side.values))
        return cls(context, PerturbationEmbedding(labels, _codes(bulk)))

    def at(self, queries: QueryTable) -> NDArray[np.float64]:
        """One row a query, NaN where nothing is known: (queries, descriptors)."""
        labels, place = unique_labels(queries.context)
        context = self.context.at(labels)
        context[self.context.places(labels) < 0] = np.nan
        vectors, is_known, inverse = self.perturbation.of_queries(queries)
        vectors[~is_known] = np.nan
        return np.column_stack(
            [
                context[place],
                vectors[inverse],
                _log10(queries.dose_molar, len(queries), LEAST_DOSE_MOLAR),
                _log10(queries.time_s, len(queries), LEAST_TIME_S),
            ]
        )

    def state(self) -> State:
        """Arrays and labels from which :meth:`restore` makes this again."""
        return joined(self.context.state(), self.perturbation.state())

    @classmethod
    def restore(cls, arrays: Mapping[str, NDArray[Any]], meta: Mapping[str, Any]) -> Descriptors:
        """The descriptors of a state."""
        return cls(SideFeatures.restore(arrays, meta), PerturbationEmbedding.restore(arrays, meta))


def _log10(numbers: NDArray[np.float64] | None, n: int, least: float) -> NDArray[np.float64]:
    if numbers is None:
        return np.full(n, np.nan)
    return np.asarray(np.log10(np.maximum(numbers, least)), np.float64)


def _codes(bulk: Pseudobulk) -> NDArray[np.float64]:
    """Leading principal components of the responses of perturbations: (perturbations, <= 5).

    A perturbation is described by its mean response in every context (contexts x readouts), one
    that was not measured there by its mean over the others.
    """
    n, n_contexts, n_readouts = (
        len(bulk.treatments.perturbations),
        len(bulk.contexts),
        bulk.values.shape[1],
    )
    cell = bulk.treatments.perturbation[bulk.treatment] * n_contexts + bulk.context
    sums = np.zeros((n * n_contexts, n_readouts))
    np.add.at(sums, cell, bulk.values)
    size = np.bincount(cell, minlength=n * n_contexts)
    means = np.where(size[:, None] > 0, sums / np.maximum(size, 1)[:, None], np.nan)
    table = means.reshape(n, n_contexts, n_readouts)
    filled = np.where(np.isnan(table), np.nanmean(table, axis=1, keepdims=True), table)
    flat = filled.reshape(n, -1)
    left, singular, _ = np.linalg.svd(flat - flat.mean(axis=0), full_matrices=False)
    kept = singular[:CODES] > 1e-10 * max(float(singular[0]), 1e-300)
    scores = left[:, :CODES][:, kept] * singular[:CODES][kept]
    if not scores.shape[1]:
        return np.zeros((n, 1))
    largest = scores[np.abs(scores).argmax(axis=0), np.arange(scores.shape[1])]
    return np.asarray(scores * np.sign(largest), np.float64)
