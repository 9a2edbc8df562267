"""The states of a small logic network one by one, their steps, and where these end."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, TypeAlias, final

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.sparse import csgraph

from cellula.core.errors import DataError
from cellula.core.logic import LogicNetwork
from cellula.kernels.decision_diagram import Diagram
from cellula.models.mechanistic.logic_form import LogicForm, logic_form

__all__ = ["StateGraph", "n_states", "state_graph"]

Integers: TypeAlias = NDArray[np.int64]


@final
@dataclass(frozen=True, slots=True)
class StateGraph:
    """The graph of all states of a network under one update.

    levels: (states, components). before, after: (steps,) states; a state that stays has none.
    attractor: (states,) the number of the attractor that a state belongs to, -1 for none. basin:
    the number of the attractor that is nearest; distance: how many steps it is away at least;
    ahead: the next state on such a way, -1 in an attractor; n_reached: how many attractors a state
    can reach.
    """

    network: LogicNetwork
    update: Literal["synchronous", "asynchronous"]
    levels: Integers
    before: Integers
    after: Integers
    attractor: Integers
    basin: Integers
    distance: Integers
    ahead: Integers
    n_reached: Integers

    @property
    def n_attractors(self) -> int:
        """How many attractors there are, over all values of the inputs."""
        return int(self.attractor.max()) + 1


def n_states(network: LogicNetwork) -> int:
    """How many states a network has."""
    return math.prod(one.max_level + 1 for one in network.components)


def state_graph(
    network: LogicNetwork,
    update: Literal["synchronous", "asynchronous"] = "asynchronous",
    limit: int = 512,
) -> StateGraph:
    """Every state of a network and its steps [kauffman1969]_ [thomas1991]_.

    update: all components move at once, or one at a time; a level moves by one. An attractor is
    what no step leaves, and of which every state reaches every other. Raises DataError on a
    network of more than ``limit`` states, and as :func:`logic_form` does.
    """
    if n_states(network) > limit:
        raise DataError(
            f"{network.id!r} has {n_states(network):,} states, more than {limit:,}; raise the "
            "limit or look at its attractors"
        )
    form = logic_form(network)
    most = [one.max_level + 1 for one in network.components]
    levels = np.indices(most).reshape(len(most), -1).T.astype(np.int64)
    before, after = _steps(form, levels, np.array(most, np.int64), update)
    n = len(levels)
    forth = sp.csr_matrix((np.ones(len(before)), (before, after)), (n, n))
    attractor = _attractors(forth)
    basin, distance, ahead, reached = _basins(forth.T.tocsr(), attractor)
    return StateGraph(
        network, update, levels, before, after, attractor, basin, distance, ahead, reached
    )


def _steps(
    form: LogicForm, levels: Integers, most: Integers, update: str
) -> tuple[Integers, Integers]:
    """Steps from state to state, each once."""
    owners, thresholds = np.array(form.owners, np.int64), np.array(form.thresholds, np.int64)
    bits = levels[:, owners] >= thresholds
    turned = np.stack([_values(one, bits) for one in form.next], axis=1) != bits
    sizes = np.append(np.cumprod(most[::-1])[::-1][1:], 1)
    moves = np.where(turned, np.where(bits, -1, 1), 0) * sizes[owners]
    here = np.arange(len(levels))
    if update == "synchronous":
        after = here + moves.sum(axis=1)
        return here[after != here], after[after != here]
    state, bit = np.nonzero(turned)
    return here[state], here[state] + moves[state, bit]


def _values(diagram: Diagram, bits: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """A Boolean function of every state; the children of a node stand before it."""
    n = len(bits)
    found = [np.zeros(n, bool), np.ones(n, bool)][: len(diagram)]
    for variable, low, high in diagram[2:].tolist():
        found.append(np.where(bits[:, variable], found[high], found[low]))
    return found[-1]


def _attractors(forth: sp.csr_matrix) -> Integers:
    """The strongly connected parts that no step leaves, numbered by their first state."""
    n_parts, part = csgraph.connected_components(forth, connection="strong")
    steps = forth.tocoo()
    is_left = np.zeros(n_parts, bool)
    is_left[part[steps.row[part[steps.row] != part[steps.col]]]] = True
    number = np.full(n_parts, -1, np.int64)
    last = list(dict.fromkeys(part[~is_left[part]].tolist()))
    number[last] = np.arange(len(last))
    return np.asarray(number[part])


def _basins(
    back: sp.csr_matrix, attractor: Integers
) -> tuple[Integers, Integers, Integers, Integers]:
    """The nearest attractor of every state, how far it is, the way, and how many are reached."""
    n, many = len(attractor), int(attractor.max()) + 1
    nearest = np.full(n, np.inf)
    basin, ahead = np.zeros(n, np.int64), np.full(n, -1, np.int64)
    reached = np.zeros(n, np.int64)
    for number in range(many):
        own = np.flatnonzero(attractor == number)
        far, way, _ = csgraph.dijkstra(
            back, unweighted=True, indices=own, min_only=True, return_predecessors=True
        )
        reached += np.isfinite(far)
        is_nearer = far < nearest
        nearest[is_nearer], basin[is_nearer] = far[is_nearer], number
        ahead[is_nearer] = np.maximum(way[is_nearer], -1)
    ahead[attractor >= 0] = -1
    return basin, nearest.astype(np.int64), ahead, reached
