"""What a study may declare of a file's parts: layers, modalities, tables on their side, labels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from pydantic import ValidationError

from cellula.core.claim import ClaimKind
from cellula.core.dataset import Dataset
from cellula.core.errors import DataError
from cellula.core.value_type import ValueType
from cellula.data.open import DataSource, open_dataset
from cellula.data.questions import read_questions
from cellula.data.splits import Folds, split
from cellula.io.formats import write

COLUMNS = {"perturbation": "drug", "context": "line", "control": "DMSO"}


def declare(path: str, role: str = "profiles", **given: Any) -> DataSource:
    return DataSource.model_validate({"path": path, "role": role, **given})


def cells() -> AnnData:
    rng = np.random.default_rng(0)
    counts = rng.poisson(3, (12, 4)).astype(np.float64)
    obs = pd.DataFrame({"drug": ["DMSO", "a", "b"] * 4, "line": ["1.10"] * 6 + ["1.2"] * 6})
    obs.index = [f"c{i}" for i in range(12)]
    data = AnnData(np.log1p(counts / 2), obs, pd.DataFrame(index=list("wxyz")))
    data.layers["counts"] = counts
    data.obsm["ADT"] = pd.DataFrame(counts[:, :2], index=obs.index, columns=["CD3", "CD4"])
    data.obsm["spatial"] = rng.normal(size=(12, 2))
    return data


def opened(folder: Path, **given: Any) -> Dataset:
    write(cells(), folder / "p.h5ad")
    fields: dict[str, Any] = {"value_type": "log1p", "columns": COLUMNS} | given
    return open_dataset([declare("p.h5ad", **fields)], folder)


# -- layers ------------------------------------------------------------------------------------
def test_the_values_of_a_layer(tmp_path: Path) -> None:
    data = opened(tmp_path, layer="counts", value_type="counts")
    np.testing.assert_array_equal(data.values, cells().layers["counts"])
    with pytest.raises(DataError, match=r"no layer 'raw'; it has: counts"):
        opened(tmp_path, layer="raw")


def test_a_table_has_no_layer(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="layer belongs to an annotated matrix"):
        declare("p.csv", value_type="log2", readouts=["x"], layer="counts")
    write(pd.DataFrame({"x": [1.0]}), tmp_path / "p.csv")
    with pytest.raises(DataError, match="no layer and no modalities"):
        open_dataset([declare("p.csv", value_type="z_score", layer="a")], tmp_path)


# -- modalities --------------------------------------------------------------------------------
@pytest.mark.requirement("D1")
def test_every_modality_has_a_value_type_of_its_own(tmp_path: Path) -> None:
    data = opened(tmp_path, value_types={"ADT": "counts"})
    assert data.modalities == ("X", "ADT")
    assert data.modality("ADT").value_type is ValueType.COUNTS
    assert data.modality("X").value_type is ValueType.LOG1P
    assert "spatial" in data.modality("X").data.obsm
    plain = opened(tmp_path)
    assert plain.modalities == ("log1p",)
    assert "ADT" in plain.data.obsm
    assert data.digest() != opened(tmp_path, value_types={"X": "log1p"}).digest()


def test_a_modality_that_is_not_what_was_declared_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="counts"):
        opened(tmp_path, value_types={"X": "counts"})
    with pytest.raises(DataError, match="no modality 'RNA'; it has X, ADT"):
        opened(tmp_path, value_types={"RNA": "counts"})
    with pytest.raises(ValidationError, match="names other modalities"):
        declare("p.h5ad", value_type="log1p", modality="X", value_types={"ADT": "counts"})


def test_one_modality_beside_x(tmp_path: Path) -> None:
    data = opened(tmp_path, modality="ADT", value_types={"ADT": "counts"})
    assert data.readouts == ("CD3", "CD4")
    assert data.value_type is ValueType.COUNTS
    assert data.has_role("perturbation")
    data = opened(tmp_path, modality="X", layer="counts", value_types={"X": "counts"})
    np.testing.assert_array_equal(data.values, cells().layers["counts"])


@pytest.mark.data
@pytest.mark.requirement("D1", "E6")
def test_spatial_and_protein_files_are_opened_and_split(data_dir: Path) -> None:
    folder = data_dir / "singlecell"
    fish = declare(
        "osmfish_mouse_cortex_33genes.h5ad",
        value_type="counts",
        columns={"context": "Region"},
    )
    data = open_dataset([fish], folder)
    assert (data.n_profiles, len(data.readouts)) == (6471, 33)
    assert data.data.obsm["spatial"].shape == (6471, 2)
    folds = split(data, ClaimKind.UNSEEN_CONTEXT, Folds(folds=3, seed=1))
    regions = [set(data.labels("context")[fold.test]) for fold in folds]
    assert sum(map(len, regions)) == len(set.union(*regions)) == 12
    cite = declare(
        "citefuse_ECCITE_500cells.h5ad", value_type="counts", value_types={"ADT": "counts"}
    )
    both = open_dataset([cite], folder)
    assert both.modalities == ("X", "ADT", "HTO")
    (fold, *_) = split(both, ClaimKind.RANDOM, Folds(folds=5, seed=1))
    assert (len(fold.train), len(fold.test)) == (400, 100)
    part = both.take(fold.test)
    assert part.modality("ADT").values.shape == (100, 49)


# -- features on their side --------------------------------------------------------------------
def test_features_as_rows(tmp_path: Path) -> None:
    table = pd.DataFrame({"gene": ["TP53", "KRAS"], "1.2": [3, 4], "1.10": [1.5, 2]})
    write(table, tmp_path / "f.csv")
    write(cells(), tmp_path / "p.h5ad")
    layout = {"orientation": "readouts_as_rows", "columns": "context", "readout": "gene"}
    features = declare("f.csv", "context_features", layout=layout)
    profiles = declare("p.h5ad", value_type="log1p", columns=COLUMNS)
    data = open_dataset([profiles, features], tmp_path)
    assert data.context_features is not None
    assert data.context_features.loc["1.10"].to_dict() == {"TP53": 1.5, "KRAS": 2.0}
    with pytest.raises(ValidationError, match="columns = 'context'"):
        declare("f.csv", "context_features", layout=layout | {"columns": "perturbation"})
    with pytest.raises(ValidationError, match="the layout tells them"):
        declare("f.csv", "context_features", layout=layout, columns={"context": "gene"})


# -- labels ------------------------------------------------------------------------------------
def test_a_label_is_the_text_that_it_is_written_as(tmp_path: Path) -> None:
    rows = "line,drug,x\n1.10,DMSO,0.50\n1.1,DMSO,1.50\n1.10,a,2.5\n1.1,a,3.5\n"
    (tmp_path / "p.csv").write_text(rows)
    source = declare("p.csv", value_type="log2", readouts=["x"], columns=COLUMNS)
    data = open_dataset([source], tmp_path)
    assert data.obs["context"].tolist() == ["1.10", "1.1"] * 2
    assert data.dense()[:, 0].tolist() == [0.5, 1.5, 2.5, 3.5]
    (tmp_path / "q.csv").write_text("context,perturbation\n1.10,a\n1.2,a\n")
    asked = read_questions(tmp_path / "q.csv", data.roles)
    assert set(asked.context) == {"1.10", "1.2"}


def test_whole_numbers_are_one_label_however_they_are_written(tmp_path: Path) -> None:
    rows = "line,drug,x\n7.0,DMSO,1\n8.0,DMSO,1\n7.0,a,2\n8.0,a,2\n"
    (tmp_path / "p.csv").write_text(rows)
    source = declare("p.csv", value_type="log2", readouts=["x"], columns=COLUMNS)
    assert open_dataset([source], tmp_path).obs["context"].tolist() == ["7", "8"] * 2
