"""Zarr: a zip goes there and back, a folder is read, damage is found."""

from __future__ import annotations

import shutil
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import zarr
from anndata import AnnData

from cellula.core.errors import DataError
from cellula.data.data_source import DataSource
from cellula.data.open import open_dataset
from cellula.io.formats import read
from cellula.io.zarr_store import ZarrArchive, ZarrStore


def cells() -> AnnData:
    counts = sp.random(30, 8, 0.5, "csr", np.float32, random_state=1)
    counts.data = np.ceil(counts.data * 9)
    obs = pd.DataFrame({"c": pd.Categorical(["a", "b"] * 15)}, index=[f"x{i}" for i in range(30)])
    data = AnnData(counts, obs, pd.DataFrame(index=[f"g{i}" for i in range(8)]))
    data.obsm["spatial"] = np.arange(60.0).reshape(30, 2)
    return data


def folder_of(path: Path, data: AnnData) -> Path:
    anndata.io.write_elem(zarr.open_group(path, mode="w", zarr_format=2), "/", data)
    return path


@pytest.mark.requirement("S2")
def test_a_zip_there_and_back(tmp_path: Path) -> None:
    data, path = cells(), tmp_path / "new" / "t.zarr.zip"
    ZarrArchive().write(data, path)
    first = path.read_bytes()
    back = read(path)
    assert isinstance(back, AnnData)
    assert np.array_equal(back.X.toarray(), data.X.toarray())
    assert np.array_equal(back.obsm["spatial"], data.obsm["spatial"])
    pd.testing.assert_frame_equal(back.obs, data.obs)
    ZarrArchive().write(back, path)
    assert path.read_bytes() == first
    assert [item.name for item in path.parent.iterdir()] == ["t.zarr.zip"]


def test_a_flipped_byte_in_a_zip(tmp_path: Path) -> None:
    path = tmp_path / "t.zarr.zip"
    ZarrArchive().write(cells(), path)
    whole = bytearray(path.read_bytes())
    whole[whole.find(b"obsm/spatial/0.0") + 40] ^= 1
    path.write_bytes(bytes(whole))
    with pytest.raises(DataError, match=r"the checksum of obsm/spatial/0\.0 is wrong"):
        ZarrStore().read(path)


@pytest.mark.requirement("D1")
def test_a_folder_is_one_source_of_a_study(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "t.zarr", cells())
    source = DataSource.model_validate(
        {
            "path": "t.zarr",
            "role": "profiles",
            "value_type": "counts",
            "columns": {"context": "c"},
        }
    )
    data = open_dataset([source], tmp_path)
    assert data.data.obsm["spatial"].shape == (30, 2)
    digest = data.provenance.sources["t.zarr"]
    chunk = next(item for item in folder.rglob("0") if item.is_file())
    chunk.unlink()
    with pytest.raises(DataError, match=f"the study expects {digest}"):
        open_dataset([source.model_copy(update={"sha256": digest})], tmp_path)


def test_damaged_folders_are_refused(tmp_path: Path) -> None:
    (tmp_path / "empty.zarr").mkdir()
    with pytest.raises(DataError, match=r"empty\.zarr is damaged"):
        ZarrStore().read(tmp_path / "empty.zarr")
    bad = folder_of(tmp_path / "bad.zarr", cells())
    shutil.rmtree(bad / "obs")
    (bad / "obs").mkdir()
    (bad / ".zgroup").write_text("{")
    with pytest.raises(DataError, match=r"bad\.zarr is damaged"):
        ZarrStore().read(bad)
    several = tmp_path / "mu.zarr"
    zarr.open_group(several, mode="w", zarr_format=2).create_group("mod")
    with pytest.raises(DataError, match=r"several modalities; save them as \.h5mu"):
        ZarrStore().read(several)


def test_what_has_no_type_is_refused_and_nothing_written(tmp_path: Path) -> None:
    data = cells()
    data.obs["mixed"] = pd.Series([object()] * 30, index=data.obs.index, dtype=object)
    for content, words in (
        (data, "column 'mixed' of obs mixes types"),
        (pd.DataFrame(), "write a table"),
    ):
        with pytest.raises(DataError, match=words):
            ZarrArchive().write(content, tmp_path / "t.zarr.zip")
    assert not list(tmp_path.iterdir())
