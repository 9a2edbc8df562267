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
from cellula.models.learned.blocks.count_cells import Measure, Reading
from cellula.models.learned.blocks.graph_vae import GraphVae
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
    """Cells, each heard alone, ready to be changed.

    states: (cells, latent) as they are; profiles: (cells, readouts) standardised; hidden: (cells,
    width) the first layer as they are.
    """

    network: GraphVae
    states: NDArray[np.float64]
    profiles: Tensor
    hidden: Tensor
    run: RunContext

    @classmethod
    def of(
        cls, network: GraphVae, cells: StoredCells, rows: NDArray[np.int64], run: RunContext
    ) -> DisplacedCells:
        """Some cells of many; rows: (cells,) positions."""
        chosen = torch.from_numpy(np.asarray(rows, np.int64))
        with torch_scope(run, "displaced"), torch.no_grad():
            network = network.cpu()
            profiles = network.vae.measure.inputs(cells.take(chosen))
            hidden = network.hidden(profiles)
            states = network.posterior(hidden)[0].double().numpy()
        return cls(network, states, profiles, hidden, run)

    def after(self, changes: Sequence[Change]) -> NDArray[np.float64]:
        """States after each change, done to all cells: (changes, cells, latent).

        A log1p value does not fall below 0, so what a cell does not express cannot be lowered.
        """
        measure = self.network.vae.measure
        found = np.zeros((len(changes), *self.states.shape))
        with torch_scope(self.run, "displaced"), torch.no_grad():
            network = self.network.cpu()
            for number, change in enumerate(changes):
                columns = torch.from_numpy(np.asarray(change.columns, np.int64))
                before = self.profiles[:, columns]
                spread = torch.from_numpy(measure.spread)[columns]
                after = before + torch.from_numpy(change.size).float() / spread
                if measure.has_counts:
                    floor = -torch.from_numpy(measure.centre)[columns] / spread
                    after = torch.maximum(after, floor)
                hidden = network.moved(self.hidden, columns, after - before)
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
