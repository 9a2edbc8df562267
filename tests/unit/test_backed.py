"""Annotated matrices that stay on disk: read in blocks, refused where they are damaged."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from anndata import AnnData
from test_stored import cells as stored_cells
from test_stored import write_sharded

from cellula.core.errors import DataError
from cellula.io import backed, formats
from cellula.io.backed import opened_cells


def cells() -> AnnData:
    rng = np.random.default_rng(0)
    values = sp.random_array((50, 6), density=0.4, rng=rng, format="csr", dtype=np.float32)
    obs = pd.DataFrame(
        {"a": np.arange(50), "b": list("xy") * 25}, index=[f"ü{i}" for i in range(50)]
    )
    return AnnData(sp.csr_matrix(values), obs=obs, var=pd.DataFrame(index=list("abcdef")))


@pytest.mark.parametrize("suffix", ["h5ad", "zarr"])
@pytest.mark.parametrize("is_sparse", [True, False])
def test_blocks_are_the_matrix(
    suffix: str, is_sparse: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backed, "BLOCK_VALUES", 13)
    monkeypatch.setattr(backed, "BLOCK_NAMES", 7)
    data, path = cells(), tmp_path / f"cells.{suffix}"
    if not is_sparse:
        data.X = data.X.toarray()
    formats.write(data, path)
    with opened_cells(path) as found:
        matrix = found.matrix()
        assert (matrix.shape, matrix.is_sparse, matrix.dtype) == ((50, 6), is_sparse, np.float32)
        blocks = list(matrix.blocks())
        assert len(blocks) > 5
        assert [start for start, _ in blocks] == np.cumsum(
            [0, *(block.shape[0] for _, block in blocks[:-1])]
        ).tolist()
        parts = [block.toarray() if is_sparse else block for _, block in blocks]
        whole = data.X.toarray() if is_sparse else data.X
        assert np.array_equal(np.concatenate(parts), whole)
        assert list(found.names()) == list(data.obs_names)
        assert len(found) == 50
        assert list(found.columns(["b", "other"]).columns) == ["b"]
        assert list(found.columns()["a"]) == list(range(50))
        assert list(found.var().index) == list("abcdef")


def _beyond(file: Any) -> None:
    file["X/indices"][3] = 6


def _pointers(file: Any) -> None:
    file["X/indptr"][4] = 0


def _short(file: Any) -> None:
    values = file["X/data"][:-5]
    del file["X/data"]
    file["X/data"] = values


def _outside(file: Any) -> None:
    del file["X/data"]
    file["X/data"] = h5py.ExternalLink("elsewhere.h5", "/data")


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (_beyond, "indices outside"),
        (_pointers, "pointers do not fit"),
        (_short, "pointers do not fit"),
        (_outside, "stands in another file"),
    ],
)
def test_a_damaged_matrix_is_refused(
    spoil: Callable[[Any], None], words: str, tmp_path: Path
) -> None:
    path = tmp_path / "cells.h5ad"
    formats.write(cells(), path)
    with h5py.File(path, "r+") as file:
        spoil(file)
    with pytest.raises(DataError, match=words), opened_cells(path) as found:
        list(found.matrix().blocks())


def test_what_cannot_stay_on_disk_says_so(tmp_path: Path) -> None:
    (tmp_path / "cells.csv").write_text("a,b\n1,2\n")
    with (
        pytest.raises(DataError, match="cellula data convert"),
        opened_cells(tmp_path / "cells.csv"),
    ):
        pass
    with pytest.raises(DataError, match="no such file"), opened_cells(tmp_path / "cells.zarr"):
        pass
    (tmp_path / "cells.h5ad").write_bytes(b"no HDF5")
    with (
        pytest.raises(DataError, match=r"cells\.h5ad is damaged"),
        opened_cells(tmp_path / "cells.h5ad"),
    ):
        pass


def test_shards_of_blosc_are_read_and_a_cut_one_is_refused(tmp_path: Path) -> None:
    data, path = stored_cells(1), tmp_path / "cells.zarr"
    write_sharded(data, path)
    assert (formats.read(path).X != data.X).nnz == 0
    with opened_cells(path) as found:
        assert sum(block.nnz for _, block in found.matrix().blocks()) == data.X.nnz
    shard = path / "X/data/c/0"
    shard.write_bytes(shard.read_bytes()[:-100])
    with pytest.raises(DataError, match="damaged"), opened_cells(path) as found:
        list(found.matrix().blocks())
