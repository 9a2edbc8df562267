"""Direction: whether genes that a prediction calls change the way they do in the experiment."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cellula.evaluation.presets.differential import Effects

__all__ = ["PURITY", "fidelity", "reach"]

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

#: The share of right signs that a ranking must keep.
PURITY = 0.9


def _agreement(truth: Effects, answer: Effects) -> tuple[Mask, Mask]:
    """Where the experiment has a direction, and where the prediction has the same one."""
    true, said = (np.sign(np.nan_to_num(side.log2_change)) for side in (truth, answer))
    return true != 0, (true != 0) & (true == said)


def fidelity(truth: Effects, answer: Effects, real: Mask, said: Mask) -> Floats:
    """Right calls k / max(n predicted, n real) of every perturbation; NaN where both are 0.

    real, said: (perturbations, genes), significant in the experiment and in the prediction. k and
    n predicted count called genes to which the experiment gives a direction.
    """
    has, match = _agreement(truth, answer)
    called = (said & has).sum(axis=1)
    below = np.maximum(called, real.sum(axis=1))
    right = (said & match).sum(axis=1)
    out = np.full(len(below), np.nan)
    np.divide(right, below, out=out, where=below > 0)
    return out


def reach(truth: Effects, answer: Effects, real: Mask, said: Mask, genes: Sequence[str]) -> Floats:
    """The deepest rank with a purity of at least .9, over the experiment's significant genes.

    The experiment's significant genes stand in the order of the prediction: called ones first,
    then by adjusted p, p, size of the change (large first) and name. A purity is the share of
    right signs among those so far to which the experiment gives a direction; ``deepest`` is
    literal, also after a dip. NaN where the experiment has no significant gene. Arguments as
    :func:`fidelity`; genes: their names, in the order of the columns.
    """
    has, match = _agreement(truth, answer)
    name_rank = np.argsort(np.argsort(np.asarray(genes, dtype=object)))
    out = np.full(len(real), np.nan)
    for row in range(len(real)):
        pool = np.flatnonzero(real[row])
        if not len(pool):
            continue
        keys = (
            name_rank[pool],
            _last(-np.abs(answer.log2_change[row, pool]), np.inf),
            _last(answer.p[row, pool], np.inf),
            _last(answer.adjusted[row, pool], np.inf),
            ~said[row, pool],
        )
        order = pool[np.lexsort(keys)]
        depth = np.cumsum(has[row, order])
        right = np.cumsum(match[row, order])
        pure = (depth > 0) & (right / np.maximum(depth, 1) >= PURITY)
        out[row] = (depth[pure].max() if pure.any() else 0) / len(pool)
    return out


def _last(values: Floats, missing: float) -> Floats:
    return np.where(np.isnan(values), missing, values)
