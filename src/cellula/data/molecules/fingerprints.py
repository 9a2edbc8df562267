"""Morgan fingerprints: which circular substructures a molecule has, as numbers."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from rdkit import rdBase
from rdkit.Chem import rdFingerprintGenerator

from cellula.core.canonical import hash_json
from cellula.core.dataset import Provenance
from cellula.data.feature_options import Fingerprint
from cellula.data.knowledge.embedding import GeneEmbedding
from cellula.data.molecules.standard import molecule

__all__ = ["fingerprint_embedding", "fingerprints"]


def fingerprints(structures: Mapping[str, str], how: Fingerprint) -> pd.DataFrame:
    """Morgan fingerprints [rogers2010]_: a row a structure, a column a bit, float64.

    structures: label -> standard SMILES. A bit is on where the molecule has a substructure of the
    given radius around an atom whose hash falls on it, or counts how many it has. Raises DataError
    on a text that is no molecule.
    """
    generator = rdFingerprintGenerator.GetMorganGenerator(
        radius=how.radius, fpSize=how.bits, includeChirality=how.chirality
    )
    values = np.zeros((len(structures), how.bits))
    for row, smiles in enumerate(structures.values()):
        mol = molecule(smiles)
        values[row] = (
            generator.GetCountFingerprintAsNumPy(mol)
            if how.counts
            else generator.GetFingerprintAsNumPy(mol)
        )
    columns = [f"morgan{how.radius}_{bit}" for bit in range(how.bits)]
    return pd.DataFrame(values, pd.Index(list(structures), dtype=object), columns)


def fingerprint_embedding(
    structures: Mapping[str, str], how: Fingerprint, provenance: Provenance
) -> GeneEmbedding:
    """The same as an embedding that carries the digests of what it was made from.

    provenance: of the file of structures; the digests of the structures themselves and of the way
    they became numbers (options, version of RDKit) join its sources.
    """
    table = fingerprints(structures, how)
    method = {"morgan": how.model_dump(mode="json"), "rdkit": rdBase.rdkitVersion}
    sources = {
        **provenance.sources,
        "structures": hash_json(dict(structures)),
        "fingerprint": hash_json(method),
    }
    kept = Provenance(sources, provenance.license, citation=provenance.citation)
    return GeneEmbedding(tuple(table.index), table.to_numpy(np.float64), kept)
