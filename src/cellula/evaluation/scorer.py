"""A metric in use: what it has computed once is not computed again for the next model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast, final

import numpy as np
from numpy.typing import NDArray

from cellula.core.comparison import Comparison
from cellula.core.metric import Metric, MetricDefinition, Terms
from cellula.evaluation.score import Aggregates

__all__ = ["Scorer"]


@final
class _Remembered:
    """A metric that computes the terms of a comparison once; a pure function may."""

    def __init__(self, metric: Metric) -> None:
        self.definition: MetricDefinition = metric.definition
        self._metric = metric
        self._known: dict[int, tuple[Comparison, Terms]] = {}

    def terms(self, comparison: Comparison) -> Terms:
        """See :meth:`cellula.core.metric.Metric.terms`."""
        known = self._known.get(id(comparison))
        if known is None:
            known = comparison, self._metric.terms(comparison)
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
    def of(cls, metric: Metric) -> Scorer:
        """A scorer that has made nothing yet."""
        remembered = cast("Metric", _Remembered(metric))
        return cls(remembered, Aggregates(remembered))
