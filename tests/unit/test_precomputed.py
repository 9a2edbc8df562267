"""Vectors of other programs, looked up by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

from cellula.core.errors import DataError
from cellula.core.run import RunContext
from cellula.models.learned.embedders.precomputed import Precomputed, PrecomputedOptions
from checkpoint_example import cells, vector_file


def opened(path: Path, **options: Any) -> Any:
    return Precomputed(PrecomputedOptions(**options)).open(path)


NAMES = tuple(f"cell{i}" for i in range(80))


@pytest.mark.requirement("K1")
def test_the_same_vectors_from_every_format(tmp_path: Path, run: RunContext) -> None:
    path = vector_file(tmp_path, NAMES)
    values = np.load(path)
    table = pd.DataFrame(values, columns=[f"d{i}" for i in range(5)])
    table.insert(0, "cell", NAMES)
    table.to_parquet(tmp_path / "t.parquet")
    table.to_csv(tmp_path / "t.csv", index=False)
    names = pd.Index(NAMES)
    AnnData(values, pd.DataFrame(index=names)).write_h5ad(tmp_path / "x.h5ad")
    whole = AnnData(np.ones((80, 2)), pd.DataFrame(index=names), obsm={"X_uce": values})
    whole.write_h5ad(tmp_path / "o.h5ad")
    data = cells().take(np.array([5, 3, 60]))
    for file, options in (
        ("vectors.npy", {}),
        ("t.parquet", {}),
        ("t.csv", {"label": "cell"}),
        ("x.h5ad", {}),
        ("o.h5ad", {"key": "X_uce"}),
    ):
        found = opened(tmp_path / file, **options).embed_cells(data, run)
        assert np.allclose(found.values, values[[5, 3, 60]], atol=1e-6), file
        assert found.names == ("cell5", "cell3", "cell60")
        assert found.checkpoint.license == "Apache-2.0"
        assert found.coverage == 1


def test_a_cell_without_a_vector_is_refused(tmp_path: Path, run: RunContext) -> None:
    path = vector_file(tmp_path, NAMES[1:])
    with pytest.raises(DataError, match=r"of 69 of 70 cells.*100%.*cell0 and has e\.g\. cell1"):
        opened(path).embed_cells(cells(), run)


def test_genes_of_varm(tmp_path: Path, run: RunContext) -> None:
    vectors = np.array([[1.0, 2.0], [np.nan, np.nan], [3.0, 4.0]])
    data = AnnData(np.ones((2, 3)), varm={"esm": vectors})
    data.var_names = ["A", "B", "C"]
    data.write_h5ad(tmp_path / "genes.h5ad")
    found = opened(tmp_path / "genes.h5ad", of="genes", key="esm").embed_genes(["C", "B"], run)
    assert (found.names, found.missing, found.coverage) == (("C",), ("B",), 0.5)
    assert found.values.tolist() == [[3.0, 4.0]]
    with pytest.raises(DataError, match="has no 'other'; it has: esm"):
        opened(tmp_path / "genes.h5ad", of="genes", key="other")


def test_bad_files_are_named(tmp_path: Path) -> None:
    path = vector_file(tmp_path, NAMES)
    (tmp_path / "vectors.names.json").write_text('["a"]')
    with pytest.raises(DataError, match="80 vectors and 1 names"):
        opened(path)
    (tmp_path / "vectors.names.json").unlink()
    with pytest.raises(DataError, match=r"vectors\.names\.json, a JSON list"):
        opened(path)
    np.save(tmp_path / "objects.npy", np.array([{}], object), allow_pickle=True)
    with pytest.raises(DataError, match="no array of numbers"):
        opened(tmp_path / "objects.npy")
    (tmp_path / "v.pkl").write_bytes(b"")
    with pytest.raises(DataError, match="pickle"):
        opened(tmp_path / "v.pkl")
    pd.DataFrame({"g": ["A", "A"], "d": [1.0, 2.0]}).to_csv(tmp_path / "twice.csv", index=False)
    with pytest.raises(DataError, match="two vectors of 'A'"):
        opened(tmp_path / "twice.csv")
