"""Standard forms, fingerprints, scaffolds and graphs of molecules that everybody knows."""

from __future__ import annotations

import numpy as np
import pytest
from rdkit import Chem
from rdkit.Chem import AllChem, DataStructs

from cellula.core.dataset import Provenance
from cellula.core.errors import DataError
from cellula.data.feature_options import Fingerprint
from cellula.data.knowledge.embedding import require_independent
from cellula.data.molecules.fingerprints import fingerprint_embedding, fingerprints
from cellula.data.molecules.graphs import MolecularGraphs
from cellula.data.molecules.scaffolds import scaffolds
from cellula.data.molecules.standard import standard_smiles

DRUGS = {
    "aspirin": "CC(=O)Oc1ccccc1C(=O)O",
    "metformin": "CN(C)C(=N)NC(N)=N",
    "naproxen": "COc1ccc2cc(ccc2c1)[C@H](C)C(=O)O",
    "methane": "C",
}


def test_salts_and_charges_go_and_every_way_of_writing_is_one() -> None:
    same = [
        "CC(=O)Oc1ccccc1C(=O)O",
        "OC(=O)c1ccccc1OC(C)=O",
        "CC(=O)Oc1ccccc1C(=O)[O-].[Na+]",
    ]
    assert set(standard_smiles(same, ["a", "b", "c"])) == {"CC(=O)Oc1ccccc1C(=O)O"}
    (base,) = standard_smiles(["CCN(CC)CC.Cl"], ["a"])
    assert base == "CCN(CC)CC"


@pytest.mark.parametrize("wrong", ["C1CC", "not a molecule", "", "C(C)(C)(C)(C)C"])
def test_what_is_no_molecule_is_named(wrong: str) -> None:
    with pytest.raises(DataError, match=r"t\.csv, row 7"):
        standard_smiles(["CCO", wrong], ["t.csv, row 6", "t.csv, row 7"])


@pytest.mark.parametrize("counts", [False, True])
def test_fingerprints_are_those_of_the_package(counts: bool) -> None:
    table = fingerprints(DRUGS, Fingerprint(radius=2, bits=512, counts=counts))
    assert table.shape == (4, 512)
    assert table.columns[3] == "morgan2_3"
    generator = AllChem.GetMorganGenerator(radius=2, fpSize=512)
    for name, smiles in DRUGS.items():
        mol = Chem.MolFromSmiles(smiles)
        own = np.zeros(512)
        found = generator.GetCountFingerprint(mol) if counts else generator.GetFingerprint(mol)
        DataStructs.ConvertToNumpyArray(found, own)
        np.testing.assert_array_equal(table.loc[name], own)


def test_mirror_images_differ_where_asked() -> None:
    pair = {"R": "C[C@@H](O)CC", "S": "C[C@H](O)CC"}
    flat = fingerprints(pair, Fingerprint())
    told = fingerprints(pair, Fingerprint(chirality=True))
    assert (flat.loc["R"] == flat.loc["S"]).all()
    assert (told.loc["R"] != told.loc["S"]).any()


def test_an_embedding_carries_the_digests_of_its_structures_and_method() -> None:
    kept = Provenance({"drugs.csv": "0" * 64})
    one = fingerprint_embedding(DRUGS, Fingerprint(), kept)
    other = fingerprint_embedding(DRUGS, Fingerprint(radius=3), kept)
    assert one.provenance.sources["structures"] == other.provenance.sources["structures"]
    assert one.provenance.sources["fingerprint"] != other.provenance.sources["fingerprint"]
    with pytest.raises(DataError, match="held-out"):
        require_independent(one.provenance.sources, {"x": "0" * 64}, "the fingerprints")


@pytest.mark.requirement("K3")
def test_scaffolds_are_rings_and_links() -> None:
    found = scaffolds(["CC(=O)Oc1ccccc1C(=O)O", "c1ccccc1CCc1ccncc1C", "CCO", "CC"])
    assert found[0] == "c1ccccc1"
    assert found[1] == Chem.CanonSmiles("c1ccccc1CCc1ccncc1")
    assert found[2] == found[3] == "acyclic"


@pytest.mark.requirement("K3")
def test_a_graph_has_the_atoms_and_bonds_of_its_molecule() -> None:
    graphs = MolecularGraphs.of(DRUGS)
    assert np.diff(graphs.first_atom).tolist() == [13, 9, 17, 1]
    assert np.diff(graphs.first_bond).tolist() == [26, 16, 36, 0]
    carbon, nitrogen, oxygen = graphs.atoms[graphs.of_atom == 0][:, :3].sum(axis=0)
    assert (carbon, nitrogen, oxygen) == (9, 0, 4)
    aspirin = slice(0, 26)
    single, double, triple, aromatic = graphs.bonds[aspirin, :4].sum(axis=0) / 2
    assert (single, double, triple, aromatic) == (5, 2, 0, 6)
    assert (np.diff(graphs.ends[1]) >= 0).all()


def test_some_molecules_are_what_they_were_among_all() -> None:
    graphs = MolecularGraphs.of(DRUGS)
    some = graphs.take([2, 0])
    alone = MolecularGraphs.of({name: DRUGS[name] for name in ("naproxen", "aspirin")})
    assert some.labels == alone.labels
    for name in ("first_atom", "first_bond", "atoms", "bonds", "ends", "of_atom"):
        np.testing.assert_array_equal(getattr(some, name), getattr(alone, name))


def test_graphs_come_back_from_their_state() -> None:
    graphs = MolecularGraphs.of(DRUGS)
    state = graphs.state()
    again = MolecularGraphs.restore(state.arrays, state.meta)
    np.testing.assert_array_equal(again.ends, graphs.ends)
    assert again.labels == graphs.labels
