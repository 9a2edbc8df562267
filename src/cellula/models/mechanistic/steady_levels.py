"""The steady state of a set of hyperedges under every condition of a table."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cellula.core.errors import DataError
from cellula.core.logic import PerturbationTable
from cellula.models.mechanistic.prior_network import Hyperedge

__all__ = ["clamped_levels", "steady_levels"]


def clamped_levels(nodes: Sequence[str], table: PerturbationTable) -> NDArray[np.float64]:
    """What cues hold: (conditions, nodes), not a number where a node is free.

    A stimulus holds its node at 1, or at 0 where it was not given; an inhibitor that was given
    holds its node at 0. Raises DataError where a cue is none of the nodes.
    """
    held = np.full((len(table), len(nodes)), np.nan)
    for names, given, is_stimulus in (
        (table.stimuli, table.stimulated, True),
        (table.inhibitors, table.inhibited, False),
    ):
        for column, name in enumerate(names):
            if name not in nodes:
                raise DataError(f"the cue {name!r} is no component of the network")
            there = given[:, column]
            if is_stimulus:
                held[:, nodes.index(name)] = there
            else:
                held[there, nodes.index(name)] = 0.0
    return held


def steady_levels(
    edges: Sequence[Hyperedge], nodes: Sequence[str], table: PerturbationTable
) -> NDArray[np.float64]:
    """The levels when nothing changes any more: (conditions, nodes), all updated at once from 0.

    Not a number in conditions in which that never happens: the components oscillate.
    """
    held = clamped_levels(nodes, table)
    is_free = np.isnan(held)
    place = {id: at for at, id in enumerate(nodes)}
    asked = [
        (place[e.target], [place[id] for id in e.on], [place[id] for id in e.off]) for e in edges
    ]
    levels = np.where(is_free, 0.0, held)
    is_changing = np.zeros(len(table), np.bool_)
    seen: set[bytes] = set()
    while levels.tobytes() not in seen:
        seen.add(levels.tobytes())
        fresh = np.where(is_free, 0.0, held)
        for target, on, off in asked:
            is_on = (levels[:, on] == 1.0).all(axis=1) & (levels[:, off] == 0.0).all(axis=1)
            fresh[:, target] = np.where(is_on & is_free[:, target], 1.0, fresh[:, target])
        is_changing = (fresh != levels).any(axis=1)
        levels = fresh
    levels[is_changing] = np.nan
    return levels
