"""Vectors of perturbations: a combination is the sum of its components, a control is zero."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cellula.core.model import State
from cellula.core.perturbation import components
from cellula.core.query import QueryTable
from cellula.models.baselines.encoding import canonical_label, unique_labels

__all__ = ["PerturbationEmbedding"]


@dataclass(frozen=True, slots=True)
class PerturbationEmbedding:
    """labels: perturbations or perturbed genes; vectors: (labels, dimensions)."""

    labels: tuple[str, ...]
    vectors: NDArray[np.float64]

    def of_labels(self, labels: Sequence[str]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Vectors (labels, dimensions), and whether every component has one: (labels,).

        A label with a vector of its own has that one; else the sum over its components, of
        which an unknown one adds nothing.
        """
        index = pd.Index([canonical_label(label) for label in self.labels], dtype=object)
        result = np.zeros((len(labels), self.vectors.shape[1]))
        is_known = np.zeros(len(labels), bool)
        for i, label in enumerate(labels):
            name = canonical_label(label)
            names = (name,) if name in index else components(name)
            place = index.get_indexer(pd.Index(names, dtype=object))
            result[i] = self.vectors[place[place >= 0]].sum(axis=0)
            is_known[i] = len(place) > 0 and bool((place >= 0).all())
        return result, is_known

    def of_queries(
        self, queries: QueryTable
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.int64]]:
        """Vectors and knowledge of the labels that occur, and each query's place among them."""
        labels, inverse = unique_labels(queries.perturbation)
        return *self.of_labels(labels), inverse

    def state(self) -> State:
        """Arrays and labels from which :meth:`restore` makes this again."""
        return State({"embedding": self.vectors}, {"embedding_labels": list(self.labels)})

    @classmethod
    def restore(
        cls, arrays: Mapping[str, NDArray[Any]], meta: Mapping[str, Any]
    ) -> PerturbationEmbedding:
        """The embedding of a state."""
        return cls(tuple(meta["embedding_labels"]), arrays["embedding"])
