"""Doublets: droplets that caught two cells, found by Scrublet through scanpy [wolock2019]_."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import scanpy as sc
import scipy.sparse as sp
from anndata import AnnData
from numpy.typing import NDArray
from pydantic import Field

from cellula.core.dataset import Dataset
from cellula.core.errors import DataError
from cellula.core.model import Options
from cellula.core.run import RunContext
from cellula.core.value_type import ValueType
from cellula.kernels.blas_threads import one_blas_thread

__all__ = ["COUNTS", "DoubletOptions", "counts_of", "doublet_scores"]

#: The layer of raw counts beside log-normalised values.
COUNTS = "counts"
#: Fewer cells, or fewer genes found in three cells, are too few to score.
MIN_CELLS, MIN_GENES = 50, 50
#: The most times that the counts of simulated scores are smoothed.
SMOOTHINGS = 1000
#: The least share of the simulated doublets on either side of a limit.
MIN_SIDE = 0.1


class DoubletOptions(Options):
    """Options of the doublet scores; the defaults are scanpy's for Scrublet [wolock2019]_."""

    expected_rate: float = Field(default=0.05, gt=0, lt=0.5)
    """The share of doublets that the experiment is known to have."""
    simulated: float = Field(default=2.0, gt=0)
    """Doublets simulated, a cell."""
    n_components: int = Field(default=30, ge=2)
    """The principal components that neighbours are found in; few suit few kinds of cells."""


def counts_of(data: Dataset) -> sp.csr_matrix:
    """The counts (cells, genes) as CSR without stored zeros: the values, or the layer ``counts``.

    Raises DataError where there are none.
    """
    if data.value_type is ValueType.COUNTS:
        stored = data.values
    elif COUNTS in data.data.layers:
        stored = data.data.layers[COUNTS]
    else:
        raise DataError(
            f"cells are judged by their counts, but the values are {data.value_type.value!r} and "
            f"no layer is called {COUNTS!r}; hand over the raw counts as either"
        )
    counts = sp.csr_matrix(stored, copy=True)
    counts.sum_duplicates()
    counts.eliminate_zeros()
    return counts


def doublet_scores(
    data: Dataset, run: RunContext, options: DoubletOptions | None = None
) -> tuple[pd.Series[Any], dict[str, float]]:
    """The doublet score of every cell, and the limit of every batch.

    A score is the probability that a cell is two, from its neighbours among simulated doublets;
    every batch is scored by itself, since cells of two batches form no doublet. The limit is the
    valley between the two modes of the simulated scores [prewitt1966]_, infinite where they have
    not two: then no cell is called a doublet. Batches of fewer than 50 cells, or 50 genes found
    in three cells, are not scored (NaN); nor are cells without three genes. Deterministic in the
    run's seed.
    """
    settings = options or DoubletOptions()
    counts = counts_of(data)
    batch = data.labels("batch") if data.has_role("batch") else None
    names = [str(name) for name in batch.categories] if batch is not None else ["all"]
    scores = pd.Series(np.nan, index=data.obs.index, name="doublet_score")
    limits: dict[str, float] = {}
    for code, name in enumerate(names):
        rows = np.flatnonzero(batch.codes == code) if batch is not None else np.arange(len(scores))
        seed = int(run.child("doublets", name).rng.integers(2**31 - 1))
        found = _scrublet(counts[rows], seed, settings)
        limits[name] = float("inf")
        if found is not None:
            scores.iloc[rows], simulated = found
            limits[name] = _valley(simulated)
    return scores, limits


def _scrublet(
    counts: sp.csr_matrix, seed: int, settings: DoubletOptions
) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """Scores of the cells and of the simulated doublets; None where there is too little.

    Genes are chosen, and cells and doublets normalised, as Scrublet does; where fewer than
    ``MIN_GENES`` genes vary highly, all are taken.
    """
    counts = counts[:, np.asarray((counts > 0).sum(axis=0)).ravel() >= 3].astype(np.float32)
    is_cell = np.diff(counts.indptr) >= 3
    if is_cell.sum() < MIN_CELLS or counts.shape[1] < MIN_GENES:
        return None
    cells = AnnData(counts[is_cell])
    cells.layers["raw"] = cells.X.copy()
    sc.pp.normalize_total(cells)
    logs = sc.pp.log1p(cells, copy=True)
    sc.pp.highly_variable_genes(logs)
    varies = logs.var["highly_variable"].to_numpy(bool)
    if varies.sum() >= MIN_GENES:
        cells = cells[:, varies].copy()
    doublets = sc.pp.scrublet_simulate_doublets(
        cells, layer="raw", sim_doublet_ratio=settings.simulated, random_seed=seed
    )
    for part in (cells, doublets):
        sc.pp.normalize_total(part, target_sum=1e6)
    with one_blas_thread():
        sc.pp.scrublet(
            cells,
            doublets,
            expected_doublet_rate=settings.expected_rate,
            n_prin_comps=min(settings.n_components, cells.n_vars - 1, cells.n_obs - 1),
            use_approx_neighbors=False,
            threshold=0.0,  # the limit is ours: scanpy's needs another package
            verbose=False,
            random_state=seed,
        )
    scores = np.full(len(is_cell), np.nan)
    scores[is_cell] = cells.obs["doublet_score"]
    return scores, np.asarray(cells.uns["scrublet"]["doublet_scores_sim"], np.float64)


def _valley(scores: NDArray[np.float64]) -> float:
    """The lowest point between the two modes of the scores, smoothed until they have two.

    Infinite where there is one mode, and where one holds hardly any doublets: cells of one kind
    form doublets that look like cells.

    A score is a function of the number of simulated neighbours, so it has few levels: counted
    are the doublets of every level.
    """
    levels, counts = np.unique(scores, return_counts=True)
    smooth = counts.astype(np.float64)
    for _ in range(SMOOTHINGS):
        modes = _modes(smooth)
        if len(modes) < 3:
            break
        padded = np.pad(smooth, 1, mode="edge")
        smooth = (padded[:-2] + smooth + padded[2:]) / 3
    if len(modes) != 2:
        return float("inf")
    low = int(modes[0]) + int(np.argmin(smooth[modes[0] : modes[1] + 1]))
    sides = counts[: low + 1].sum(), counts[low + 1 :].sum()
    if min(sides) < MIN_SIDE * len(scores):
        return float("inf")
    return float((levels[low] + levels[low + 1]) / 2)


def _modes(height: NDArray[np.float64]) -> NDArray[np.int64]:
    """Positions of the peaks; a plateau counts once, at its first bin."""
    padded = np.pad(height, 1, constant_values=-1.0)
    return np.flatnonzero((height > padded[:-2]) & (height >= padded[2:]))
