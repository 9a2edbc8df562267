"""Terms of a metric made some groups at a time: on threads, or on a cluster, with the same bits."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import mkdtemp
from threading import Lock
from typing import final

import numpy as np

from cellula.core.comparison import Comparison
from cellula.core.errors import DataError
from cellula.core.metric import Metric, Terms
from cellula.core.prediction import Population
from cellula.core.run import RunContext, each
from cellula.evaluation.parcel import packed, unpacked
from cellula.kernels.blas_threads import one_blas_thread

__all__ = ["Shards", "shards_of"]

#: Groups of a shard where cells are compared, and where only their means are. Fixed: neither the
#: threads nor the machines decide how the work is cut.
GROUPS_WITH_CELLS = 8
GROUPS = 4096


@dataclass(frozen=True, slots=True)
class _Shard:
    """What a worker gets: the metrics, where the comparisons lie, which groups of them."""

    metrics: tuple[Metric, ...]
    folders: tuple[Path, ...]
    first: int
    stop: int


@final
class Shards:
    """Makes terms of comparisons in fixed shards of groups, joined in the order of the groups.

    A metric that is not per group is computed whole. With a cluster, comparisons of cells go to
    its workers: they read what they need from ``run.scratch``, which every machine must see.
    """

    def __init__(self, run: RunContext) -> None:
        self._run = run
        self._lock = Lock()
        self._parcels: dict[int, tuple[Comparison, Path]] = {}

    def terms(self, metric: Metric, comparison: Comparison) -> Terms:
        """The terms of all groups; the same bits as ``metric.terms(comparison)``."""
        definition, n_groups = metric.definition, len(comparison.groups)
        if not definition.is_per_group:
            return metric.terms(comparison)
        if definition.needs_cells:
            return self.terms_of_cells([metric], [comparison])[0][0]
        parts = _cut(n_groups, GROUPS)
        if len(parts) < 2:
            return metric.terms(comparison)
        return _joined(
            each(lambda part: metric.terms(comparison.part(*part)), parts, self._run), metric
        )

    def terms_of_cells(
        self, metrics: Sequence[Metric], comparisons: Sequence[Comparison]
    ) -> list[list[Terms]]:
        """The terms of metrics that are per group and need cells: comparison by comparison.

        The comparisons share the observed cells. A group is looked at by all metrics in all
        comparisons before the next one: what they make of its cells is made once.
        """
        parts = _cut(len(comparisons[0].groups), GROUPS_WITH_CELLS)
        if self._run.cluster is not None and len(parts) > 1:
            folders = tuple(map(self._parcel, comparisons))
            shards = [_Shard(tuple(metrics), folders, *part) for part in parts]
            found = self._run.cluster.map(_of_shard, shards)
        else:
            found = each(lambda part: _of_groups(metrics, comparisons, *part), parts, self._run)
        shares = list(found)
        return [
            [
                _joined((share[one][place] for share in shares), metric)
                for place, metric in enumerate(metrics)
            ]
            for one in range(len(comparisons))
        ]

    def _parcel(self, comparison: Comparison) -> Path:
        """Where a comparison lies for the workers, written once."""
        with self._lock:
            known = self._parcels.get(id(comparison))
            if known is None:
                folder = Path(mkdtemp(prefix="comparison", dir=self._run.scratch))
                packed(comparison, folder)
                known = comparison, folder
                self._parcels[id(comparison)] = known
        return known[1]


def shards_of(run: RunContext, n_metrics: int) -> Shards:
    """Shards on the threads that are left where ``n_metrics`` metrics are made side by side."""
    return Shards(replace(run, threads=max(1, run.threads // max(n_metrics, 1))))


def _cut(n_groups: int, size: int) -> list[tuple[int, int]]:
    """The first group of every shard, and the first that is no longer in it; one at least."""
    return [(first, min(first + size, n_groups)) for first in range(0, max(n_groups, 1), size)]


def _of_shard(shard: _Shard) -> list[list[Terms]]:
    """The terms of a shard, on whatever machine."""
    parts = [unpacked(folder, shard.first, shard.stop) for folder in shard.folders]
    return _of_groups(shard.metrics, parts, 0, shard.stop - shard.first)


def _of_groups(
    metrics: Sequence[Metric], comparisons: Sequence[Comparison], first: int, stop: int
) -> list[list[Terms]]:
    """The terms of the groups first, ..., stop - 1: comparison by comparison, for every metric."""
    found: list[list[list[Terms]]] = [[[] for _ in metrics] for _ in comparisons]
    with one_blas_thread():
        for group in range(first, max(stop, first + 1)):
            for part, known in zip(_parts(comparisons, group, stop), found, strict=True):
                for metric, terms in zip(metrics, known, strict=True):
                    terms.append(metric.terms(part))
    return [
        [_joined(terms, metric) for terms, metric in zip(known, metrics, strict=True)]
        for known in found
    ]


def _parts(comparisons: Sequence[Comparison], group: int, stop: int) -> Iterator[Comparison]:
    """One group of every comparison, the observed cells of all of them one object."""
    observed: Population | None = None
    for comparison in comparisons:
        part = comparison.part(group, min(group + 1, stop))
        if observed is None:
            observed = part.observed_cells
        yield replace(part, observed_cells=observed)


def _joined(parts: Iterable[Terms], metric: Metric) -> Terms:
    found: Sequence[Terms] = list(parts)
    if any(part.stratum.any() for part in found):
        raise DataError(
            f"{metric.definition.id} says that it is per group but has strata; declare "
            "is_per_group=False"
        )
    return Terms(
        np.concatenate([part.values for part in found]),
        np.concatenate([part.reasons for part in found]),
        np.concatenate([part.stratum for part in found]),
    )
