"""Descriptions: guesses that say so, roles offered by column, modalities beside X."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from anndata import AnnData

from cellula.core.value_type import ValueType
from cellula.data.description import describe_content, guess_value_type, offered_roles
from cellula.io.formats import read

RNG = np.random.default_rng(0)
COUNTS = RNG.poisson(2, (50, 20))


@pytest.mark.parametrize(
    ("matrix", "word"),
    [
        (COUNTS, "counts"),
        (sp.csr_matrix(COUNTS.astype(np.float32)), "counts"),
        (np.log1p(COUNTS / 3), "log1p"),
        (sp.csr_matrix(np.log1p(COUNTS / 3)), "log1p"),
        (RNG.uniform(3, 14, (50, 20)), "log2"),
        (RNG.normal(size=(50, 20)), "z_score"),
        (RNG.normal(9, 4, size=(50, 20)), "quantity"),
        (RNG.uniform(0, 1, (50, 20)), "fraction"),
        (COUNTS > 1, "fraction"),
        (COUNTS / 3 * 100, "quantity"),
        (np.full((2, 2), np.nan), "unknown"),
        (None, "unknown"),
    ],
)
def test_what_the_numbers_may_be(matrix: Any, word: str) -> None:
    guess = guess_value_type(matrix)
    assert guess.startswith(f"{word}? "), guess
    assert word == "unknown" or ValueType(word)


def test_roles_are_offered_by_name_and_content() -> None:
    obs = pd.DataFrame(
        {
            "drug": ["a", "b"],
            "drug_score": [0.1, 0.2],
            "cell_type": ["x", "y"],
            "tissue": ["t", "t"],
            "dose": [1.0, 2.0],
            "time": ["early", "late"],
            "is_control": [True, False],
            "plate": [1, 2],
        }
    )
    assert offered_roles(obs) == {
        "perturbation": ["drug"],
        "control": ["is_control"],
        "context": ["cell_type", "tissue"],
        "batch": ["plate"],
        "dose_molar": ["dose"],
    }


def test_proteins_in_obsm_are_modalities_and_a_place_is_no_readout() -> None:
    names = [f"c{i}" for i in range(50)]
    data = AnnData(COUNTS.astype(np.float32), pd.DataFrame(index=names))
    data.obsm["ADT"] = pd.DataFrame(COUNTS[:, :2], index=names, columns=["CD3", "CD4"])
    data.obsm["spatial"] = RNG.normal(size=(50, 2))
    found = describe_content(data, "t.h5ad")
    assert found["modalities"] == ["X", "ADT"]
    assert found["ADT:readouts"] == 2
    assert str(found["ADT:value_type"]).startswith("counts? ")
    assert found["coordinates"] == ["spatial (2, a place in space)"]


#: Real file -> the guess of its values, and what else is told.
REAL = {
    "singlecell/osmfish_mouse_cortex_33genes.h5ad": ("counts", {"readouts": 33}),
    "singlecell/citefuse_ECCITE_500cells.h5ad": ("counts", {"modalities": ["X", "ADT", "HTO"]}),
    "singlecell/scvi_pbmc_5k_protein_200cells.h5ad": (
        "counts",
        {"protein_expression:readouts": 29},
    ),
    "singlecell/kang_pbmc.h5ad": ("log1p", {"profiles": 1540}),
    "singlecell/norman_mcfaline.h5ad": ("log1p", {"readouts": 500}),
    "singlecell/papalexi_thp1.h5ad": ("counts", {"profiles": 12181}),
    "bulk/LJP009_A375_24H_level4.h5ad": ("z_score", {"readouts": 978}),
    "bulk/tggates_hepatocytes.h5ad": ("log2", {"profiles": 1597}),
}


@pytest.mark.data
@pytest.mark.requirement("D1")
@pytest.mark.parametrize("name", REAL)
def test_real_files(name: str, data_dir: Path) -> None:
    word, told = REAL[name]
    found = describe_content(read(data_dir / name), name)
    assert str(found["value_type"]).startswith(f"{word}? ")
    assert {key: found[key] for key in told} == told
