"""Re-counted control cells whose mean is the predicted mean."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from cellula.models.baselines.population import Cells, recount

__all__ = ["recount_to"]

#: How often the folds are corrected, and the largest correction of one gene at a time.
ROUNDS = 3
MOST = float(np.log(4.0))
#: The standard deviation of corrections that is expected: what is noise is not corrected.
EXPECTED = 0.5


def recount_to(
    cells: Cells, chosen: NDArray[np.int64], mean: NDArray[np.float64], rng: np.random.Generator
) -> sp.csr_matrix:
    """As :func:`recount`, and the mean log1p profile of the cells is the mean of ``mean``.

    chosen: (drawn,) which control cells; mean: (genes,) or (drawn, genes). A fold of mean log1p
    profiles is not a fold of counts: where zeros become counts it is too large. So a re-count is
    compared with what was wanted, gene by gene, and the logarithms of the folds are corrected three
    times by d s / (s^2 + e^2 / 0.25): d the difference, s the slope of the mean with the
    correction, e the standard error of the mean. Returns log1p values, CSR of (drawn, genes).
    """
    target = np.maximum(np.atleast_2d(mean), 0.0)
    wanted = target.mean(axis=0)
    seed = int(rng.integers(2**63))
    linear = np.expm1(target)
    made = recount(cells, chosen, np.log1p(linear), np.random.default_rng(seed))
    for _ in range(ROUNDS):
        found = np.asarray(made.mean(axis=0)).ravel()
        slope = _slope(made, cells.scale[chosen])
        square = np.asarray(made.multiply(made).mean(axis=0)).ravel()
        noise = np.maximum(square - found**2, 1e-12) / len(chosen)
        step = (wanted - found) * slope / (slope**2 + noise / EXPECTED**2)
        linear = linear * np.exp(np.clip(step, -MOST, MOST))
        made = recount(cells, chosen, np.log1p(linear), np.random.default_rng(seed))
    return made


def _slope(made: sp.csr_matrix, scale: NDArray[np.float64]) -> NDArray[np.float64]:
    """The change of every gene's mean log1p value with the log of its rate: (genes,).

    Of Poisson counts K with rate L, dE[g(K)] / d log L = E[K (g(K) - g(K - 1))].
    """
    unit = np.repeat(scale, np.diff(made.indptr))
    linear = np.expm1(made.data)
    less = np.log1p(np.maximum(linear - unit, 0.0))
    change = sp.csr_matrix(
        (linear / unit * (made.data - less), made.indices, made.indptr), made.shape
    )
    return np.asarray(change.mean(axis=0), np.float64).ravel()
