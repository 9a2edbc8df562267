"""What was done to a cell, as numbers: components, dose, time and context of a question."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from cellula.core.dataset import Dataset
from cellula.core.model import State
from cellula.core.perturbation import components
from cellula.core.query import QueryTable
from cellula.models.baselines.answer import joined
from cellula.models.baselines.bilinear_ridge import gene_scores
from cellula.models.baselines.domain import FeatureDomain
from cellula.models.baselines.encoding import label_positions, unique_labels
from cellula.models.baselines.features import SideFeatures
from cellula.models.baselines.perturbation_embedding import PerturbationEmbedding
from cellula.models.baselines.pseudobulk import Pseudobulk
from cellula.models.baselines.reference import Reference
from cellula.models.learned.blocks.dose_time import DoseTime, scale_of
from cellula.models.learned.blocks.latent import LatentSpace

__all__ = ["ConditionBatch", "Conditions"]

#: Components of the profiles that describe a gene where there is no table of features.
RANK = 10


@dataclass(frozen=True, slots=True)
class ConditionBatch:
    """Questions as tensors, one row a question.

    vectors: (questions, components, features) what is known of every component of the
    perturbation; ids: (questions, components) its place among those of training + 1, 0 for a
    new one; is_there: (questions, components), none for a control, and a number from 0 to 1 where a
    question is explained; numbers: (questions, 4) standardised log10 dose, whether there is one,
    log10 time, whether there is one; context: (questions, coordinates) of the context's controls.
    """

    vectors: Tensor
    ids: Tensor
    is_there: Tensor
    numbers: Tensor
    context: Tensor

    def take(self, rows: Tensor) -> ConditionBatch:
        """Some questions, as often as they are named."""
        return ConditionBatch(
            *(
                part[rows]
                for part in (self.vectors, self.ids, self.is_there, self.numbers, self.context)
            )
        )

    def untreated(self, rows: Tensor) -> ConditionBatch:
        """The same, where ``rows`` (questions,) is true with nothing done: the context alone."""
        treated = (~rows).unsqueeze(1)
        return ConditionBatch(
            self.vectors * treated.unsqueeze(2),
            self.ids * treated,
            self.is_there & treated,
            self.numbers * treated,
            self.context,
        )

    def to(self, device: torch.device) -> ConditionBatch:
        """The same on a device."""
        return ConditionBatch(
            *(
                part.to(device)
                for part in (self.vectors, self.ids, self.is_there, self.numbers, self.context)
            )
        )


@dataclass(frozen=True, slots=True)
class Conditions:
    """How questions become tensors, fitted on a training set.

    embedding: what is known of components, (labels, features) on one scale; names: components of
    training; numbers: the scales of dose and time, and how far training reached; context_centre,
    context_spread: (coordinates,) by which the coordinates of a context are standardised;
    domain: of the training perturbations' vectors; control_labels: what controls are called;
    features: the names of their numbers.
    """

    embedding: PerturbationEmbedding
    names: tuple[str, ...]
    numbers: DoseTime
    context_centre: NDArray[np.float64]
    context_spread: NDArray[np.float64]
    domain: FeatureDomain
    control_labels: tuple[str, ...]
    features: tuple[str, ...]

    @classmethod
    def of(
        cls, train: Dataset, bulk: Pseudobulk, reference: Reference, space: LatentSpace
    ) -> Conditions:
        """From the profiles of training, their responses and controls.

        A component is described by its row of perturbation_features; without such a table by the
        scores of the gene of its name on the components of the training responses; else by its
        name alone.
        """
        labels = bulk.treatments.perturbations
        names = tuple(sorted({part for label in labels for part in components(label)}))
        embedding = _embedding(train, bulk, reference, names)
        vectors, is_known = embedding.of_labels(labels)
        context = space.encode(reference.means)
        return cls(
            embedding,
            names,
            DoseTime.of(bulk.treatments.dose_molar, bulk.treatments.time_s),
            *scale_of(context.T),
            FeatureDomain.of(vectors[is_known]),
            reference.labels,
            _feature_names(train, embedding),
        )

    @property
    def n_features(self) -> int:
        """How many numbers describe a component; at least 1."""
        return max(int(self.embedding.vectors.shape[1]), 1)

    @property
    def n_context(self) -> int:
        """How many numbers describe a context."""
        return len(self.context_centre)

    def encode(
        self, queries: QueryTable, reference: Reference, space: LatentSpace
    ) -> ConditionBatch:
        """The questions as tensors on the CPU, in their order."""
        labels, place = unique_labels(queries.perturbation)
        parts = [() if label in self.control_labels else components(label) for label in labels]
        most = max(1, *(len(part) for part in parts), 1)
        vectors = np.zeros((len(labels), most, self.n_features))
        ids = np.zeros((len(labels), most), np.int64)
        is_there = np.zeros((len(labels), most), bool)
        known = {name: i + 1 for i, name in enumerate(self.names)}
        for row, part in enumerate(parts):
            if part and self.embedding.vectors.shape[1]:
                vectors[row, : len(part)] = self.embedding.of_labels(part)[0]
            ids[row, : len(part)] = [known.get(name, 0) for name in part]
            is_there[row, : len(part)] = True
        contexts, where = unique_labels(queries.context)
        means, _ = reference.at(pd.Categorical(contexts))
        context = (space.encode(means) - self.context_centre) / self.context_spread
        return ConditionBatch(
            torch.from_numpy(vectors[place]).float(),
            torch.from_numpy(ids[place]),
            torch.from_numpy(is_there[place]),
            torch.from_numpy(self.numbers.encode(queries)).float(),
            torch.from_numpy(context[where]).float(),
        )

    def in_domain(self, queries: QueryTable, reference: Reference) -> NDArray[np.bool_]:
        """Whether a question lies inside what training has shown: (queries,).

        Every component was seen or lies among those seen; the context has controls; dose and time
        lie between the least and the greatest of training, and are given where training has them
        and only there. A control is inside where its context is.
        """
        labels, place = unique_labels(queries.perturbation)
        vectors, is_known = self.embedding.of_labels(labels)
        is_near = is_known & self.domain.contains(vectors)
        is_seen = np.array([set(components(label)) <= set(self.names) for label in labels], bool)
        is_control = np.isin(labels, self.control_labels)
        inside = ((is_near | is_seen)[place] & self.numbers.in_reach(queries)) | is_control[place]
        return np.asarray(inside & (label_positions(queries.context, reference.contexts) >= 0))

    def state(self) -> State:
        """Arrays and labels from which :meth:`restore` makes this again."""
        own = State(
            {
                "condition_context_centre": self.context_centre,
                "condition_context_spread": self.context_spread,
            },
            {
                "condition_names": list(self.names),
                "condition_controls": list(self.control_labels),
                "condition_features": list(self.features),
            },
        )
        return joined(own, self.numbers.state(), self.embedding.state(), self.domain.state())

    @classmethod
    def restore(cls, arrays: Mapping[str, NDArray[Any]], meta: Mapping[str, Any]) -> Conditions:
        """The conditions of a state."""
        return cls(
            PerturbationEmbedding.restore(arrays, meta),
            tuple(meta["condition_names"]),
            DoseTime.restore(arrays),
            arrays["condition_context_centre"],
            arrays["condition_context_spread"],
            FeatureDomain.restore(arrays, meta),
            tuple(meta["condition_controls"]),
            tuple(meta["condition_features"]),
        )


def _embedding(
    train: Dataset, bulk: Pseudobulk, reference: Reference, names: tuple[str, ...]
) -> PerturbationEmbedding:
    table = train.perturbation_features
    if table is not None:
        side = SideFeatures.of(table, names)
        return PerturbationEmbedding(side.labels, side.values)
    if not set(names) & set(train.readouts):
        return PerturbationEmbedding((), np.zeros((0, 0)))
    profiles = bulk.effects() + reference.means.mean(axis=0)
    scores = gene_scores(profiles.T, RANK)
    spread = scores.std(axis=0)
    return PerturbationEmbedding(train.readouts, scores / np.where(spread > 0, spread, 1.0))


def _feature_names(train: Dataset, embedding: PerturbationEmbedding) -> tuple[str, ...]:
    table = train.perturbation_features
    if table is not None:
        return tuple(map(str, table.columns))
    return tuple(f"response component {i + 1}" for i in range(embedding.vectors.shape[1]))
