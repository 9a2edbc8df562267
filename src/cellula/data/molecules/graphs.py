"""Molecules as graphs: atoms and bonds as numbers, many molecules beside one another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem

from cellula.core.model import State
from cellula.data.molecules.standard import molecule

__all__ = ["MolecularGraphs"]

#: Elements that have a number of their own; the last place is for all others.
ELEMENTS = (6, 7, 8, 9, 15, 16, 17, 35, 53, 5, 14, 34)
HYBRIDS = (Chem.HybridizationType.SP, Chem.HybridizationType.SP2, Chem.HybridizationType.SP3)
ORDERS = (
    Chem.BondType.SINGLE,
    Chem.BondType.DOUBLE,
    Chem.BondType.TRIPLE,
    Chem.BondType.AROMATIC,
)
#: The most neighbours and hydrogens that are told apart.
DEGREES, HYDROGENS = 5, 4
N_ATOM = len(ELEMENTS) + 1 + DEGREES + 1 + HYDROGENS + 1 + len(HYBRIDS) + 3
N_BOND = len(ORDERS) + 2
PREFIX = "molecule_"


@dataclass(frozen=True, slots=True)
class MolecularGraphs:
    """Graphs of molecules, atoms of all of them below one another.

    labels: compounds; first_atom, first_bond: (labels + 1,) where each begins; atoms: (atoms,
    features) element, neighbours, hydrogens, hybridisation (one-hot), charge, whether aromatic,
    whether in a ring; source, target: (bonds,) atoms within the molecule, every bond in both
    directions; bonds: (bonds, features) order (one-hot), whether conjugated, whether in a ring.
    """

    labels: tuple[str, ...]
    first_atom: NDArray[np.int64]
    first_bond: NDArray[np.int64]
    atoms: NDArray[np.float32]
    source: NDArray[np.int64]
    target: NDArray[np.int64]
    bonds: NDArray[np.float32]

    @classmethod
    def of(cls, structures: Mapping[str, str]) -> MolecularGraphs:
        """Graphs of standard SMILES by compound. Raises DataError on a text of no molecule."""
        parts = [_graph(molecule(smiles)) for smiles in structures.values()]
        atoms = [part[0] for part in parts] or [np.zeros((0, N_ATOM), np.float32)]
        ends = [part[1] for part in parts] or [np.zeros((0, 2), np.int64)]
        bonds = [part[2] for part in parts] or [np.zeros((0, N_BOND), np.float32)]
        n_atoms = [len(part[0]) for part in parts]
        n_bonds = [len(part[1]) for part in parts]
        pairs = np.concatenate(ends)
        return cls(
            tuple(structures),
            np.concatenate([[0], np.cumsum(n_atoms)]).astype(np.int64),
            np.concatenate([[0], np.cumsum(n_bonds)]).astype(np.int64),
            np.concatenate(atoms),
            pairs[:, 0],
            pairs[:, 1],
            np.concatenate(bonds),
        )

    def take(self, places: Sequence[int] | NDArray[np.int64]) -> MolecularGraphs:
        """Some molecules by their place, in that order, once each."""
        chosen = np.asarray(places, np.int64)
        atoms = _ranges(self.first_atom, chosen)
        bonds = _ranges(self.first_bond, chosen)
        return MolecularGraphs(
            tuple(self.labels[i] for i in chosen),
            _starts(self.first_atom, chosen),
            _starts(self.first_bond, chosen),
            self.atoms[atoms],
            self.source[bonds],
            self.target[bonds],
            self.bonds[bonds],
        )

    @property
    def of_atom(self) -> NDArray[np.int64]:
        """The molecule of every atom: (atoms,)."""
        return np.repeat(np.arange(len(self.labels)), np.diff(self.first_atom))

    @property
    def ends(self) -> NDArray[np.int64]:
        """Source and target of every bond among all atoms: (2, bonds)."""
        shift = np.repeat(self.first_atom[:-1], np.diff(self.first_bond))
        return np.stack([self.source + shift, self.target + shift])

    def state(self) -> State:
        """Arrays and labels from which :meth:`restore` makes this again."""
        names = ("first_atom", "first_bond", "atoms", "source", "target", "bonds")
        arrays = {PREFIX + name: getattr(self, name) for name in names}
        return State(arrays, {PREFIX + "labels": list(self.labels)})

    @classmethod
    def restore(
        cls, arrays: Mapping[str, NDArray[Any]], meta: Mapping[str, Any]
    ) -> MolecularGraphs:
        """The graphs of a state."""
        names = ("first_atom", "first_bond", "atoms", "source", "target", "bonds")
        return cls(
            tuple(meta[PREFIX + "labels"]), *(np.asarray(arrays[PREFIX + name]) for name in names)
        )


def _starts(first: NDArray[np.int64], chosen: NDArray[np.int64]) -> NDArray[np.int64]:
    size = first[chosen + 1] - first[chosen]
    return np.concatenate([[0], np.cumsum(size)]).astype(np.int64)


def _ranges(first: NDArray[np.int64], chosen: NDArray[np.int64]) -> NDArray[np.int64]:
    """The rows of the chosen molecules, one after another."""
    size = first[chosen + 1] - first[chosen]
    start = np.repeat(first[chosen] - np.cumsum(size) + size, size)
    return np.asarray(start + np.arange(size.sum()), np.int64)


def _graph(
    mol: Chem.Mol,
) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.float32]]:
    """Atoms (atoms, features), ends (bonds, 2) sorted by target, and bonds (bonds, features)."""
    atoms = np.array([_atom(atom) for atom in mol.GetAtoms()], np.float32)
    rows: list[tuple[int, int, list[float]]] = []
    for bond in mol.GetBonds():
        one, other, told = bond.GetBeginAtomIdx(), bond.GetEndAtomIdx(), _bond(bond)
        rows += [(one, other, told), (other, one, told)]
    rows.sort(key=lambda row: (row[1], row[0]))
    ends = np.array([row[:2] for row in rows], np.int64).reshape(-1, 2)
    return atoms, ends, np.array([row[2] for row in rows], np.float32).reshape(-1, N_BOND)


def _atom(atom: Chem.Atom) -> list[float]:
    number = atom.GetAtomicNum()
    place = ELEMENTS.index(number) if number in ELEMENTS else len(ELEMENTS)
    return [
        *_one_hot(place, len(ELEMENTS) + 1),
        *_one_hot(min(atom.GetDegree(), DEGREES), DEGREES + 1),
        *_one_hot(min(atom.GetTotalNumHs(), HYDROGENS), HYDROGENS + 1),
        *(float(atom.GetHybridization() == kind) for kind in HYBRIDS),
        float(atom.GetFormalCharge()),
        float(atom.GetIsAromatic()),
        float(atom.IsInRing()),
    ]


def _bond(bond: Chem.Bond) -> list[float]:
    orders = [float(bond.GetBondType() == order) for order in ORDERS]
    return [*orders, float(bond.GetIsConjugated()), float(bond.IsInRing())]


def _one_hot(place: int, n: int) -> list[float]:
    return [float(i == place) for i in range(n)]
