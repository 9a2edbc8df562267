"""Re-counting: control cells whose mean moves, with the dispersion and the depth they had.

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

__all__ = ["Cells", "recount", "recount_to"]

#: The largest fold of a gene.
MAX_FOLD = 1e3
#: How often the folds are corrected, and the largest correction of one gene at a time.
ROUNDS = 3
MOST = float(np.log(4.0))
#: The standard deviation of corrections that is expected: what is noise is not corrected.
EXPECTED = 0.5


@dataclass(frozen=True, slots=True)
class Cells:
    """Control cells of one context.

    counts: (cells, genes) CSR of integers; scale: (cells,) such that log1p(scale * counts) is the
    profile; mean: (genes,) the mean log1p profile; size: (genes,) negative-binomial size r;
    rate: (genes,) counts per unit of depth (1 / scale); gain: (genes,) size of the negative
    binomial that added counts follow, None where it is that of the controls.
    """

    counts: sp.csr_matrix
    scale: NDArray[np.float64]
    mean: NDArray[np.float64]
    size: NDArray[np.float64]
    rate: NDArray[np.float64]
    gain: NDArray[np.float64] | None = None


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
        level = _level(cells, counts[:, up], up, scale, rng)
        new[:, up] += rng.poisson((np.clip(fold[:, up], 1.0, MAX_FOLD) - 1.0) * level)
    silent = np.flatnonzero((base <= 0) & (wanted > 0).any(axis=0))
    if len(silent):
        new[:, silent] += rng.poisson(wanted[:, silent] / scale)
    shifted = sp.csr_matrix(new, dtype=np.float64)
    shifted.data = np.log1p(shifted.data * np.repeat(scale.ravel(), np.diff(shifted.indptr)))
    return shifted


def _level(
    cells: Cells,
    counts: NDArray[np.int64],
    genes: NDArray[np.int64],
    scale: NDArray[np.float64],
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """Counts that every cell is to be expected to have: (cells, genes), drawn.

    Given its counts, or with the spread that added counts are known to have.
    """
    if cells.gain is None:
        rate = cells.size[genes] / cells.rate[genes] + 1.0 / scale
        return np.asarray(rng.gamma(cells.size[genes] + counts, 1.0 / rate) / scale)
    size = cells.gain[genes]
    spread = rng.gamma(np.broadcast_to(size, counts.shape), 1.0 / size)
    return np.asarray(cells.rate[genes] * spread / scale)


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
