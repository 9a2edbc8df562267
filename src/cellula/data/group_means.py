"""Sums and means of groups of profiles, the same bits wherever the profiles lie."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from cellula.core.matrix import StoredMatrix, dense
from cellula.kernels.group_moments import add_dense, add_sums

__all__ = ["group_means", "group_sums"]

#: Numbers that are in memory as float64 together: 64 MiB.
BLOCK_NUMBERS = 2**23


def group_sums(matrix: Any, groups: NDArray[np.int64], n_groups: int) -> NDArray[np.float64]:
    """Sum of the profiles of every group, (n_groups, readouts), one after another in their order.

    matrix: (profiles, readouts), dense, CSR or on disk; groups: (profiles,), -1 counts nowhere.
    Additions of a group depend on its own profiles alone, so a part of the groups, or the same
    profiles on disk, give the same bits. Memory beyond the result is that of a block of profiles.
    """
    sums = np.zeros((n_groups, matrix.shape[1]))
    if isinstance(matrix, StoredMatrix):
        order = np.argsort(groups, kind="stable")
        order = order[np.searchsorted(groups[order], 0) :]
        size = block_rows(matrix.shape[1])
        for start in range(0, len(order), size):
            rows = order[start : start + size]
            _add(matrix[rows].load(), groups[rows], sums)
    else:
        _add(matrix, groups, sums)
    return sums


def group_means(matrix: Any, groups: NDArray[np.int64], n_groups: int) -> NDArray[np.float64]:
    """Mean of the profiles of every group: (n_groups, readouts); NaN where there is none.

    Arguments as :func:`group_sums`.
    """
    count = np.bincount(groups[groups >= 0], minlength=n_groups).astype(np.float64)
    count[count == 0] = np.nan
    return np.asarray(group_sums(matrix, groups, n_groups) / count[:, None], np.float64)


def block_rows(n_readouts: int) -> int:
    """How many profiles are in memory together."""
    return max(1, BLOCK_NUMBERS // max(n_readouts, 1))


def _add(matrix: Any, groups: NDArray[np.int64], sums: NDArray[np.float64]) -> None:
    if sp.issparse(matrix):
        csr = sp.csr_matrix(matrix)
        add_sums((csr.data, csr.indices, csr.indptr), groups, sums)
        return
    size = block_rows(matrix.shape[1])
    for start in range(0, matrix.shape[0], size):
        stop = start + size
        add_dense(dense(matrix[start:stop]), groups[start:stop], sums)
