"""Re-counted control cells whose mean is the predicted mean."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from cellula.models.baselines.population import Cells, recount

__all__ = ["recount_to"]

#: How often the folds are corrected, and the largest correction of one gene at a time.
ROUNDS = 3
MOST = 4.0
#: Added to both profiles of a correction: below it a gene is noise.
FLOOR = 0.01


def recount_to(
    cells: Cells, chosen: NDArray[np.int64], mean: NDArray[np.float64], rng: np.random.Generator
) -> sp.csr_matrix:
    """As :func:`recount`, and the mean log1p profile of the cells is the mean of ``mean``.

    chosen: (drawn,) which control cells; mean: (genes,) or (drawn, genes). A fold of mean log1p
    profiles is not a fold of counts: where zeros become counts it is too large. So a first
    re-count is compared with what was wanted, gene by gene, and folds are corrected, with the same
    random numbers, three times. Returns log1p values, CSR of (drawn, genes).
    """
    target = np.maximum(np.atleast_2d(mean), 0.0)
    wanted = target.mean(axis=0)
    seed = int(rng.integers(2**63))
    linear = np.expm1(target)
    made = recount(cells, chosen, np.log1p(linear), np.random.default_rng(seed))
    for _ in range(ROUNDS):
        found = np.asarray(made.mean(axis=0)).ravel()
        linear = linear * np.clip((wanted + FLOOR) / (found + FLOOR), 1.0 / MOST, MOST)
        made = recount(cells, chosen, np.log1p(linear), np.random.default_rng(seed))
    return made
