"""One standard form of a structure: the largest organic part, uncharged, canonical."""

from __future__ import annotations

from collections.abc import Sequence

from rdkit import Chem, rdBase
from rdkit.Chem.MolStandardize import rdMolStandardize

from cellula.core.errors import DataError

__all__ = ["molecule", "standard_smiles"]


def standard_smiles(smiles: Sequence[str], places: Sequence[str]) -> list[str]:
    """The canonical isomeric SMILES of every structure, without salts and charges.

    smiles: (structures,) texts [weininger1988]_; places: where each stands, for messages. Bonds to
    metals and odd ways of writing groups are cleaned up, the largest organic fragment is kept (a
    counter-ion goes), and charges that a proton can take are neutralised. Tautomers are left as
    they are written. Raises DataError, naming the place, where a text is no molecule.
    """
    with rdBase.BlockLogs():
        uncharge = rdMolStandardize.Uncharger()
        return [
            _standard(text, place, uncharge) for text, place in zip(smiles, places, strict=True)
        ]


def molecule(smiles: str) -> Chem.Mol:
    """The molecule of a SMILES that is known to be one. Raises DataError where it is not."""
    with rdBase.BlockLogs():
        found = Chem.MolFromSmiles(smiles)
    if found is None or not found.GetNumAtoms():
        raise DataError(
            f"{smiles!r} is no SMILES of a molecule; expected text such as CC(=O)Oc1ccccc1C(=O)O"
        )
    return found


def _standard(text: str, place: str, uncharge: rdMolStandardize.Uncharger) -> str:
    try:
        parsed = molecule(text)
    except DataError as error:
        raise DataError(f"{place}: {error}; repair the structure or leave the row out") from error
    try:
        kept = rdMolStandardize.FragmentParent(rdMolStandardize.Cleanup(parsed))
        return str(Chem.MolToSmiles(uncharge.uncharge(kept)))
    except (Chem.MolSanitizeException, RuntimeError, ValueError) as error:
        raise DataError(
            f"{place}: {text!r} has no standard form ({error}); repair the structure or leave "
            "the row out"
        ) from error
