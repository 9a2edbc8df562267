"""Cells from a mean: control cells shifted and re-counted, never a point mass.

Counts of a gene in cell i are modelled as Poisson(d_i L) with L ~ Gamma(r, mean m): negative
binomial. A fold f < 1 thins: Binomial(K, f). A fold f > 1 adds Poisson((f - 1) d_i L) with L
drawn from its posterior given K, Gamma(r + K, rate r/m + d_i). Either way the counts are again
negative binomial with mean f d_i m and the SAME dispersion r, and integers; a cell keeps its
depth. This is count thinning [gerard2020]_ extended upwards.
"""

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

__all__ = [
    "MIN_CELLS",
    "Cells",
    "ControlCells",
    "drawn",
    "query_stream",
    "recount",
    "recovered_counts",
]

#: Fewer control cells than this are samples, not a population.
MIN_CELLS = 10
#: Cells that are dense together.
BLOCK = 1024
#: Bounds of the negative-binomial size r, and of a fold.
SIZE_BOUNDS = (1e-2, 1e3)
MAX_FOLD = 1e3


@dataclass(frozen=True, slots=True)
class Cells:
    """Control cells of one context.

    counts: (cells, genes) CSR of integers; scale: (cells,) such that log1p(scale * counts) is the
    profile; mean: (genes,) the mean log1p profile; size: (genes,) negative-binomial size r;
    rate: (genes,) counts per unit of depth (1 / scale).
    """

    counts: sp.csr_matrix
    scale: NDArray[np.float64]
    mean: NDArray[np.float64]
    size: NDArray[np.float64]
    rate: NDArray[np.float64]


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
        the batch, nor on the order of the queries.
        """
        place = label_positions(queries.context, self.contexts)
        blocks, sizes = [], []
        for row in range(len(queries)):
            rng = query_stream(queries, row, run)
            source = self.cells[place[row]]
            chosen = drawn(len(source.scale), self.n_most, rng)
            block = recount(source, chosen, mean[row], rng)
            blocks.append(block)
            sizes.append(block.shape[0])
        group = np.repeat(np.arange(len(queries)), sizes)
        return Population(sp.vstack(blocks, format="csr"), group)


def recovered_counts(values: NDArray[np.float64]) -> NDArray[np.int64]:
    """Counts from log1p profiles: expm1, each row divided by its smallest value above zero.

    values: (cells, genes). Right where every cell holds at least one gene counted once.
    """
    linear = np.expm1(values)
    smallest = np.where(linear > 0, linear, np.inf).min(axis=1, initial=np.inf)
    unit = np.where(np.isfinite(smallest), smallest, 1.0)
    return np.rint(linear / unit[:, None]).astype(np.int64)


def recount(
    cells: Cells, chosen: NDArray[np.int64], mean: NDArray[np.float64], rng: np.random.Generator
) -> sp.csr_matrix:
    """Control cells re-counted so that their mean log1p profile moves to ``mean``.

    chosen: (drawn,) which control cells; mean: (genes,) for all of them, or (drawn, genes) for
    each: the mean profile of controls that a cell like this one would have. The fold of a gene is
    expm1(mean) / expm1(control mean); a gene without counts in the controls gets
    Poisson(expm1(mean) / scale). Returns log1p values, CSR of (drawn, genes).
    """
    counts = cells.counts[chosen].toarray().astype(np.int64)
    scale = cells.scale[chosen][:, None]
    base = np.expm1(cells.mean)
    wanted = np.broadcast_to(np.expm1(np.maximum(mean, 0.0)), counts.shape)
    fold = np.ones(counts.shape)
    np.divide(wanted, base, out=fold, where=base > 0)
    new = counts.copy()
    down = np.flatnonzero((fold < 1).any(axis=0))
    kept = counts[:, down]
    cell, gene = np.nonzero(kept)  # of no count none is drawn, and no randomness is used
    share = np.minimum(fold[cell, down[gene]], 1.0)
    kept[cell, gene] = rng.binomial(kept[cell, gene], share)
    new[:, down] = kept
    up = np.flatnonzero(((fold > 1) & (base > 0)).any(axis=0))
    if len(up):
        rate = cells.size[up] / cells.rate[up] + 1.0 / scale
        posterior = rng.gamma(cells.size[up] + counts[:, up], 1.0 / rate) / scale
        new[:, up] += rng.poisson((np.clip(fold[:, up], 1.0, MAX_FOLD) - 1.0) * posterior)
    silent = np.flatnonzero((base <= 0) & (wanted > 0).any(axis=0))
    if len(silent):
        new[:, silent] += rng.poisson(wanted[:, silent] / scale)
    shifted = sp.csr_matrix(new, dtype=np.float64)
    shifted.data = np.log1p(shifted.data * np.repeat(scale.ravel(), np.diff(shifted.indptr)))
    return shifted


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
        counts = _counts(control, block, values)
        depth = counts.sum(axis=1)
        scales.append(np.where(depth > 0, np.expm1(values).sum(axis=1) / np.maximum(depth, 1), 0.0))
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


def _counts(
    control: Dataset, rows: NDArray[np.int64], values: NDArray[np.float64]
) -> NDArray[np.int64]:
    """Counts of some cells (cells, genes), recovered from their values where there is no layer."""
    if control.counts is None:
        return recovered_counts(values)
    return np.rint(dense(control.counts[rows])).astype(np.int64)
