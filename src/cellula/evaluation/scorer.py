"""A metric in use: what it has computed once is not computed again for the next model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias, cast, final

import numpy as np
from numpy.typing import NDArray

from cellula.core.comparison import Comparison
from cellula.core.metric import Metric, MetricDefinition, Terms
from cellula.core.run import RunContext
from cellula.evaluation.score import Aggregates
from cellula.evaluation.shards import Shards, shards_of

__all__ = ["Scorer", "scorers"]

#: Comparisons and their terms.
Known: TypeAlias = Iterable[tuple[Comparison, Terms]]


@final
class _Remembered:
    """A metric that computes the terms of a comparison once; a pure function may."""

    def __init__(self, metric: Metric, shards: Shards | None, known: Known) -> None:
        self.definition: MetricDefinition = metric.definition
        self._metric = metric
        self._shards = shards
        self._known = {id(comparison): (comparison, terms) for comparison, terms in known}

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
    def of(cls, metric: Metric, shards: Shards | None = None, known: Known = ()) -> Scorer:
        """A scorer that has summed nothing yet; shards: where terms are made, None for here.

        known: terms that are made already, each with its comparison.
        """
        remembered = cast("Metric", _Remembered(metric, shards, known))
        return cls(remembered, Aggregates(remembered))


def scorers(
    metrics: Mapping[str, Metric], comparisons: Iterable[Comparison], run: RunContext
) -> dict[str, Scorer]:
    """A scorer of every metric by its name, for comparisons that stand beside one another.

    What looks at the cells of one group at a time has its terms made at once: comparisons that
    share the observed cells together.
    """
    shards = shards_of(run, len(metrics))
    chosen = {
        name: metric
        for name, metric in metrics.items()
        if metric.definition.is_per_group and metric.definition.needs_cells
    }
    made: dict[str, list[tuple[Comparison, Terms]]] = {name: [] for name in metrics}
    for some in _by_observed(comparisons) if chosen else ():
        found = Shards(run).terms_of_cells(tuple(chosen.values()), some)
        for comparison, terms in zip(some, found, strict=True):
            for name, one in zip(chosen, terms, strict=True):
                made[name].append((comparison, one))
    return {name: Scorer.of(metric, shards, made[name]) for name, metric in metrics.items()}


def _by_observed(comparisons: Iterable[Comparison]) -> list[list[Comparison]]:
    """Distinct comparisons, those of the same observed cells together."""
    found: dict[int, dict[int, Comparison]] = {}
    for comparison in comparisons:
        found.setdefault(id(comparison.observed_cells), {})[id(comparison)] = comparison
    return [list(some.values()) for some in found.values()]
