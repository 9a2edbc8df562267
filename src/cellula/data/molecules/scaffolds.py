"""Scaffolds: the rings of a molecule and what joins them, as groups for a split."""

from __future__ import annotations

from collections.abc import Sequence

from rdkit import Chem
from rdkit.Chem.Scaffolds.MurckoScaffold import GetScaffoldForMol

from cellula.data.molecules.standard import molecule

__all__ = ["ACYCLIC", "scaffolds"]

#: What the scaffold of a molecule without a ring is called.
ACYCLIC = "acyclic"


def scaffolds(smiles: Sequence[str]) -> list[str]:
    """The Bemis-Murcko scaffold [bemis1996]_ of every structure, as SMILES without stereo.

    Side chains are cut off; rings and the links between them stay. All molecules without a ring
    are one group. Raises DataError on a text that is no molecule.
    """
    return [_scaffold(molecule(text)) for text in smiles]


def _scaffold(mol: Chem.Mol) -> str:
    core = GetScaffoldForMol(mol)  # type: ignore[no-untyped-call]
    return str(Chem.MolToSmiles(core, isomericSmiles=False)) or ACYCLIC
