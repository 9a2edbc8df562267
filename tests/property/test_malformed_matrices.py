"""Malformed annotated matrices: 600 cases through ``data describe`` and ``check``."""

from __future__ import annotations

import io
import json
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

import h5py
import numpy as np
import pytest
import scipy.io
import scipy.sparse as sp
from anndata import AnnData
from hypothesis import given
from hypothesis import strategies as st
from malformed_cases import attempt, cases

from cellula.io.formats import write
from cellula.testing.examples import single_cells
from cellula.testing.malformed import damaged_bytes, damaged_text
from cellula.testing.malformed_hdf5 import HdfDamage, damaged_hdf5
from cellula.testing.multimodal import two_modalities

sys.path.append(str(Path(__file__).parents[1] / "unit"))

STUDY = """
[study]
id = "s"
title = "t"
owner = "o"
question = "q"
[context_of_use]
role = "test"
regulatory = false
influence = "low"
consequence = "low"
needs_mechanism = false
[boundary]
level = "cellular"
[[data]]
path = "{path}"
role = "profiles"
value_type = "log1p"
license = "CC0-1.0"
columns = {{ perturbation = "perturbation", control = "control", context = "context" }}
[[model]]
id = "mean"
kind = "mean_response"
[[claim]]
id = "c"
kind = "unseen_perturbation"
hold_out = {{ folds = 2, seed = 1 }}
unit = "perturbation"
[[claim.gate]]
metric = "pearson_delta@1"
at_least = 0.1
ci_width_max = 2.0
why = "a test"
on_fail = "structural_prior"
"""
ROLES = {"perturbation", "context", "donor", "batch", "is_control"}


def cells(is_sparse: bool) -> AnnData:
    """Cells with all parts that a file may have."""
    data = single_cells(n_cells=6, n_readouts=5).data.copy()
    data.obs = data.obs.drop(columns="is_control").assign(age=np.arange(data.n_obs) / 2.0)
    data.obs["note"] = [f"n{i % 3}" for i in range(data.n_obs)]
    data.layers["counts"] = data.layers["counts"].astype(np.float32)
    if is_sparse:
        data.X = sp.csr_matrix(data.X)
        data.layers["counts"] = sp.csc_matrix(data.layers["counts"])
        data.raw = data.copy()
    data.obsm["spatial"] = np.arange(data.n_obs * 2.0).reshape(-1, 2)
    data.uns["about"] = {"n": 3, "names": ["a", "b"]}
    return data


class Files(dict):
    """Contents by name, too long to print."""

    def __repr__(self) -> str:
        return f"Files({', '.join(self)})"


def tenx(path: Path) -> None:
    """A file as Cell Ranger 3 lays it out."""
    matrix = sp.csr_matrix(np.array([[1, 0, 2, 7], [0, 3, 0, 0], [4, 0, 0, 9]]))
    with h5py.File(path, "w") as file:
        group = file.create_group("matrix")
        group["barcodes"] = np.array(["B0-1", "B1-1", "B2-1"], "S")
        group["data"] = matrix.data.astype(np.int32)
        group["indices"], group["indptr"] = matrix.indices, matrix.indptr
        group["shape"] = np.array([4, 3])
        features = group.create_group("features")
        features["id"] = np.array(["E1", "E2", "E3", "P1"], "S")
        features["name"] = np.array(["A", "B", "B", "C"], "S")
        features["feature_type"] = np.array(["Gene Expression"] * 3 + ["Antibody Capture"], "S")
        features["genome"] = np.array(["GRCh38"] * 4, "S")


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, bytes]:
    """Sound files by name."""
    folder = tmp_path_factory.mktemp("sound")
    write(cells(is_sparse=True), folder / "sparse.h5ad")
    write(cells(is_sparse=False), folder / "dense.h5ad")
    plain = cells(is_sparse=False)
    write(AnnData(plain.X, plain.obs, plain.var), folder / "plain.gctx")
    write(two_modalities().data, folder / "pair.h5mu")
    tenx(folder / "tenx.h5")
    return Files({path.name: path.read_bytes() for path in sorted(folder.iterdir())})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a study of every file."""
    place = tmp_path_factory.mktemp("work")
    for name in ("sparse.h5ad", "dense.h5ad", "pair.h5mu", "store.zarr", "store.zarr.zip"):
        text = STUDY.format(path=name)
        if name == "pair.h5mu":
            text = text.replace('perturbation = "perturbation", control = "control", ', "")
            text = text.replace("unseen_perturbation", "unseen_context")
            text = text.replace('unit = "perturbation"', 'unit = "donor"')
        (place / f"{name}.toml").write_text(text)
    return place


def tried(folder: Path, path: Path, is_checked: bool) -> None:
    """Describe a file, or check a study of it; then it is gone."""
    study = folder / f"{path.name}.toml"
    try:
        if is_checked and study.exists():
            attempt(folder, ["check", study])
        else:
            attempt(folder, ["data", "describe", path], path.name)
    finally:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


FILES = ("dense.h5ad", "pair.h5mu", "plain.gctx", "sparse.h5ad", "tenx.h5")


def test_sound_files_are_read(folder: Path, sound: Mapping[str, bytes]) -> None:
    assert tuple(sound) == FILES
    for name, content in sound.items():
        (folder / name).write_bytes(content)
        assert attempt(folder, ["data", "describe", folder / name]) == 0
        if (folder / f"{name}.toml").exists() and name != "pair.h5mu":
            assert attempt(folder, ["check", folder / f"{name}.toml"]) in {0, 2}
        (folder / name).unlink()


@cases(300)
@given(name=st.sampled_from(FILES), damages=damaged_hdf5(), is_checked=st.booleans())
def test_300_structures_of_hdf5_are_read_or_refused(
    folder: Path, sound: Mapping[str, bytes], name: str, damages: list[HdfDamage], is_checked: bool
) -> None:
    path = folder / name
    path.write_bytes(sound[name])
    with h5py.File(path, "a") as file:
        for damage in damages:
            damage.apply(file)
    tried(folder, path, is_checked)


@cases(200)
@given(choice=st.data(), name=st.sampled_from(FILES))
def test_200_files_of_damaged_bytes_are_read_or_refused(
    folder: Path, sound: Mapping[str, bytes], choice: st.DataObject, name: str
) -> None:
    path = folder / name
    path.write_bytes(choice.draw(damaged_bytes(sound[name])))
    tried(folder, path, choice.draw(st.booleans()))


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Mapping[str, bytes]]:
    """Sound folders: a Zarr store and a 10x matrix, by name; path in it -> content."""
    place = tmp_path_factory.mktemp("stores")
    whole = cells(is_sparse=True)
    small = AnnData(whole.X, whole.obs[["perturbation", "context"]], whole.var)
    write(small, place / "store.zarr.zip")
    shutil.unpack_archive(place / "store.zarr.zip", place / "store.zarr")
    folder = place / "filtered_feature_bc_matrix"
    folder.mkdir()
    buffer = io.BytesIO()
    scipy.io.mmwrite(buffer, sp.coo_matrix(np.array([[1, 0, 2], [0, 3, 0], [4, 0, 9]])))
    (folder / "matrix.mtx").write_bytes(buffer.getvalue())
    (folder / "genes.tsv").write_text("E1\tA\nE2\tB\nE3\tB\n")
    (folder / "barcodes.tsv").write_text("AAC-1\nAAG-1\nAAT-1\n")
    return {
        one.name: {
            item.relative_to(one).as_posix(): item.read_bytes()
            for item in sorted(one.rglob("*"))
            if item.is_file()
        }
        for one in (place / "store.zarr", folder)
    }


@cases(100)
@given(choice=st.data())
def test_100_folders_are_read_or_refused(
    folder: Path, stores: Mapping[str, Mapping[str, bytes]], choice: st.DataObject
) -> None:
    name = choice.draw(st.sampled_from(["store.zarr"] * 3 + ["filtered_feature_bc_matrix"]))
    files = dict(stores[name])
    place = choice.draw(st.sampled_from(sorted(files)))
    content = files[place]
    kinds = [st.none(), damaged_text(content, b" ")]
    if content:
        kinds.append(damaged_bytes(content))
    if place.endswith((".zarray", ".zattrs", ".zgroup")):
        kinds += [damaged_json(content)] * 3
    changed = choice.draw(st.one_of(kinds))
    if changed is None:
        del files[place]
    else:
        files[place] = changed
    for part, data in files.items():
        path = folder / name / part
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    tried(folder, folder / name, choice.draw(st.booleans()))


def damaged_json(content: bytes) -> st.SearchStrategy[bytes]:
    """The metadata of a Zarr array or group, changed as a tree."""
    numbers = (-1, 0, 1, 10**13, 2.5, "<f8", "|O", "nonsense", None, [10**13, 3], [0], {}, "blosc")

    @st.composite
    def changed(draw: st.DrawFn) -> bytes:
        tree = json.loads(content)
        if tree:
            key = draw(st.sampled_from(sorted(tree)))
            tree[key] = draw(st.sampled_from(numbers))
        return json.dumps(tree).encode()

    return changed()
