"""A study names a table of structures: features, scaffolds and SMILES under the drugs' labels."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from cellula.core.claim import ClaimKind
from cellula.core.dataset import Dataset
from cellula.core.errors import DataError, MissingExtra
from cellula.data.data_source import DataSource
from cellula.data.open import open_dataset
from cellula.data.splits import split

PROFILES = "drug,line,y\n" + "".join(
    f"{drug},L{line},{drug_place + line}\n"
    for drug_place, drug in enumerate(("Aspirin", "Toluene", "Ethanol", "Pyridine"))
    for line in range(2)
)
STRUCTURES = (
    "name,smiles,maker\naspirin,CC(=O)Oc1ccccc1C(=O)[O-].[Na+],x\ntoluene,Cc1ccccc1,x\n"
    "ethanol,CCO,y\nPyridine,c1ccncc1,y\nunknown,,z\n"
)


def opened(folder: Path, structures: str = STRUCTURES, **declared: Any) -> Dataset:
    (folder / "profiles.csv").write_text(PROFILES)
    (folder / "structures.csv").write_text(structures)
    own = {
        "path": "structures.csv",
        "format": "smiles",
        "role": "perturbation_features",
        "columns": {"perturbation": "name"},
        "ignore_case": True,
        **declared,
    }
    profiles = DataSource(
        path="profiles.csv",
        role="profiles",
        value_type="ln_ic50",
        columns={"perturbation": "drug", "context": "line"},
        readouts=("y",),
    )
    return open_dataset([profiles, DataSource.model_validate(own)], folder)


def test_structures_become_features_under_the_labels_of_the_profiles(tmp_path: Path) -> None:
    data = opened(tmp_path, fingerprint={"bits": 64})
    table = data.perturbation_features
    assert table is not None
    assert table.shape == (4, 64)
    assert list(table.index) == ["Aspirin", "Toluene", "Ethanol", "Pyridine"]
    assert data.structures["Aspirin"] == "CC(=O)Oc1ccccc1C(=O)O"
    assert "structures.csv" in data.provenance.sources
    assert data.take([0, 1]).structures == data.structures
    assert opened(tmp_path, STRUCTURES.replace("CCO", "CCCO")).digest() != data.digest()


def test_scaffolds_group_the_drugs_of_a_split(tmp_path: Path) -> None:
    data = opened(tmp_path, labels=("scaffold", "maker"))
    assert data.obs["scaffold"].nunique() == 3
    folds = split(data, ClaimKind.UNSEEN_PERTURBATION, "each", over="scaffold")
    held = {fold.name: set(data.obs["perturbation"].iloc[fold.test]) for fold in folds}
    assert held == {
        "acyclic": {"Ethanol"},
        "c1ccccc1": {"Aspirin", "Toluene"},
        "c1ccncc1": {"Pyridine"},
    }


def test_a_wrong_structure_is_named_by_file_row_and_compound(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"structures\.csv, row 2 \(ethanol\).*C1CO"):
        opened(tmp_path, STRUCTURES.replace("CCO", "C1CO"))


@pytest.mark.parametrize(
    ("text", "match"),
    [
        (STRUCTURES.replace("toluene,", "aspirin,"), "'aspirin' has two structures"),
        (STRUCTURES.replace("toluene,Cc1ccccc1", "toluene,"), "no row of features: Toluene"),
        (STRUCTURES.replace("toluene,", "ASPIRIN,"), "differ by the case"),
        ("name,smiles\nAspirin,\n", "has no structure in column 'smiles'"),
    ],
)
def test_what_is_missing_or_twice_is_named(tmp_path: Path, text: str, match: str) -> None:
    with pytest.raises(DataError, match=match):
        opened(tmp_path, text)


@pytest.mark.parametrize(
    ("declared", "match"),
    [
        ({"role": "context_features", "columns": {"context": "name"}}, "are perturbation_features"),
        ({"format": "delimited", "fingerprint": {}}, "fingerprint is for structures"),
        ({"fingerprint": {"bits": 3}}, "fingerprint.bits"),
    ],
)
def test_a_declaration_that_does_not_fit_is_refused(
    tmp_path: Path, declared: dict[str, Any], match: str
) -> None:
    with pytest.raises(ValueError, match=match):
        opened(tmp_path, **declared)


def test_without_rdkit_the_error_names_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.startswith("cellula.data.molecules")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "rdkit", None)
    with pytest.raises(MissingExtra, match=r"cellula\[chem\]"):
        opened(tmp_path)


@pytest.mark.data
def test_the_real_structures(data_dir: Path) -> None:
    source = DataSource(
        path="safety/dili/dilirank_with_smiles.csv",
        format="smiles",
        role="perturbation_features",
        columns={"perturbation": "Compound Name"},
        ignore_case=True,
        fingerprint={"bits": 256},  # type: ignore[arg-type]
    )
    profiles = DataSource(
        path="bulk/tggates_hepatocytes.h5ad",
        role="profiles",
        value_type="log2",
        columns={"perturbation": "drugid", "control": "xptype=control", "context": "duration"},
        where={"drugid": ("Acetaminophen", "Danazol")},
    )
    data = open_dataset([profiles, source], data_dir)
    assert len(data.structures) == 895
    assert data.structures["Acetaminophen"] == "CC(=O)Nc1ccc(O)cc1"
