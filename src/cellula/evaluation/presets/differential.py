"""Differential expression of every perturbation against controls, as the challenges define it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cellula.core.run import RunContext, each
from cellula.evaluation.presets.panel import Side
from cellula.kernels.false_discovery import benjamini_hochberg
from cellula.kernels.rank_sum import rank_sum_block

__all__ = ["Effects", "adjusted", "rank_sum_p"]

#: Genes that are tested together: what a block needs in memory is cells x BLOCK values.
BLOCK = 128


@dataclass(frozen=True, slots=True)
class Effects:
    """Tests of every perturbation and gene: p, p adjusted and log2 fold change (perturbations,
    genes); NaN where a gene was not tested.
    """

    p: NDArray[np.float64]
    adjusted: NDArray[np.float64]
    log2_change: NDArray[np.float64]

    def significant(self, level: float) -> NDArray[np.bool_]:
        """Where the adjusted p is below ``level``: (perturbations, genes)."""
        return np.nan_to_num(self.adjusted, nan=1.0) < level


def rank_sum_p(side: Side, run: RunContext) -> NDArray[np.float64]:
    """Two-sided p of the Mann-Whitney test of every perturbation against the controls.

    (perturbations, genes); block by block of genes, on the run's threads.
    """
    rows, bounds = side.ordered()
    n_genes = side.shape[1]
    blocks = [(first, min(first + BLOCK, n_genes)) for first in range(0, n_genes, BLOCK)]
    found = each(lambda block: rank_sum_block(side.matrix, rows, bounds, block)[1], blocks, run)
    return np.concatenate(list(found), axis=1)


def adjusted(p: NDArray[np.float64], tested: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Benjamini and Hochberg's adjusted p, row by row over the tested genes [benjamini1995]_.

    p: (perturbations, genes); tested: (genes,). NaN for a gene that is not tested.
    """
    out = np.full(p.shape, np.nan)
    columns = np.flatnonzero(tested)
    if len(columns):
        out[:, columns] = benjamini_hochberg(p[:, columns])
    return out
