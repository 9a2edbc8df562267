"""A metric in use: what it has computed once is not computed again for the next model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast, final

import numpy as np
from numpy.typing import NDArray

from cellula.core.comparison import Comparison
from cellula.core.metric import Metric, MetricDefinition, Terms
from cellula.evaluation.score import Aggregates
from cellula.evaluation.shards import Shards

__all__ = ["Scorer"]


@final
class _Remembered:
    """A metric that computes the terms of a comparison once; a pure function may."""

    def __init__(self, metric: Metric, shards: Shards | None) -> None:
        self.definition: MetricDefinition = metric.definition
        self._metric = metric
        self._shards = shards
        self._known: dict[int, tuple[Comparison, Terms]] = {}

    def terms(self, comparison: Comparison) -> Terms:
        """See :meth:`cellula.core.metric.Metric.terms`."""
        known = self._known.get(id(comparison))
        if known is None:
            made = (
                self._metric.terms(comparison)
                if self._shards is None
                else self._shards.terms(self._metric, comparison)
            )
            known = comparison, made
            self._known[id(comparison)] = known
        return known[1]

    def finish(self, sums: NDArray[np.float64]) -> NDArray[np.float64]:
        """See :meth:`cellula.core.metric.Metric.finish`."""
        return self._metric.finish(sums)


@dataclass(frozen=True, slots=True)
class Scorer:
    """A metric that remembers its terms, and the sums of its terms that were made."""

    metric: Metric
    sums: Aggregates

    @classmethod
    def of(cls, metric: Metric, shards: Shards | None = None) -> Scorer:
        """A scorer that has made nothing yet; shards: where terms are made, None for here."""
        remembered = cast("Metric", _Remembered(metric, shards))
        return cls(remembered, Aggregates(remembered))
