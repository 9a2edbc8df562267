"""Several modalities in one file: there and back, and through the door of the data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from mudata import MuData, set_options

from cellula.core.errors import DataError
from cellula.core.value_type import ValueType
from cellula.data.data_source import DataSource
from cellula.data.open import open_dataset
from cellula.io.formats import read
from cellula.io.mudata_file import MuDataFile
from cellula.testing.multimodal import two_modalities


def declare(**given: Any) -> DataSource:
    fields = {"path": "t.h5mu", "role": "profiles", "value_type": "log1p"}
    return DataSource.model_validate({**fields, "columns": {"context": "context"}, **given})


def made(folder: Path) -> MuData:
    both = two_modalities().data
    both.obsm["spatial"] = np.arange(60.0).reshape(30, 2)
    both["rna"].obs["phase"] = pd.Categorical(["G1", "S", "G2"] * 10)
    MuDataFile().write(both, folder / "t.h5mu")
    return both


@pytest.mark.requirement("D1", "S2")
def test_round_trip(tmp_path: Path) -> None:
    both = made(tmp_path)
    back = read(tmp_path / "t.h5mu")
    assert isinstance(back, MuData)
    pd.testing.assert_frame_equal(back.obs, both.obs)
    for name, part in both.mod.items():
        np.testing.assert_array_equal(back[name].X, part.X)
        pd.testing.assert_frame_equal(back[name].obs, part.obs)
    np.testing.assert_array_equal(back["rna"].obsm["spatial"], both["rna"].obsm["spatial"])


@pytest.mark.requirement("D1")
def test_all_modalities_share_roles_and_coordinates(tmp_path: Path) -> None:
    both = made(tmp_path)
    columns = {"context": "context", "donor": "donor", "batch": "rna:phase"}
    data = open_dataset([declare(columns=columns, where={"donor": ["donor0", "donor2"]})], tmp_path)
    assert data.modalities == ("rna", "protein")
    assert data.roles == ("context", "donor", "batch")
    kept = np.isin(both.obs["donor"], ["donor0", "donor2"])
    assert data.n_profiles == kept.sum() == 20
    proteins = data.modality("protein", ValueType.COUNTS)
    np.testing.assert_array_equal(proteins.dense(), both["protein"].X[kept])
    np.testing.assert_array_equal(proteins.data.obsm["spatial"], both.obsm["spatial"][kept])
    own = data.modality("rna", ValueType.LOG1P).data.obsm["spatial"]
    np.testing.assert_array_equal(own, both["rna"].obsm["spatial"][kept])


def test_one_modality_is_an_ordinary_dataset(tmp_path: Path) -> None:
    both = made(tmp_path)
    data = open_dataset([declare(modality="rna", exclude=["b"])], tmp_path)
    assert data.readouts == ("a", "c", "d", "e")
    np.testing.assert_array_equal(data.dense(), both["rna"].X[:, [0, 2, 3, 4]])
    assert data.obs["context"].tolist() == both.obs["context"].tolist()
    with pytest.raises(DataError, match="no modality 'adt'; it has rna, protein"):
        open_dataset([declare(modality="adt")], tmp_path)
    with pytest.raises(DataError, match="no column 'zz'"):
        open_dataset([declare(exclude=["zz"])], tmp_path)


def test_the_value_type_of_one_modality_is_checked(tmp_path: Path) -> None:
    made(tmp_path)
    with pytest.raises(DataError, match="these are counts"):
        open_dataset([declare(modality="protein")], tmp_path)


def test_a_readout_of_two_modalities_is_told_apart(tmp_path: Path) -> None:
    parts = dict(two_modalities().data.mod)
    parts["protein"].var_names = ["a", "CD4", "CD8"]
    with pytest.warns(UserWarning, match="not unique"), set_options(pull_on_update=False):
        both = MuData(parts)
    both.obs["context"] = ["core", "rim"] * 15
    MuDataFile().write(both, tmp_path / "t.h5mu")
    data = open_dataset([declare()], tmp_path)
    assert data.readouts == ("rna:a", "b", "c", "d", "e", "protein:a", "CD4", "CD8")


@pytest.mark.parametrize("keep", [0.0, 0.1, 0.5, 0.95])
def test_a_truncated_file_is_refused(tmp_path: Path, keep: float) -> None:
    made(tmp_path)
    whole = (tmp_path / "t.h5mu").read_bytes()
    path = tmp_path / "cut.h5mu"
    path.write_bytes(whole[: int(keep * len(whole))])
    with pytest.raises(DataError, match=r"cut\.h5mu .* fetch or copy the file again"):
        MuDataFile().read(path)


def test_other_contents_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"write one matrix as \.h5ad"):
        MuDataFile().write(AnnData(np.eye(2)), tmp_path / "t.h5mu")
    AnnData(np.eye(2) + 0.5).write_h5ad(tmp_path / "t.h5ad")
    with pytest.raises(DataError, match="has one modality only"):
        open_dataset([declare(path="t.h5ad", columns={}, modality="rna")], tmp_path)
    assert not (tmp_path / "t.h5mu").exists()


@pytest.mark.data
@pytest.mark.requirement("D1")
def test_cells_with_proteins_of_mimitou(data_dir: Path, tmp_path: Path) -> None:
    cells = anndata.read_h5ad(data_dir / "singlecell" / "citefuse_ECCITE_500cells.h5ad")
    adt = cells.obsm["ADT"]
    proteins = AnnData(adt.to_numpy(np.float32), cells.obs, pd.DataFrame(index=adt.columns))
    rna = AnnData(cells.X, cells.obs, cells.var)
    with set_options(pull_on_update=False):
        both = MuData({"rna": rna, "protein": proteins})
    MuDataFile().write(both, tmp_path / "t.h5mu")
    data = open_dataset([declare(value_type="counts", columns={})], tmp_path)
    assert data.n_profiles == 500
    found = data.modality("protein", ValueType.COUNTS)
    np.testing.assert_array_equal(found.dense(), adt.to_numpy())
    assert data.modality("rna", ValueType.COUNTS).data.shape == cells.shape
