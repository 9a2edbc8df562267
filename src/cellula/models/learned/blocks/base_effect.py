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
    """The mean effect of every treatment, as the model ``mean_response`` has it.

    effect: (treatments.n_rows, readouts), a row for every answer of ``treatments.positions``.
    """

    treatments: Treatments
    effect: NDArray[np.float64]

    @property
    def is_used(self) -> bool:
        """Whether it says anything."""
        return bool(self.effect.any())

    @classmethod
    def of(cls, bulk: Pseudobulk, *, is_used: bool = True) -> BaseEffect:
        """The mean over contexts; 0 where it is not used. bulk: responses of training."""
        effect = bulk.treatments.with_fallbacks(bulk.effects())
        return cls(bulk.treatments, effect if is_used else np.zeros_like(effect))

    def effects(self, queries: QueryTable) -> NDArray[np.float64]:
        """The effect that every query asks for: (queries, readouts), in units of the values."""
        return np.asarray(self.effect[self.treatments.positions(queries)], np.float64)

    def left_out(self, bulk: Pseudobulk) -> NDArray[np.float64]:
        """What it would say of every group of its training were the group not there.

        bulk: the responses it was made of. The mean effect of the treatment in other contexts; of
        a treatment seen in one context alone, the mean over the others of that context; of a lone
        group 0: (groups, readouts).
        """
        if not self.is_used:
            return np.zeros_like(bulk.values)
        n_same = np.bincount(bulk.treatment)[bulk.treatment]
        n_beside = np.bincount(bulk.context)[bulk.context]
        same = _others(bulk.values, bulk.treatment, n_same)
        beside = _others(bulk.values, bulk.context, n_beside)
        found = np.where((n_same > 1)[:, None], same, beside)
        return np.asarray(np.where(((n_same > 1) | (n_beside > 1))[:, None], found, 0.0))

    def state(self) -> State:
        """Arrays and labels from which :meth:`restore` makes this again."""
        return joined(self.treatments.state(), State({"base_effect": self.effect}))

    @classmethod
    def restore(cls, arrays: Mapping[str, NDArray[Any]], meta: Mapping[str, Any]) -> BaseEffect:
        """The base of a state."""
        return cls(Treatments.restore(arrays, meta), arrays["base_effect"])


def _others(
    values: NDArray[np.float64], group: NDArray[np.int64], size: NDArray[np.int64]
) -> NDArray[np.float64]:
    """The mean of the other rows of every row's group; of a lone row anything."""
    sums = np.zeros((int(group.max()) + 1, values.shape[1]))
    np.add.at(sums, group, values)
    return np.asarray((sums[group] - values) / np.maximum(size - 1, 1)[:, None], np.float64)
