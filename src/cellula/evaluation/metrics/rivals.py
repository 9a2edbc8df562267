"""Where a group looks for other perturbations to stand beside: its context, time, fold and unit."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cellula.core.comparison import Comparison
from cellula.evaluation.question import labels_of

__all__ = ["POOL", "pools", "strata"]

Codes = NDArray[np.int64]

#: What a definition says of the pool of a group.
POOL = (
    "groups of the same context, time, training fold and unit; where these hold no other "
    "perturbation, of the same context, time and fold; then of the same context and time; then of "
    "the same context"
)


def strata(comparison: Comparison) -> tuple[Codes, ...]:
    """The pools in which a group looks for rivals, the narrowest first: (groups,) codes each."""
    context, _ = labels_of(comparison.groups["context"])
    n_groups = len(context)
    none = np.zeros(n_groups, np.int64)
    time = none
    if "time_s" in comparison.groups.columns:
        time = np.unique(comparison.groups["time_s"].to_numpy(np.float64), return_inverse=True)[1]
    fold = none if comparison.fold is None else comparison.fold
    found = [context]
    for part in (time, fold, comparison.unit):
        found.append(found[-1] * (int(part.max(initial=0)) + 1) + part)
    return tuple(np.asarray(codes, np.int64) for codes in reversed(found))


def pools(stratum: Codes) -> list[Codes]:
    """The groups of every pool of a stratum (groups,), each in the order of the groups."""
    order = np.argsort(stratum, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(stratum[order])) + 1)
