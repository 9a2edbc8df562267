"""Where a group looks for other perturbations to stand beside: its context, unit and fold."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cellula.core.comparison import Comparison
from cellula.evaluation.question import labels_of

__all__ = ["POOL", "pools", "strata"]

Codes = NDArray[np.int64]

#: What a definition says of the pool of a group.
POOL = (
    "groups of the same context, unit and training fold; of the same context and fold where these "
    "hold no other perturbation; else of the same context"
)


def strata(comparison: Comparison) -> tuple[Codes, Codes, Codes]:
    """The pools in which a group looks for rivals, the narrowest first: (groups,) codes each."""
    context, _ = labels_of(comparison.groups["context"])
    fold = np.zeros(len(context), np.int64) if comparison.fold is None else comparison.fold
    of_fold = context * (int(fold.max(initial=0)) + 1) + fold
    return of_fold * max(len(comparison.units), 1) + comparison.unit, of_fold, context


def pools(stratum: Codes) -> list[Codes]:
    """The groups of every pool of a stratum (groups,), each in the order of the groups."""
    order = np.argsort(stratum, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(stratum[order])) + 1)
