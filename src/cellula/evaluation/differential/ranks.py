"""Rank sums of all groups and readouts in bounded memory, from a matrix in memory or on a disk."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from cellula.core.run import RunContext, each
from cellula.evaluation.differential.arms import Arms
from cellula.evaluation.differential.blocks import CellBlocks, group_sizes
from cellula.kernels.column_values import Csr, column_values, scatter_rows, stored_values
from cellula.kernels.rank_sum import rank_sum_p, rank_sums

__all__ = ["context_ranks", "ranks_in_memory", "ranks_streamed"]

#: Bytes of values that one thread works on; wide enough that a cell's values are read in runs.
BLOCK_BYTES = 32_000_000

Ranks = tuple[NDArray[np.float64], NDArray[np.float64]]


def ranks_in_memory(matrix: Csr, n_genes: int, arms: Arms, run: RunContext) -> Ranks:
    """U and p (groups, genes), NaN for controls; genes are worked on block by block."""
    rows, bounds = _by_group(arms)
    room = stored_values(matrix[1], n_genes)

    def ranked(genes: tuple[int, int]) -> Ranks:
        first, last = genes
        values, ends = column_values(matrix, rows, bounds, first, room[first:last])
        return context_ranks(values, ends, bounds, arms)

    item = matrix[0].dtype.itemsize
    ranges = gene_ranges(room * item, BLOCK_BYTES)
    return _joined(each(ranked, ranges, run), ranges, len(arms.names))


def ranks_streamed(
    cells: CellBlocks, stored: NDArray[np.int64], arms: Arms, run: RunContext
) -> Ranks:
    """U and p (groups, genes), NaN for controls, reading the blocks once or more often.

    stored: values that are not 0 of every group and gene. In each pass the values of as many
    genes as the memory of the options takes are set down by gene and group.
    """
    _, bounds = _by_group(arms)
    per_gene = stored.sum(0) * 8 + 3 * 8 * len(stored)
    ranges = gene_ranges(per_gene, int(cells.options.memory_gb * 1e9))
    run.progress.say(
        f"rank sums of {stored.sum():,} values: {len(ranges)} pass(es) over the cells, at most "
        f"{max(int(per_gene[a:b].sum()) for a, b in ranges) / 1e9:.2f} GB of values"
    )
    passes = (_one_pass(cells, stored, arms, bounds, genes, run) for genes in ranges)
    return _joined(passes, ranges, len(arms.names))


def _one_pass(
    cells: CellBlocks,
    stored: NDArray[np.int64],
    arms: Arms,
    bounds: NDArray[np.int64],
    genes: tuple[int, int],
    run: RunContext,
) -> Ranks:
    first, last = genes
    part = stored[:, first:last]
    flat = np.concatenate([[0], np.cumsum(part.T.ravel())])
    ends = np.empty((len(part) + 1, part.shape[1]), np.int64)
    ends[:-1] = flat[:-1].reshape(part.T.shape).T
    ends[-1] = ends[-2] + part[-1]
    position = ends[:-1].copy()
    values: NDArray[np.float32] | NDArray[np.float64] | None = None
    for rows, block in cells.blocks():
        if values is None:
            values = np.empty(int(flat[-1]), block[0].dtype)
        scatter_rows(block, arms.groups[rows], first, position, values)
    there = np.empty(0) if values is None else values

    def ranked(some: tuple[int, int]) -> Ranks:
        return context_ranks(there, np.ascontiguousarray(ends[:, slice(*some)]), bounds, arms)

    slices = gene_ranges(part.sum(0) * 8, BLOCK_BYTES)
    return _joined(each(ranked, slices, run), slices, len(part))


def context_ranks(
    values: NDArray[np.float64] | NDArray[np.float32],
    ends: NDArray[np.int64],
    bounds: NDArray[np.int64],
    arms: Arms,
) -> Ranks:
    """U and p of the groups of every context against its control; NaN for the controls."""
    shape = (len(arms.names), ends.shape[1])
    u, p = np.full(shape, np.nan), np.full(shape, np.nan)
    for first, last in arms.contexts:
        limits = bounds[first : last + 1]
        own = np.ascontiguousarray(ends[first : last + 1])
        u[first + 1 : last], ties = rank_sums(values, own, limits)
        p[first + 1 : last] = rank_sum_p(u[first + 1 : last], ties, limits)
    return u, p


def gene_ranges(sizes: NDArray[np.int64], limit: int) -> list[tuple[int, int]]:
    """Neighbouring genes, taken together up to a sum of sizes; one gene may exceed it."""
    ranges, start, total = [], 0, 0
    for gene, size in enumerate(sizes.tolist()):
        if gene > start and total + size > limit:
            ranges.append((start, gene))
            start, total = gene, 0
        total += size
    return [*ranges, (start, len(sizes))]


def _by_group(arms: Arms) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    rows = np.argsort(arms.groups, kind="stable")[(arms.groups < 0).sum() :]
    sizes = group_sizes(arms.groups, len(arms.names))
    return rows, np.concatenate([[0], np.cumsum(sizes)])


def _joined(parts: Iterator[Ranks], ranges: Sequence[tuple[int, int]], n_groups: int) -> Ranks:
    """The parts of some ranges of genes, side by side."""
    shape = (n_groups, ranges[-1][1])
    u, p = np.empty(shape), np.empty(shape)
    for (first, last), part in zip(ranges, parts, strict=True):
        u[:, first:last], p[:, first:last] = part
    return u, p
