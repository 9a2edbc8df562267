"""Annotated matrices, and the choice of the format by name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from anndata import AnnData

from cellula.core.errors import DataError
from cellula.io import formats
from cellula.io.h5ad import H5ad


def _cells() -> AnnData:
    counts = sp.random(30, 8, 0.5, "csr", np.float32, random_state=1)
    obs = pd.DataFrame({"c": pd.Categorical(["a", "b"] * 15)}, index=[f"x{i}" for i in range(30)])
    data = AnnData(counts, obs, pd.DataFrame(index=[f"g{i}" for i in range(8)]))
    data.layers["counts"] = counts.copy()
    data.obsm["spatial"] = np.arange(60.0).reshape(30, 2)
    return data


def test_round_trip(tmp_path: Path) -> None:
    data, path = _cells(), tmp_path / "d" / "cells.h5ad"
    H5ad().write(data, path)
    back = H5ad().read(path)
    assert np.array_equal(back.X.toarray(), data.X.toarray())
    assert np.array_equal(back.obsm["spatial"], data.obsm["spatial"])
    pd.testing.assert_frame_equal(back.obs, data.obs)
    assert [item.name for item in path.parent.iterdir()] == ["cells.h5ad"]


@pytest.mark.parametrize("keep", [0.0, 0.1, 0.5, 0.95])
def test_truncated_file_is_refused(tmp_path: Path, keep: float) -> None:
    path = tmp_path / "cut.h5ad"
    H5ad().write(_cells(), path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(keep * len(whole))])
    with pytest.raises(DataError, match=r"cut\.h5ad .* fetch or copy the file again"):
        H5ad().read(path)


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "cells.h5ad"
    H5ad().write(_cells(), path)
    old = path.read_bytes()
    bad = _cells()
    bad.obs["mixed"] = pd.Series([object()] * 30, index=bad.obs.index, dtype=object)
    with pytest.raises(DataError, match="no h5ad type"):
        H5ad().write(bad, path)
    assert path.read_bytes() == old
    assert [item.name for item in tmp_path.iterdir()] == ["cells.h5ad"]
    with pytest.raises(DataError, match="write a table"):
        H5ad().write(pd.DataFrame(), path)


def test_format_by_the_longest_suffix(tmp_path: Path) -> None:
    table = pd.DataFrame({"x": [1, 2]})
    for name in ("t.csv", "t.tsv.gz", "t.parquet", "T.CSV"):
        formats.write(table, tmp_path / name)
        pd.testing.assert_frame_equal(formats.read(tmp_path / name), table)
    assert (tmp_path / "t.tsv.gz").read_bytes()[:2] == b"\x1f\x8b"
    with pytest.raises(DataError, match=r"no reader for 'x\.gz'; expected .*\.csv\.gz.*\.h5ad"):
        formats.read(tmp_path / "x.gz")
    assert formats.suffixes()[".h5ad"] == "h5ad"
