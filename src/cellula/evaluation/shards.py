"""Terms of a metric made some groups at a time: on threads, or on a cluster, with the same bits."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import mkdtemp
from threading import Lock
from typing import final

import numpy as np

from cellula.core.comparison import Comparison
from cellula.core.errors import DataError
from cellula.core.metric import Metric, Terms
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
    """What a worker gets: the metric, where the comparison lies, which groups of it."""

    metric: Metric
    folder: Path
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
        size = GROUPS_WITH_CELLS if definition.needs_cells else GROUPS
        parts = [(first, min(first + size, n_groups)) for first in range(0, n_groups, size)]
        if len(parts) < 2:
            return metric.terms(comparison)
        if definition.needs_cells and self._run.cluster is not None:
            folder = self._parcel(comparison)
            shards = [_Shard(metric, folder, *part) for part in parts]
            return _joined(self._run.cluster.map(_terms, shards), metric)
        return _joined(
            each(lambda part: metric.terms(comparison.part(*part)), parts, self._run), metric
        )

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


def _terms(shard: _Shard) -> Terms:
    """The terms of a shard, on whatever machine."""
    with one_blas_thread():
        return shard.metric.terms(unpacked(shard.folder, shard.first, shard.stop))


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
