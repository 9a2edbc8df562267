"""Conversion: what a format holds comes back exactly, what it does not hold is named."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, final

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from anndata import AnnData

from cellula.core import registry
from cellula.core.errors import DataError
from cellula.core.expression import Symbol
from cellula.core.logic import Component, LogicNetwork
from cellula.io.conversion import convert
from cellula.io.differences import differences
from cellula.io.formats import read, suffixes, write
from cellula.testing.multimodal import two_modalities
from cellula.testing.simulator import decay


def plain() -> AnnData:
    rng = np.random.default_rng(0)
    obs = pd.DataFrame({"drug": ["a", "b", "a", "c"], "dose": [0.1, 2, 3, np.nan]})
    obs.index = [f"p{i}" for i in range(4)]
    return AnnData(rng.normal(size=(4, 3)), obs, pd.DataFrame(index=["x", "y", "z"]))


def rich() -> AnnData:
    data = plain()
    data.X = sp.csr_matrix(np.arange(12.0).reshape(4, 3))
    data.var["symbol"] = ["X", "Y", "Z"]
    data.layers["counts"] = np.ones((4, 3))
    data.obsm["spatial"] = np.zeros((4, 2))
    data.uns["note"] = "kept"
    return data


MATRIX = [".h5ad", ".zarr", ".zarr.zip", ".gct", ".gct.gz", ".gctx"]
TABLE = [".csv", ".tsv.gz", ".txt", ".parquet"]


@pytest.mark.requirement("S2")
@pytest.mark.parametrize("suffix", [*MATRIX, *TABLE])
def test_a_round_trip_through_every_format_is_exact(suffix: str, tmp_path: Path) -> None:
    write(plain(), tmp_path / "a.h5ad")
    there, back = tmp_path / f"b{suffix}", tmp_path / "c.h5ad"
    assert convert(tmp_path / "a.h5ad", there).lost == ()
    readouts = ("x", "y", "z") if suffix in TABLE else ()
    assert convert(there, back, readouts=readouts).lost == ()
    first, again = read(tmp_path / "a.h5ad"), read(back)
    assert differences(first, again) == ()
    assert np.array_equal(first.X, again.X)  # type: ignore[union-attr]


def test_every_writer_is_among_them() -> None:
    others = {".h5mu", ".feature_bc_matrix", ".vcc", ".vcc2026.h5ad"}
    same = {".csv.gz", ".txt.gz", ".tsv", ".pq"}
    models = {".bnet", ".net", ".sbml", ".sbml.gz", ".sbml.xml", ".sif"}
    models |= {".cellml", ".cellml.gz", ".omex", ".sedml", ".physics.toml"}
    assert set(suffixes("writer")) == {*MATRIX, *TABLE} | others | same | models


@pytest.mark.requirement("S3")
def test_models_become_models(tmp_path: Path) -> None:
    write(decay(), tmp_path / "a.sbml")
    assert convert(tmp_path / "a.sbml", tmp_path / "b.sbml.xml").profiles == len(decay().ids)
    assert read(tmp_path / "b.sbml.xml") == decay()
    logic = LogicNetwork("l", (Component("a", None), Component("b", Symbol("a"))))
    write(logic, tmp_path / "l.bnet")
    assert convert(tmp_path / "l.bnet", tmp_path / "l.sbml").lost == ()
    assert convert(tmp_path / "l.sbml", tmp_path / "again.bnet").lost == ()


@pytest.mark.parametrize("suffix", [".h5ad", ".csv", ".h5mu", ".gct"])
def test_a_model_is_no_matrix_and_a_matrix_no_model(suffix: str, tmp_path: Path) -> None:
    write(decay(), tmp_path / "a.sbml")
    with pytest.raises(DataError, match="Network"):
        convert(tmp_path / "a.sbml", tmp_path / f"b{suffix}")
    write(plain(), tmp_path / "c.h5ad")
    for model in (".sbml", ".bnet", ".net", ".sif"):
        with pytest.raises(DataError, match=r"AnnData"):
            convert(tmp_path / "c.h5ad", tmp_path / f"d{model}")
    assert not list(tmp_path.glob("[bd].*"))


@pytest.mark.parametrize("suffix", [".gct", ".gctx", ".csv", ".parquet", ".feature_bc_matrix"])
def test_what_would_be_lost_is_named_and_refused(suffix: str, tmp_path: Path) -> None:
    write(rich(), tmp_path / "a.h5ad")
    out = tmp_path / f"b{suffix}"
    with pytest.raises(DataError, match=r"layers counts; obsm spatial; uns note.*--drop"):
        convert(tmp_path / "a.h5ad", out)
    assert not out.exists()
    lost = convert(tmp_path / "a.h5ad", out, is_cut=True).lost
    assert "layers counts" in lost
    assert any("sparse" in part for part in lost) != (suffix == ".feature_bc_matrix")
    assert sorted(item.name for item in tmp_path.iterdir()) == ["a.h5ad", out.name]
    again: Any = read(out)
    if isinstance(again, AnnData):
        values = again.X.toarray() if sp.issparse(again.X) else again.X
    else:
        values = again[["x", "y", "z"]].to_numpy()
    np.testing.assert_array_equal(values, np.arange(12.0).reshape(4, 3))


def test_several_modalities_are_one_at_a_time(tmp_path: Path) -> None:
    write(two_modalities().data, tmp_path / "a.h5mu")
    with pytest.raises(DataError, match=r"rna, protein.*--modality"):
        convert(tmp_path / "a.h5mu", tmp_path / "b.h5ad", is_cut=True)
    with pytest.raises(DataError, match="no modality 'atac'"):
        convert(tmp_path / "a.h5mu", tmp_path / "b.h5ad", modality="atac")
    convert(tmp_path / "a.h5mu", tmp_path / "b.h5ad", modality="protein")
    data: Any = read(tmp_path / "b.h5ad")
    assert data.var_names.tolist() == ["CD3", "CD4", "CD8"]
    assert {"context", "donor"} <= set(data.obs)
    convert(tmp_path / "b.h5ad", tmp_path / "c.h5mu")
    convert(tmp_path / "c.h5mu", tmp_path / "d.h5ad")
    assert differences(data, read(tmp_path / "d.h5ad")) == ()


def test_nothing_is_overwritten_without_a_word(tmp_path: Path) -> None:
    write(plain(), tmp_path / "a.h5ad")
    convert(tmp_path / "a.h5ad", tmp_path / "b.zarr")
    with pytest.raises(DataError, match="--force"):
        convert(tmp_path / "a.h5ad", tmp_path / "b.zarr")
    convert(tmp_path / "a.h5ad", tmp_path / "b.zarr", is_replaced=True)
    with pytest.raises(DataError, match="the source itself"):
        convert(tmp_path / "a.h5ad", tmp_path / "a.h5ad", is_replaced=True)
    with pytest.raises(DataError, match="not there"):
        convert(tmp_path / "absent.h5ad", tmp_path / "c.zarr")


def test_a_table_does_not_guess_its_readouts(tmp_path: Path) -> None:
    write(pd.DataFrame({"drug": ["a", "b"], "x": [1.0, 2]}), tmp_path / "t.csv")
    with pytest.raises(DataError, match="--readouts"):
        convert(tmp_path / "t.csv", tmp_path / "t.h5ad")
    with pytest.raises(DataError, match="'drug' holds text"):
        convert(tmp_path / "t.csv", tmp_path / "t.h5ad", readouts=("drug",))
    with pytest.raises(DataError, match="no column 'y'"):
        convert(tmp_path / "t.csv", tmp_path / "t.h5ad", readouts=("y",))
    convert(tmp_path / "t.csv", tmp_path / "t.parquet")
    pd.testing.assert_frame_equal(read(tmp_path / "t.csv"), read(tmp_path / "t.parquet"))  # type: ignore[arg-type]


@final
class Forgetful:
    """A format that says nothing of what it holds, and loses a column."""

    name: ClassVar[str] = "h5ad"
    suffixes: ClassVar[tuple[str, ...]] = (".h5ad",)

    def write(self, content: Any, path: Path) -> None:
        lesser = content.copy()
        del lesser.obs["dose"]
        write(lesser, path)


def test_a_writer_that_loses_a_part_unasked_is_found_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(plain(), tmp_path / "a.h5ad")
    load = registry.load

    def loaded(kind: str, name: str) -> Any:
        return Forgetful if kind == "writer" and name == "forgetful" else load(kind, name)

    monkeypatch.setattr(registry, "load", loaded)
    with pytest.raises(DataError, match="columns dose of obs"):
        convert(tmp_path / "a.h5ad", tmp_path / "b.h5ad", to="forgetful")
    assert not (tmp_path / "b.h5ad").exists()


def changed(part: str) -> AnnData:
    data = rich()
    if part == "X":
        data.X[0, 1] = 99.0
    elif part == "obs":
        data.obs["dose"] = [0.1, 2, 3, 4]
    elif part == "order":
        data.obs["drug"] = pd.Categorical(data.obs["drug"], list("abc"), ordered=True)
    elif part == "names":
        data.obs_names = [f"q{i}" for i in range(4)]
    elif part == "layers":
        data.layers["counts"] = np.zeros((4, 3))
    elif part == "dense":
        data.X = data.X.toarray()
    else:
        delattr(data, part)
    return data


@pytest.mark.parametrize(
    ("part", "words"),
    [
        ("X", "values of X"),
        ("obs", "columns dose of obs"),
        ("names", "row names of obs"),
        ("layers", "layers counts"),
        ("obsm", "obsm spatial"),
        ("uns", "uns note"),
    ],
)
def test_a_difference_is_named(part: str, words: str) -> None:
    assert differences(rich(), rich()) == ()
    assert any(words in found for found in differences(rich(), changed(part)))


def test_storage_is_no_value() -> None:
    assert differences(rich(), changed("dense")) == ()


def test_the_order_of_categories_is_a_value() -> None:
    assert differences(rich(), changed("order")) == ()
    assert differences(changed("order"), rich()) == ("the columns drug of obs as they are",)


def test_another_kind_of_content_is_a_difference() -> None:
    assert "comes back as DataFrame" in differences(plain(), plain().obs)[0]
