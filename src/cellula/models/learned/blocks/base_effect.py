"""A simple answer around which a network learns the rest: the mean response, or nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cellula.core.model import State
from cellula.core.query import QueryTable
from cellula.models.baselines.answer import joined
from cellula.models.baselines.encoding import Treatments
from cellula.models.baselines.pseudobulk import Pseudobulk

__all__ = ["BaseEffect"]


@dataclass(frozen=True, slots=True)
class BaseEffect:
    """What treatments do on average, told of no treatment by itself.

    effect: (treatments.n_rows, readouts), a row for every answer of ``treatments.positions``.
    A network that adds to it learns from the same base that an unseen question has.
    """

    treatments: Treatments
    effect: NDArray[np.float64]

    @classmethod
    def of(cls, bulk: Pseudobulk, *, is_used: bool = True) -> BaseEffect:
        """From the responses of training; 0 where it is not used.

        Of a treatment the mean over contexts; of one seen in one context alone the mean over its
        perturbation's treatments; of a lone one the mean over perturbations.
        """
        known = bulk.treatments
        effect = known.with_fallbacks(bulk.effects())
        if not is_used:
            return cls(known, np.zeros_like(effect))
        n, n_perturbations = len(known), len(known.perturbations)
        n_contexts = np.bincount(bulk.treatment, minlength=n)
        n_treatments = np.bincount(known.perturbation, minlength=n_perturbations)
        own = np.arange(n_perturbations)
        is_lone = (n_treatments == 1) & (n_contexts[_first(known, own)] == 1)
        of_perturbation = np.where(is_lone, n + n_perturbations, n + own)
        of_treatment = np.where(n_contexts == 1, of_perturbation[known.perturbation], np.arange(n))
        rows = np.concatenate([of_treatment, of_perturbation, [n + n_perturbations]])
        return cls(known, np.asarray(effect[rows], np.float64))

    def effects(self, queries: QueryTable) -> NDArray[np.float64]:
        """The effect that every query asks for: (queries, readouts), in units of the values."""
        return np.asarray(self.effect[self.treatments.positions(queries)], np.float64)

    def state(self) -> State:
        """Arrays and labels from which :meth:`restore` makes this again."""
        return joined(self.treatments.state(), State({"base_effect": self.effect}))

    @classmethod
    def restore(cls, arrays: Mapping[str, NDArray[Any]], meta: Mapping[str, Any]) -> BaseEffect:
        """The base of a state."""
        return cls(Treatments.restore(arrays, meta), arrays["base_effect"])


def _first(known: Treatments, perturbations: NDArray[np.int64]) -> NDArray[np.int64]:
    """A treatment of every perturbation."""
    order = np.argsort(known.perturbation, kind="stable")
    return np.asarray(order[np.searchsorted(known.perturbation[order], perturbations)])
