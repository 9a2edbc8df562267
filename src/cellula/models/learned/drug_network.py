"""A network from molecular graphs and cells to the response to drugs, and beyond their sum."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor, nn

from cellula.data.molecules.graphs import MolecularGraphs
from cellula.models.learned.blocks.graph_layers import BondConvolution, Edges, spread
from cellula.models.learned.blocks.layers import mlp
from cellula.models.learned.drug_conditions import DrugBatch, DrugConditions

__all__ = ["DrugNetwork", "MoleculeEncoder"]


@final
class MoleculeEncoder(nn.Module):
    """A vector (molecules, width) of every molecular graph.

    Layers of message passing along the bonds [gilmer2017]_; the mean over the atoms tells what a
    molecule is like, a gated sum how much of something it has.
    """

    def __init__(self, n_atom: int, n_bond: int, width: int, layers: int) -> None:
        super().__init__()
        self.atom = nn.Linear(n_atom, width)
        self.layers = nn.ModuleList(BondConvolution(width, n_bond) for _ in range(layers))
        self.gate = nn.Linear(width, width)
        self.joined = mlp((2 * width, width, width))

    def forward(self, graphs: MolecularGraphs) -> Tensor:
        """Vectors of the molecules in their order: (molecules, width)."""
        weight = self.atom.weight
        n, n_atoms = len(graphs.labels), len(graphs.atoms)

        def number(array: object) -> Tensor:
            return torch.as_tensor(array).to(weight.device, weight.dtype)

        ends = torch.as_tensor(graphs.ends).to(weight.device)
        edges = Edges(ends[0], ends[1], torch.ones(ends.shape[1], device=weight.device), n_atoms)
        of_atom = torch.as_tensor(graphs.of_atom).to(weight.device)
        atoms, bonds = self.atom(number(graphs.atoms)), number(graphs.bonds)
        for layer in self.layers:
            atoms = layer(atoms, edges, bonds)
        rows = torch.arange(n_atoms, device=weight.device)
        gathered = Edges(rows, of_atom, torch.ones(n_atoms, device=weight.device), n)
        size = torch.bincount(of_atom, minlength=n).clamp_min(1).unsqueeze(1)
        mean = spread(gathered, gathered.weight, atoms) / size
        much = spread(gathered, gathered.weight, torch.sigmoid(self.gate(atoms)) * atoms)
        found: Tensor = self.joined(torch.cat([mean, much / 10.0], dim=1))
        return found


@final
class DrugNetwork(nn.Module):
    """Departures (questions, readouts) of single drugs, and of pairs beyond the sum of the parts.

    A drug is the vector of its molecule, of its features and, where training had it, of its name.
    Single: a function of drug, cell, their product, dose and time. Pair: a function of the sum
    and the product of both drugs, so that their order does not matter [preuer2018]_, and of the
    cell. Both begin at 0: what is told first is the base.
    """

    def __init__(
        self,
        conditions: DrugConditions,
        readouts: int,
        width: int,
        layers: int,
        *,
        has_graph: bool,
        has_synergy: bool,
    ) -> None:
        super().__init__()
        graphs = conditions.graphs
        self.width = width
        self.molecule = (
            MoleculeEncoder(graphs.atoms.shape[1], graphs.bonds.shape[1], width, layers)
            if has_graph
            else None
        )
        n_features, n_cell = conditions.n_features, conditions.n_cell
        self.features = mlp((n_features, width, width)) if n_features else None
        self.names = nn.Embedding(len(conditions.drugs) + 1, width, padding_idx=0)
        self.cell = mlp((n_cell, width, width)) if n_cell else None
        self.contexts = nn.Embedding(len(conditions.contexts) + 1, width, padding_idx=0)
        self.single = mlp((3 * width + 5, 2 * width, readouts))
        self.pair = mlp((3 * width + 4, 2 * width, readouts)) if has_synergy else None
        for head in (self.single, self.pair):
            for weights in [] if head is None else head[-1].parameters():
                nn.init.zeros_(weights)
        for names in (self.names, self.contexts):
            with torch.no_grad():
                names.weight.mul_(0.1)

    def molecules(self, graphs: MolecularGraphs) -> Tensor:
        """A vector of every molecule, behind one of nothing: (molecules + 1, width)."""
        weight = self.names.weight
        nothing = torch.zeros(1, self.width, dtype=weight.dtype, device=weight.device)
        if self.molecule is None or not graphs.labels:
            return nothing.repeat(len(graphs.labels) + 1, 1)
        return torch.cat([nothing, self.molecule(graphs)])

    def forward(self, batch: DrugBatch, molecules: Tensor, adds: bool) -> tuple[Tensor, Tensor]:
        """What single drugs add to the base, and what pairs add to that: (questions, readouts).

        molecules: as :meth:`molecules` gives them, ``batch.graph`` counting them. adds: whether
        parts add up; else their mean counts.
        """
        drug = molecules[batch.graph] + self.names(batch.name)
        if self.features is not None:
            drug = drug + self.features(batch.vector)
        cell = self.contexts(batch.context)
        if self.cell is not None:
            cell = cell + self.cell(batch.cell)
        there = batch.is_there.to(drug.dtype)
        n = there.sum(dim=1, keepdim=True)
        share = torch.ones_like(n) if adds else 1.0 / n
        # what a part does alone was measured: nothing is to be added to it
        counts = there * (~batch.is_measured | (n == 1)).to(drug.dtype)
        single, pair = (torch.zeros((), dtype=drug.dtype, device=drug.device) for _ in range(2))
        for one in range(drug.shape[1]):
            known = batch.is_measured[:, one : one + 1].to(drug.dtype)
            told = torch.cat([drug[:, one], cell, drug[:, one] * cell, batch.number, known], dim=1)
            single = single + share * counts[:, one : one + 1] * self.single(told)
            for other in range(one):
                if self.pair is None:
                    break
                both = (there[:, one] * there[:, other]).unsqueeze(1)
                sum_, product = drug[:, one] + drug[:, other], drug[:, one] * drug[:, other]
                told = torch.cat([sum_, product, cell, batch.number], dim=1)
                pair = pair + both * self.pair(told)
        return single, pair + torch.zeros_like(single)
