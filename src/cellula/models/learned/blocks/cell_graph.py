"""The graph of cells: everyone's nearest neighbours within a group, and what they look like."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cellula.kernels.blas_threads import one_blas_thread
from cellula.models.learned.blocks.graph_layers import Edges, spread

__all__ = ["around", "cell_neighbours", "group_codes"]

#: Neighbours are looked for among so many cells of a group at most, drawn at random.
MOST = 4096
#: Cells whose distances are in memory together.
BLOCK = 512


def cell_neighbours(
    coordinates: NDArray[np.float64], group: NDArray[np.int64], k: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """The k nearest other cells of the same group of every cell: positions (cells, k).

    coordinates: (cells, dimensions), by Euclidean distance, the lower position first of those that
    are equally far; group: (cells,) codes. A cell of a group of fewer than k + 1 has itself in the
    places that are left. A group of more than 4,096 cells is cut at random (``rng``) into parts
    that know their own cells alone, so that the time is linear in cells.
    """
    found = np.repeat(np.arange(len(group), dtype=np.int64)[:, None], k, axis=1)
    with one_blas_thread():
        for code in np.unique(group):
            rows = np.flatnonzero(group == code)
            n_parts = -(-len(rows) // MOST)
            order = rng.permutation(rows) if n_parts > 1 else rows
            for part in np.array_split(order, n_parts):
                own = np.sort(part)
                near = _nearest(coordinates[own], min(k, len(own) - 1))
                found[own, : near.shape[1]] = own[near]
    return found


def group_codes(*columns: NDArray[np.object_] | None) -> NDArray[np.int64]:
    """A code of every distinct row of several columns of labels, None left out: (rows,)."""
    texts = [np.asarray(column).astype(str) for column in columns if column is not None]
    rows = np.array([" | ".join(parts) for parts in zip(*texts, strict=True)], dtype=object)
    return np.asarray(np.unique(rows.astype(str), return_inverse=True)[1], np.int64).ravel()


def around(profiles: Tensor, neighbours: Tensor) -> Tensor:
    """The mean profile of everyone's neighbours: (rows, readouts).

    profiles: (cells, readouts); neighbours: (rows, k) positions among them. One step of a
    convolution on the graph, all edges alike, before any weight is applied.
    """
    n, k = neighbours.shape
    target = torch.arange(n, device=profiles.device).repeat_interleave(k)
    weight = torch.full((n * k,), 1.0 / k, dtype=profiles.dtype, device=profiles.device)
    return spread(Edges(neighbours.reshape(-1), target, weight, n), weight, profiles)


def _nearest(x: NDArray[np.float64], k: int) -> NDArray[np.int64]:
    """The k nearest other rows of every row: (rows, k); k below the number of rows."""
    found = np.zeros((len(x), k), np.int64)
    if k < 1:
        return found
    centred = x - x.mean(axis=0)
    size = (centred**2).sum(axis=1)
    for start in range(0, len(x), BLOCK):
        part = centred[start : start + BLOCK]
        square = size - 2.0 * part @ centred.T
        own = np.arange(len(part))
        square[own, start + own] = np.inf
        chosen = np.sort(np.argpartition(square, k - 1, axis=1)[:, :k], axis=1)
        order = np.argsort(np.take_along_axis(square, chosen, axis=1), axis=1, kind="stable")
        found[start : start + BLOCK] = np.take_along_axis(chosen, order, axis=1)
    return found
