"""Cells from a mean: control cells shifted and re-counted, never a point mass."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from cellula.core.dataset import Dataset
from cellula.core.matrix import dense
from cellula.core.prediction import Population
from cellula.core.query import QueryTable
from cellula.core.run import RunContext
from cellula.core.value_type import ValueType
from cellula.models.baselines.encoding import label_positions
from cellula.models.baselines.recount import Cells, recount_to

__all__ = [
    "MIN_CELLS",
    "SIZE_BOUNDS",
    "ControlCells",
    "counts_of",
    "drawn",
    "query_stream",
    "recovered_counts",
]

#: Fewer control cells than this are samples, not a population.
MIN_CELLS = 10
#: Cells that are dense together.
BLOCK = 1024
#: Bounds of the negative-binomial size r.
SIZE_BOUNDS = (1e-2, 1e3)


@dataclass(frozen=True, slots=True)
class ControlCells:
    """Control cells by context, ready to be shifted; the last entry pools all contexts.

    n_most: how many cells a predicted population has at most.
    """

    contexts: tuple[str, ...]
    cells: tuple[Cells, ...]
    n_most: int

    @classmethod
    def of(cls, control: Dataset, n_most: int) -> ControlCells | None:
        """The control cells, or None where the controls are no population of log1p cells."""
        is_population = control.value_type is ValueType.LOG1P
        if n_most < 1 or not is_population or control.n_profiles < MIN_CELLS:
            return None
        labels = control.queries().context
        names, sets = [], []
        for code, name in enumerate(labels.categories):
            rows = np.flatnonzero(np.asarray(labels.codes) == code)
            if len(rows) >= MIN_CELLS:
                names.append(str(name))
                sets.append(_cells(control, rows))
        pooled = sets[0] if len(sets) == 1 else _cells(control, np.arange(control.n_profiles))
        return cls(tuple(names), (*sets, pooled), n_most)

    def shifted(
        self, queries: QueryTable, mean: NDArray[np.float64], run: RunContext
    ) -> Population:
        """A population for every query with the predicted pseudobulk ``mean`` (queries, genes).

        The randomness of a population depends on its query and on the run's seed alone: not on
        the batch, nor on the order of the queries. A question that is asked again is answered by
        the same cells, made once.
        """
        place = label_positions(queries.context, self.contexts)
        first, which = np.unique(queries.keys(), return_index=True, return_inverse=True)[1:]
        made = []
        for row in first:
            rng = query_stream(queries, int(row), run)
            source = self.cells[place[row]]
            chosen = drawn(len(source.scale), self.n_most, rng)
            made.append(recount_to(source, chosen, mean[row], rng))
        blocks = [made[i] for i in which]
        group = np.repeat(np.arange(len(queries)), [block.shape[0] for block in blocks])
        return Population(sp.vstack(blocks, format="csr"), group)


def recovered_counts(values: NDArray[np.float64]) -> NDArray[np.int64]:
    """Counts from log1p profiles: expm1, each row divided by its smallest value above zero.

    values: (cells, genes). Right where every cell holds at least one gene counted once.
    """
    linear = np.expm1(values)
    smallest = np.where(linear > 0, linear, np.inf).min(axis=1, initial=np.inf)
    unit = np.where(np.isfinite(smallest), smallest, 1.0)
    return np.rint(linear / unit[:, None]).astype(np.int64)


def counts_of(
    data: Dataset, rows: NDArray[np.int64], values: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Counts of some cells of log1p ``values``, and what a count adds to expm1 of a profile.

    Counts (rows, genes) of the layer, or recovered where there is none; scale (rows,), 0 for a
    cell without counts.
    """
    if data.counts is None:
        counts = recovered_counts(values)
    else:
        counts = np.rint(dense(data.counts[rows])).astype(np.int64)
    depth = counts.sum(axis=1)
    linear = np.expm1(values).sum(axis=1)
    return counts, np.where(depth > 0, linear / np.maximum(depth, 1), 0.0)


def drawn(n: int, n_most: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Positions of at most ``n_most`` distinct of n control cells: all in their order, or drawn."""
    return rng.permutation(n)[:n_most] if n > n_most else np.arange(n)


def query_stream(queries: QueryTable, row: int, run: RunContext) -> np.random.Generator:
    """The random stream of one query: neither its batch nor the order of queries counts."""
    parts = ["cells", str(queries.perturbation[row]), str(queries.context[row])]
    for name in ("dose_molar", "time_s", "individual"):
        column = getattr(queries, name)
        parts.append("" if column is None else f"{name} {column[row]}")
    return run.child(*parts).rng


def _cells(control: Dataset, rows: NDArray[np.int64]) -> Cells:
    """Moments of control cells in blocks of them, so that none but a block is dense."""
    blocks = [rows[start : start + BLOCK] for start in range(0, len(rows), BLOCK)]
    kept, scales, total = [], [], np.zeros(len(control.readouts))
    for block in blocks:
        values = control.dense(block)
        counts, own = counts_of(control, block, values)
        scales.append(own)
        kept.append(sp.csr_matrix(counts, dtype=np.int32))
        total += values.sum(axis=0)
    scale = np.concatenate(scales)
    scale = np.where(scale > 0, scale, np.median(scale[scale > 0]) if (scale > 0).any() else 1.0)
    depth = 1.0 / scale
    rate = sum(np.asarray(part.sum(axis=0), np.float64).ravel() for part in kept) / depth.sum()
    excess, square, start = np.zeros(len(total)), np.zeros(len(total)), 0
    for part in kept:
        expected = depth[start : start + part.shape[0], None] * rate
        excess += ((part.toarray() - expected) ** 2 - expected).sum(axis=0)
        square += (expected**2).sum(axis=0)
        start += part.shape[0]
    size = square / np.maximum(excess, 1e-12)
    together = sp.csr_matrix(sp.vstack(kept))
    return Cells(together, scale, total / len(rows), np.clip(size, *SIZE_BOUNDS), rate)
