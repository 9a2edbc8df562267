"""GCTX: what is written is read back; files as the Connectivity Map lays them out are read."""

from __future__ import annotations

from pathlib import Path

import anndata
import h5py
import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

from cellula.core.errors import DataError
from cellula.io.gctx import Gctx


def made(path: Path) -> Path:
    """A file with texts of fixed width, as older programs write them."""
    with h5py.File(path, "w") as file:
        file.attrs["version"] = np.bytes_("GCTX1.0")
        file["/0/DATA/0/matrix"] = np.arange(6, dtype=np.float32).reshape(2, 3)
        file["/0/META/COL/id"] = np.array([b"s1", b"s2"])
        file["/0/META/COL/pert_iname"] = np.array([b"DMSO  ", b"-666"])
        file["/0/META/COL/dose"] = np.array([1.5, 2.5])
        file["/0/META/ROW/id"] = np.array([5720, 55847, 7416])
        file["/0/META/ROW/symbol"] = np.array([b"PSME1", b"CISD1", b"VDAC1"])
    return path


@pytest.mark.requirement("D11")
def test_a_file_of_the_connectivity_map(tmp_path: Path) -> None:
    data = Gctx().read(made(tmp_path / "t.gctx"))
    np.testing.assert_array_equal(data.X, [[0, 1, 2], [3, 4, 5]])
    assert data.X.dtype == np.float32
    assert data.obs_names.tolist() == ["s1", "s2"]
    assert data.var_names.tolist() == ["5720", "55847", "7416"]
    assert data.obs["pert_iname"].tolist() == ["DMSO", None]
    assert data.obs["dose"].tolist() == [1.5, 2.5]
    assert data.var["symbol"].tolist() == ["PSME1", "CISD1", "VDAC1"]


def test_round_trip(tmp_path: Path) -> None:
    obs = pd.DataFrame({"a": [1, 2], "b": [True, False], "c": ["µ", None]}, index=["x", "y"])
    data = AnnData(np.array([[0.1, np.nan, -1.0], [1, 2, 3]]), obs)
    path = tmp_path / "t.gctx"
    Gctx().write(data, path)
    back = Gctx().read(path)
    np.testing.assert_array_equal(back.X, data.X)
    pd.testing.assert_frame_equal(back.obs, data.obs)
    assert back.var_names.equals(data.var_names)


def _without(place: str) -> object:
    def damage(path: Path) -> None:
        with h5py.File(path, "a") as file:
            del file[place]

    return damage


def _shorter(path: Path) -> None:
    with h5py.File(path, "a") as file:
        del file["/0/META/ROW"]
        file["/0/META/ROW/id"] = np.array([b"g1", b"g2"])


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (_without("/0/DATA/0/matrix"), "not a GCTX file"),
        (_without("/0/META/COL/id"), "not a GCTX file"),
        (_without("/0/META/ROW"), "not a GCTX file"),
        (_shorter, "2 x 3 values but 2 profiles and 2 readouts"),
        (lambda path: path.write_bytes(path.read_bytes()[:900]), "cut short"),
    ],
)
def test_damaged_files_are_refused(tmp_path: Path, damage: object, words: str) -> None:
    path = made(tmp_path / "bad.gctx")
    damage(path)  # type: ignore[operator]
    with pytest.raises(DataError, match=words) as caught:
        Gctx().read(path)
    assert "bad.gctx" in str(caught.value)


def test_what_has_no_place_is_refused(tmp_path: Path) -> None:
    mixed = AnnData(np.eye(2), pd.DataFrame({"a": ["x", 1]}, index=["s", "t"]))
    named = AnnData(np.eye(2), pd.DataFrame({"id": ["x", "y"]}, index=["s", "t"]))
    with pytest.raises(DataError, match="mixes text and other types"):
        Gctx().write(mixed, tmp_path / "t.gctx")
    with pytest.raises(DataError, match="obs has a column 'id'"):
        Gctx().write(named, tmp_path / "t.gctx")
    assert not list(tmp_path.iterdir())


@pytest.mark.data
@pytest.mark.requirement("D11")
def test_an_l1000_plate_goes_through(data_dir: Path, tmp_path: Path) -> None:
    plate = anndata.read_h5ad(data_dir / "bulk" / "LJP009_A375_24H_level4.h5ad")
    plate = AnnData(plate.X, plate.obs.drop(columns="id"), plate.var)
    Gctx().write(plate, tmp_path / "plate.gctx")
    back = Gctx().read(tmp_path / "plate.gctx")
    assert back.X.dtype == plate.X.dtype
    np.testing.assert_array_equal(back.X, plate.X)
    assert back.obs["pert_iname"].tolist() == plate.obs["pert_iname"].tolist()
    assert back.var["pr_gene_symbol"].tolist() == plate.var["pr_gene_symbol"].tolist()
