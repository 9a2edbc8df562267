"""GCT: what is written is read back, both versions are read, damaged files are refused."""

from __future__ import annotations

from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from anndata import AnnData

from cellula.core.errors import DataError
from cellula.io.gct import Gct

NEW = "\n".join(
    [
        "#1.3",
        "2\t3\t1\t2",
        "id\tsymbol\ts1\ts2\ts3",
        "dose\tna\t10\t0.5\t-666",
        "plate\tna\t007\t008\t009",
        "g1\tTP53\t0.1\tNaN\t-3e-5",
        "g2\t-666\t1\t2\t3\n",
    ]
)
OLD = "#1.2\n2\t2\nName\tDescription\ta\tb\ng1\tfirst gene\t1\t2\ng2\t\t3\t4\n"


def read(folder: Path, text: str, name: str = "t.gct") -> AnnData:
    path = folder / name
    path.write_text(text)
    return Gct().read(path)


@pytest.mark.requirement("D11")
def test_version_3_has_annotations_of_both_axes(tmp_path: Path) -> None:
    data = read(tmp_path, NEW)
    np.testing.assert_array_equal(data.X, [[0.1, 1], [np.nan, 2], [-3e-5, 3]])
    assert data.obs["dose"].tolist()[:2] == [10.0, 0.5]
    assert data.obs["dose"].isna().tolist() == [False, False, True]
    assert data.obs["plate"].tolist() == ["007", "008", "009"]
    assert data.var["symbol"].tolist() == ["TP53", None]
    assert (data.obs_names.tolist(), data.var_names.tolist()) == (["s1", "s2", "s3"], ["g1", "g2"])


def test_version_2_has_a_description(tmp_path: Path) -> None:
    data = read(tmp_path, OLD.replace("\n", "\r\n"))
    np.testing.assert_array_equal(data.X, [[1, 3], [2, 4]])
    assert data.var["Description"].tolist() == ["first gene", None]
    assert data.obs.shape == (2, 0)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (NEW[: NEW.index("g2")], "1 rows of values, its second line says 2"),
        (NEW[:-6], "cut short"),
        (NEW.replace("2\t3\t1\t2", "2\t4\t1\t2"), "damaged or cut short"),
        (NEW.replace("2\t3\t1\t2", "2\t2\t1\t2"), "has 5 fields a row, its second line asks for 4"),
        (NEW.replace("2\t3\t1\t2", "2\t3"), "has 4 whole numbers there"),
        (NEW.replace("#1.3", "#1.4"), "no GCT file"),
        (NEW.replace("-3e-5", "high"), "'s3' holds 'high' in row g1"),
        (NEW.replace("g2\t", "g1\t"), "readout 'g1' occurs more than once"),
    ],
)
def test_damaged_files_are_refused(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(DataError, match=words) as caught:
        read(tmp_path, text, "bad.gct")
    assert "bad.gct" in str(caught.value)


@pytest.mark.parametrize("suffix", Gct.suffixes)
def test_round_trip_is_exact(tmp_path: Path, suffix: str) -> None:
    rng = np.random.default_rng(0)
    values = np.where(rng.random((5, 4)) < 0.2, np.nan, rng.normal(size=(5, 4)) * 1e-7)
    obs = pd.DataFrame({"dose": rng.normal(size=5), "n": np.arange(5)}, index=list("abcde"))
    data = AnnData(values, obs, pd.DataFrame({"id": ["01", "2", None, "4"]}, index=list("wxyz")))
    path = tmp_path / f"t{suffix}"
    Gct().write(data, path)
    back, first = Gct().read(path), path.read_bytes()
    np.testing.assert_array_equal(back.X, values)
    pd.testing.assert_frame_equal(back.obs, data.obs)
    pd.testing.assert_frame_equal(back.var, data.var)
    Gct().write(back, path)
    assert path.read_bytes() == first


def test_nothing_is_lost_silently(tmp_path: Path) -> None:
    data = AnnData(sp.csr_matrix(np.eye(2)))
    data.layers["counts"] = data.X
    data.uns["title"] = "x"
    with pytest.raises(DataError, match="no place for layers counts; uns title"):
        Gct().write(data, tmp_path / "t.gct")
    tabbed = AnnData(np.eye(2), pd.DataFrame(index=["a\tb", "c"]))
    with pytest.raises(DataError, match="holds a tab"):
        Gct().write(tabbed, tmp_path / "t.gct")
    assert not list(tmp_path.iterdir())


@pytest.mark.data
@pytest.mark.requirement("D11")
def test_an_l1000_plate_goes_through(data_dir: Path, tmp_path: Path) -> None:
    plate = anndata.read_h5ad(data_dir / "bulk" / "LJP009_A375_24H_level4.h5ad")
    plate = AnnData(plate.X, plate.obs, plate.var)
    Gct().write(plate, tmp_path / "plate.gct")
    back = Gct().read(tmp_path / "plate.gct")
    np.testing.assert_array_equal(back.X, plate.X)
    assert back.obs["pert_iname"].tolist() == plate.obs["pert_iname"].tolist()
    assert back.var["pr_gene_symbol"].tolist() == plate.var["pr_gene_symbol"].tolist()
