"""Training a prior network to measurements under perturbations, by integer programming."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from cellula.core.errors import DataError
from cellula.core.logic import LogicNetwork, PerturbationTable, SignedGraph
from cellula.core.model import Options
from cellula.models.mechanistic.logic_program import LogicProgram
from cellula.models.mechanistic.prior_network import Hyperedge, compressed, expanded, logic_of
from cellula.models.mechanistic.steady_levels import steady_levels

__all__ = ["LogicTrainingOptions", "TrainedLogic", "train_logic"]


@final
class LogicTrainingOptions(Options):
    """What is chosen from, and what counts."""

    max_inputs: int = Field(default=2, ge=1, le=4)
    """The most components that one AND may ask."""
    size_penalty: float = Field(default=1e-3, gt=0.0)
    """What is added to the mean squared error, times the share of all inputs of all hyperedges
    that is chosen: of networks that fit alike the smallest is taken."""
    time: float | None = None
    """The time of the measurements that the steady state is compared with; None for the last."""
    time_limit_s: float = Field(default=600.0, gt=0.0)
    """After so many seconds the search ends with an error."""


@final
@dataclass(frozen=True, slots=True)
class TrainedLogic:
    """The network that fits best.

    hyperedges: what was chosen, of ``n_hyperedges``. mean_squared_error: of ``predicted``
    (conditions, readouts), the levels of the readouts in the steady state, against what was
    measured. objective: with the penalty of the size.
    """

    network: LogicNetwork
    hyperedges: tuple[Hyperedge, ...]
    n_hyperedges: int
    predicted: NDArray[np.float64]
    mean_squared_error: float
    objective: float


def train_logic(
    graph: SignedGraph, table: PerturbationTable, options: LogicTrainingOptions | None = None
) -> TrainedLogic:
    """The part of a prior network that best explains a table [saezrodriguez2009]_ [mitsos2009]_.

    The graph is compressed to what is perturbed or measured, its edges are joined to ANDs, and
    of these hyperedges those are chosen whose steady state under every condition has the smallest
    mean squared error plus penalty of size. Stimuli have the level that they were given, what is
    inhibited is off, and what is on is so because of stimuli or of what is off, never only because
    of itself. The choice is the best there is, proven by HiGHS. Raises DataError on values outside
    of 0 ... 1 (scale them first), a time that was not measured, or a name that the graph lacks;
    NotConverged when the time is up.
    """
    options = options or LogicTrainingOptions()
    measured = _measured(table, options.time)
    perturbed = (*table.stimuli, *table.inhibitors)
    hyperedges = [
        edge
        for edge in expanded(compressed(graph, perturbed, table.readouts), options.max_inputs)
        if edge.target not in table.stimuli
    ]
    if not hyperedges:
        raise DataError(f"all edges of {graph.id!r} that count lead to stimuli; nothing to train")
    used = {id for edge in hyperedges for id in (edge.target, *edge.on, *edge.off)}
    nodes = [id for id in graph.ids if id in used or id in perturbed or id in table.readouts]
    program = LogicProgram.of(
        tuple(hyperedges), tuple(nodes), table, measured, options.size_penalty
    )
    chosen = program.best(options.time_limit_s)
    edges = tuple(edge for edge, is_in in zip(hyperedges, chosen, strict=True) if is_in)
    levels = steady_levels(edges, nodes, table)
    predicted = levels[:, [nodes.index(id) for id in table.readouts]]
    error = float(np.nanmean((predicted - measured) ** 2))
    size = sum(edge.size for edge in edges) / sum(edge.size for edge in hyperedges)
    return TrainedLogic(
        logic_of(graph.id, edges, nodes, table.stimuli),
        edges,
        len(hyperedges),
        predicted,
        error,
        error + options.size_penalty * size,
    )


def _measured(table: PerturbationTable, time: float | None) -> NDArray[np.float64]:
    """The values at the time that is asked for: (conditions, readouts)."""
    if time is None:
        at = len(table.times) - 1
    elif time in table.times:
        at = int(np.flatnonzero(table.times == time)[0])
    else:
        told = ", ".join(f"{one:g}" for one in table.times)
        raise DataError(f"nothing was measured at time {time:g}; there are {told}")
    values = table.values[:, at, :]
    if not np.isfinite(values).any():
        raise DataError(f"nothing was measured at time {table.times[at]:g}")
    if np.nanmin(values) < 0.0 or np.nanmax(values) > 1.0:
        raise DataError(
            f"values go from {np.nanmin(values):g} to {np.nanmax(values):g}; training compares "
            "them with off and on: scale every readout to 0 ... 1 first"
        )
    return np.asarray(values, np.float64)
