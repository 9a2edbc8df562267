"""How far every flux can go while the objective stays good."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import final

import numpy as np

from cellula.core.errors import DataError
from cellula.core.network import Network
from cellula.models.mechanistic.flux_problem import (
    Floats,
    FluxProblem,
    flux_problem,
    require_optimal,
    solved,
    within_objective,
)

__all__ = ["FluxRanges", "flux_variability"]

#: A bound that is reached to this is reached.
TOLERANCE = 1e-9


@final
@dataclass(frozen=True, slots=True)
class FluxRanges:
    """The smallest and the largest flux of every reaction; infinite where it has no bound."""

    ids: tuple[str, ...]
    minimum: Floats
    maximum: Floats


def flux_variability(
    network: Network, fraction: float = 1.0, reactions: Sequence[str] | None = None
) -> FluxRanges:
    """The range of fluxes with at least ``fraction`` of the best objective [mahadevan2003]_.

    Two linear programs a reaction, but none where a flux of another one reached a bound of this
    one already. reactions: None for all. Raises as ``flux_balance``, and DataError on an id that
    is no reaction.
    """
    problem = flux_problem(network)
    best = require_optimal(problem, solved(problem))
    ids = problem.ids if reactions is None else tuple(reactions)
    strange = [id for id in ids if id not in problem.ids]
    if strange:
        raise DataError(f"{strange[0]!r} is no reaction of network {network.id!r}")
    near = within_objective(problem, best.objective, fraction)
    places = np.array([problem.ids.index(id) for id in ids], np.int64)
    seen = best.values
    ranges = _Ranges(near, seen.copy(), seen.copy())
    for place in places:
        for is_maximum in (False, True):
            ranges.extend(int(place), is_maximum)
    return FluxRanges(ids, ranges.smallest[places], ranges.largest[places])


@final
@dataclass(frozen=True, slots=True)
class _Ranges:
    """The extremes of all fluxes seen, which become those that there are."""

    problem: FluxProblem
    smallest: Floats
    largest: Floats

    def extend(self, place: int, is_maximum: bool) -> None:
        """Find one extreme of one flux, and see what the others are there."""
        bound = self.problem.upper[place] if is_maximum else self.problem.lower[place]
        seen = self.largest[place] if is_maximum else self.smallest[place]
        if abs(bound - seen) <= TOLERANCE:
            return
        weights = np.zeros(len(self.problem.ids))
        weights[place] = 1.0
        found = solved(replace(self.problem, weights=weights, is_maximum=is_maximum))
        if found.status == "unbounded":
            side = self.largest if is_maximum else self.smallest
            side[place] = np.inf if is_maximum else -np.inf
            return
        fluxes = require_optimal(self.problem, found).values[: len(self.smallest)]
        np.minimum(self.smallest, fluxes, out=self.smallest)
        np.maximum(self.largest, fluxes, out=self.largest)
