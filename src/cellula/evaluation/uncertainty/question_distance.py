"""How far a question lies from the questions of training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cellula.core.dataset import Dataset
from cellula.core.model import State
from cellula.core.perturbation import components
from cellula.core.query import QueryTable
from cellula.evaluation.question import distinct
from cellula.kernels.blas_threads import one_blas_thread
from cellula.models.baselines.encoding import unique_labels
from cellula.models.baselines.features import SideFeatures
from cellula.models.baselines.perturbation_embedding import PerturbationEmbedding

__all__ = ["LabelDistance", "QuestionDistance"]

#: Mean over so many nearest questions of training.
NEIGHBOURS = 5
#: No more questions of training are kept, evenly spaced in their order.
MOST_QUESTIONS = 5000
#: Questions whose distances to all of training are in memory together.
BLOCK = 256
#: Doses and times below these count as these: 1e-15 mol/l, 1 s.
LEAST = {"dose_molar": 1e-15, "time_s": 1.0}

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class LabelDistance:
    """Squared distances of labels to those of training, 1 on average between two of training.

    labels: of training. embedding: vectors of the labels that have features, standardised by
    those of training; unit: the mean squared distance between two of them. Where one of a pair
    has no vector, the square is the share of components that the two do not share: 0 between
    equal labels, 1 between labels with nothing in common.
    """

    labels: tuple[str, ...]
    embedding: PerturbationEmbedding
    unit: float

    @classmethod
    def of(cls, labels: Sequence[str], table: pd.DataFrame | None) -> LabelDistance:
        """Of the labels of training and a table of features, or None."""
        side = SideFeatures.of(table, labels)
        embedding = PerturbationEmbedding(side.labels, side.values)
        vectors, is_known = embedding.of_labels(labels)
        own = vectors[is_known]
        unit = 2.0 * float(own.var(axis=0).sum()) if len(own) > 1 else 0.0
        return cls(tuple(labels), embedding, unit)

    def squared(self, asked: Sequence[str]) -> Floats:
        """Squared distances: (asked, labels)."""
        parts = [set(components(label)) or {label} for label in self.labels]
        square = np.array(
            [[_unshared(set(components(name)) or {name}, part) for part in parts] for name in asked]
        ).reshape(len(asked), len(parts))
        if self.unit <= 0:
            return square
        x, x_known = self.embedding.of_labels(asked)
        y, y_known = self.embedding.of_labels(self.labels)
        with one_blas_thread():
            gap = (x**2).sum(1)[:, None] + (y**2).sum(1) - 2.0 * x @ y.T
        is_both = x_known[:, None] & y_known & (square > 0)
        return np.asarray(np.where(is_both, np.maximum(gap, 0.0) / self.unit, square))


@dataclass(frozen=True, slots=True)
class QuestionDistance:
    """Mean distance of a question to the 5 nearest of training.

    The square of a distance adds those of perturbation, context, log10 dose and log10 time, each
    on the scale of its spread in training; so a question that differs in its perturbation alone
    from one of training lies at about 1. perturbation, context: (questions,) codes into the labels;
    numbers: (questions, 2) standardised log10 dose and log10 time, 0 where there are none.
    """

    perturbations: LabelDistance
    contexts: LabelDistance
    perturbation: Codes
    context: Codes
    numbers: Floats
    centre: Floats
    spread: Floats

    @classmethod
    def of(cls, train: Dataset) -> QuestionDistance:
        """From the treated profiles of training and the features that come with them."""
        queries = distinct(train.treated)
        if len(queries) > MOST_QUESTIONS:
            rows = np.linspace(0, len(queries) - 1, MOST_QUESTIONS).astype(np.int64)
            queries = queries.take(np.unique(rows))
        names, perturbation = unique_labels(queries.perturbation)
        contexts, context = unique_labels(queries.context)
        raw = _logs(queries)
        spread = raw.std(axis=0)
        centre, spread = raw.mean(axis=0), np.where(spread > 1e-12, spread, 1.0)
        return cls(
            LabelDistance.of(names, train.perturbation_features),
            LabelDistance.of(contexts, train.context_features),
            perturbation,
            context,
            (raw - centre) / spread,
            centre,
            spread,
        )

    def at(self, queries: QueryTable) -> Floats:
        """The distance of every question: (queries,); it does not depend on the other questions."""
        names, perturbation = unique_labels(queries.perturbation)
        contexts, context = unique_labels(queries.context)
        by_name, by_context = self.perturbations.squared(names), self.contexts.squared(contexts)
        numbers = (_logs(queries) - self.centre) / self.spread
        _, first, place = np.unique(queries.keys(), return_index=True, return_inverse=True)
        found = np.empty(len(first))
        n_near = min(NEIGHBOURS, len(self.perturbation))
        for start in range(0, len(first), BLOCK):
            rows = first[start : start + BLOCK]
            square = by_name[perturbation[rows]][:, self.perturbation]
            square = square + by_context[context[rows]][:, self.context]
            for i in range(2):
                square += (numbers[rows, i][:, None] - self.numbers[:, i]) ** 2
            near = np.sort(np.sqrt(square), axis=1)[:, :n_near]
            found[start : start + BLOCK] = near.mean(axis=1)
        return found[place]

    def state(self) -> State:
        """Arrays and labels from which :meth:`restore` makes this again."""
        arrays: dict[str, NDArray[Any]] = {
            "perturbation": self.perturbation,
            "context": self.context,
            "numbers": self.numbers,
            "centre": self.centre,
            "spread": self.spread,
        }
        meta: dict[str, Any] = {}
        for name in ("perturbations", "contexts"):
            side: LabelDistance = getattr(self, name)
            arrays[f"{name}_vectors"] = side.embedding.vectors
            meta[name] = list(side.labels)
            meta[f"{name}_known"] = list(side.embedding.labels)
            meta[f"{name}_unit"] = side.unit
        return State(arrays, meta)

    @classmethod
    def restore(
        cls, arrays: Mapping[str, NDArray[Any]], meta: Mapping[str, Any]
    ) -> QuestionDistance:
        """The distance of a state."""
        sides = [
            LabelDistance(
                tuple(meta[name]),
                PerturbationEmbedding(tuple(meta[f"{name}_known"]), arrays[f"{name}_vectors"]),
                float(meta[f"{name}_unit"]),
            )
            for name in ("perturbations", "contexts")
        ]
        names = ("perturbation", "context", "numbers", "centre", "spread")
        return cls(sides[0], sides[1], *(arrays[name] for name in names))


def _unshared(one: set[str], other: set[str]) -> float:
    """1 - the Jaccard index of two sets of components."""
    return 1.0 - len(one & other) / len(one | other)


def _logs(queries: QueryTable) -> Floats:
    """log10 of dose and time (queries, 2); 0 where there are none."""
    found = np.zeros((len(queries), 2))
    for i, (name, least) in enumerate(LEAST.items()):
        column = getattr(queries, name)
        if column is not None:
            found[:, i] = np.log10(np.maximum(column, least))
    return found
