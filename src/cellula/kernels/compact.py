"""Cells as what is done with them is cheapest on: CSR where most values are 0, else dense."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp

from cellula.core.matrix import dense

__all__ = ["compact"]

#: Where more of the values are not 0, cells are dense.
MOST_SPARSE = 0.25


def compact(cells: Any) -> Any:
    """Cells (n, d), dense or sparse, as float64: CSR or dense, as their values decide.

    Not how they are kept: so that what is made of them has the same bits however they are. CSR is
    canonical and without stored zeros. Cells that are so already are not copied.
    """
    stored = cells.data if sp.issparse(cells) else cells
    n_values = int(np.count_nonzero(stored))
    if n_values > MOST_SPARSE * cells.shape[0] * cells.shape[1]:
        return np.ascontiguousarray(dense(cells))
    csr = sp.csr_matrix(cells, dtype=np.float64)
    if not csr.has_canonical_format or n_values < csr.nnz:
        csr = csr.copy()
        csr.sum_duplicates()
        csr.eliminate_zeros()
    return csr
