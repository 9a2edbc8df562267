"""Cells encoded again after some of their readouts were changed: what a drug does to states."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cellula.core.dataset import Dataset
from cellula.core.run import RunContext
from cellula.models.learned.blocks.cell_graph import around
from cellula.models.learned.blocks.count_cells import Measure, Reading
from cellula.models.learned.blocks.graph_vae import GraphVae, states_of
from cellula.models.learned.blocks.scope import torch_scope

__all__ = ["Change", "DisplacedCells", "ReadCells", "StoredCells", "pulled"]

#: Steps of the integral of gradients.
STEPS = 64


@dataclass(frozen=True, slots=True)
class Change:
    """Readouts that change in every cell: columns (changed,) and by how much, size (changed,).

    In units of log1p profiles where the values are counts or log1p, else of the values.
    """

    columns: NDArray[np.int64]
    size: NDArray[np.float64]


@final
@dataclass(frozen=True, slots=True)
class StoredCells:
    """The cells of a dataset, read when they are asked for."""

    data: Dataset
    measure: Measure

    def take(self, rows: Tensor) -> Reading:
        """Some cells, dense."""
        return self.measure.of_dataset(self.data, rows.numpy())


@final
@dataclass(frozen=True, slots=True)
class ReadCells:
    """Cells that were read."""

    reading: Reading

    def take(self, rows: Tensor) -> Reading:
        """Some cells, dense."""
        return Reading(self.reading.target[rows], self.reading.exposure[rows])


@final
@dataclass(frozen=True, slots=True)
class DisplacedCells:
    """Cells in their places among their neighbours, ready to be changed.

    states: (cells, latent) as they are; profiles: (read, readouts) standardised, of the cells and
    their neighbours; own: (cells,) and near: (cells, k) positions among these; hidden: (cells,
    width) the first layer as they are.
    """

    network: GraphVae
    states: NDArray[np.float64]
    profiles: Tensor
    own: Tensor
    near: Tensor
    hidden: Tensor
    run: RunContext

    @classmethod
    def of(
        cls,
        network: GraphVae,
        cells: StoredCells,
        neighbours: Tensor,
        rows: NDArray[np.int64],
        run: RunContext,
    ) -> DisplacedCells:
        """Some cells of many. neighbours: (all cells, k); rows: (cells,) positions."""
        chosen = torch.from_numpy(np.asarray(rows, np.int64))
        joined = torch.cat([chosen[:, None], neighbours[chosen]], dim=1)
        wanted, place = torch.unique(joined, return_inverse=True)
        own, near = place[:, 0], place[:, 1:]
        with torch_scope(run, "displaced") as scope, torch.no_grad():
            network.to(scope.device)
            states = states_of(network, cells, neighbours, chosen, scope.device)
            profiles = network.vae.measure.inputs(cells.take(wanted).to(scope.device))
            around_it = None if network.own is None else around(profiles, near.to(scope.device))
            hidden = network.hidden(network.heard(profiles[own], around_it))
        return cls(network, states, profiles.cpu(), own, near, hidden.cpu(), run)

    def after(self, changes: Sequence[Change]) -> NDArray[np.float64]:
        """States after each change, done to the cells and to their neighbours alike.

        A log1p value does not fall below 0, so what a cell does not express cannot be lowered.
        Neighbours stay who they were. Returns (changes, cells, latent).
        """
        measure = self.network.vae.measure
        found = np.zeros((len(changes), *self.states.shape))
        with torch_scope(self.run, "displaced"), torch.no_grad():
            network = self.network.to(self.profiles.device)
            for number, change in enumerate(changes):
                columns = torch.from_numpy(np.asarray(change.columns, np.int64))
                before = self.profiles[:, columns]
                spread = torch.from_numpy(measure.spread)[columns]
                after = before + torch.from_numpy(change.size).float() / spread
                if measure.has_counts:
                    floor = -torch.from_numpy(measure.centre)[columns] / spread
                    after = torch.maximum(after, floor)
                step = after - before
                around_it = None if network.own is None else step[self.near].mean(dim=1)
                heard = network.heard(step[self.own], around_it)
                hidden = network.moved(self.hidden, columns, heard)
                found[number] = network.posterior(hidden)[0].double().numpy()
        return found


def pulled(
    network: GraphVae, start: NDArray[np.float64], end: NDArray[np.float64], run: RunContext
) -> NDArray[np.float64]:
    """What each readout adds to the way of the state from one profile to another: (readouts,).

    start, end: (readouts,) mean profiles, in log1p units where the values are counts or log1p.
    Integrated gradients [sundararajan2017]_ of the state's place along the way, over that way:
    they sum to 1. 0 everywhere where the state does not move.
    """
    measure = network.vae.measure
    with torch_scope(run, "pulled"):
        network = network.cpu()
        ends = np.stack([start, end]) / measure.spread
        one, two = torch.from_numpy(ends - measure.centre / measure.spread).float()
        with torch.no_grad():
            places = network.posterior(network.hidden(torch.stack([one, two])))[0]
            way = places[1] - places[0]
        size = float((way**2).sum())
        if size == 0.0:
            return np.zeros(len(start))
        share = ((torch.arange(STEPS) + 0.5) / STEPS)[:, None]
        between = (one + share * (two - one)).requires_grad_(True)
        along = (network.posterior(network.hidden(between))[0] @ way).sum()
        (gradient,) = torch.autograd.grad(along, between)
        found = gradient.mean(dim=0) * (two - one) / size
        return np.asarray(found.double().numpy())
