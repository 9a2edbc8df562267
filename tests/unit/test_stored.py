"""Evaluation of profiles on disk: the same numbers, bit by bit, as in memory."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import zarr
from anndata import AnnData
from anndata.io import write_elem
from zarr.codecs import BloscCodec

from cellula.core.dataset import Dataset
from cellula.core.errors import DataError
from cellula.core.prediction import Prediction
from cellula.core.run import RunContext, run_context
from cellula.core.value_type import ValueType
from cellula.data.data_source import DataSource
from cellula.data.open import open_dataset
from cellula.data.stored import open_stored, partition_order
from cellula.evaluation.comparison import as_predictions
from cellula.evaluation.panel import Panel, evaluate
from cellula.io import formats

N_GENES = 17
METRICS = ("rmse", "pearson_delta", "energy_distance", "wasserstein_per_gene", "r2", "mmd")


def cells(seed: int, *, is_sparse: bool = True, dtype: type = np.float32) -> AnnData:
    """Counts of six perturbations and controls in two lines and three donors, shuffled, log1p."""
    rng = np.random.default_rng(seed)
    n = 900
    obs = pd.DataFrame(
        {
            "gene": rng.choice(["none", *(f"p{i}" for i in range(6))], n),
            "line": rng.choice(["k562", "rpe1"], n),
            "who": rng.choice(["d1", "d2", "d3"], n),
            "note": "free text",
        },
        index=[f"c{i}" for i in range(n)],
    )
    effect = pd.Categorical(obs["gene"]).codes[:, None] * 0.1 * np.arange(N_GENES)
    counts = rng.poisson(rng.gamma(2.0, 1.0, N_GENES) * (1.0 + effect))
    depth = np.maximum(counts.sum(axis=1, keepdims=True), 1)
    values = np.log1p(counts / depth * 100.0).astype(dtype)
    var = pd.DataFrame(index=[f"g{i}" for i in range(N_GENES)])
    return AnnData(sp.csr_matrix(values) if is_sparse else values, obs=obs, var=var)


def write_sharded(data: AnnData, path: Path) -> None:
    """A Zarr store, version 3, whose matrix lies in shards of compressed chunks."""
    group = zarr.open_group(path, mode="w", zarr_format=3)
    group.attrs.update({"encoding-type": "anndata", "encoding-version": "0.1.0"})
    for name in ("obs", "var"):
        write_elem(group, name, getattr(data, name), dataset_kwargs={"shards": None})
    X = group.create_group("X")
    X.attrs.update({"encoding-type": "csr_matrix", "encoding-version": "0.1.0"})
    X.attrs["shape"] = list(data.shape)
    for name in ("data", "indices", "indptr"):
        values = getattr(data.X, name)
        array = X.create_array(
            name,
            shape=values.shape,
            dtype=values.dtype,
            chunks=(500,),
            shards=(2000,),
            compressors=BloscCodec(),
        )
        array[:] = values


def source(path: Path, **columns: str) -> DataSource:
    given = {"perturbation": "gene", "context": "line", "control": "none", **columns}
    return DataSource(path=str(path), role="profiles", value_type="log1p", columns=given)


def both(path: Path, scratch: Path, **columns: str) -> tuple[Dataset, Dataset]:
    """A file opened in memory and on disk."""
    asked = source(path, **columns)
    return open_dataset([asked], Path()), open_stored(asked, Path(), scratch)


def panel(real: Dataset, predicted: Dataset, scratch: Path, *, threads: int = 1) -> Panel:
    run = run_context(3, scratch, threads=threads)
    return evaluate(real, as_predictions(predicted.treated), run, metrics=METRICS)


def require_same_bits(one: Panel, two: Panel) -> None:
    for name in ("scores", "summary"):
        left, right = getattr(one, name), getattr(two, name)
        pd.testing.assert_frame_equal(left, right, check_exact=True)
        for column in left.select_dtypes("number"):
            assert left[column].to_numpy().tobytes() == right[column].to_numpy().tobytes(), column


@pytest.mark.requirement("D13", "E12")
@pytest.mark.parametrize("suffix", ["h5ad", "zarr"])
@pytest.mark.parametrize("is_sparse", [True, False])
def test_a_panel_on_disk_has_the_bits_of_one_in_memory(
    suffix: str, is_sparse: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cellula.io.backed.BLOCK_VALUES", 700)
    monkeypatch.setattr("cellula.data.group_means.BLOCK_NUMBERS", 900)
    real, pred = (tmp_path / f"{name}.{suffix}" for name in ("real", "pred"))
    dtype = np.float64 if suffix == "zarr" else np.float32
    formats.write(cells(1, is_sparse=is_sparse, dtype=dtype), real)
    formats.write(cells(2, is_sparse=is_sparse, dtype=dtype), pred)
    memory, disk = both(real, tmp_path / "r", donor="who")
    told, stored = both(pred, tmp_path / "p")
    whole = panel(memory, told, tmp_path / "one")
    assert whole.unit == "donor"
    assert whole.has_replicate
    assert whole.summary["anchored"].notna().any()
    require_same_bits(whole, panel(disk, stored, tmp_path / "two", threads=2))


def test_a_stored_dataset_is_the_dataset(tmp_path: Path) -> None:
    formats.write(cells(1), tmp_path / "real.h5ad")
    memory, disk = both(tmp_path / "real.h5ad", tmp_path / "r")
    assert np.array_equal(disk.dense(), memory.dense())
    chosen = np.random.default_rng(0).permutation(900)[:200]
    assert np.array_equal(disk.take(chosen).dense(), memory.take(chosen).dense())
    mask = np.arange(900) % 3 == 0
    assert np.array_equal(disk.take(mask).treated.dense(), memory.take(mask).treated.dense())
    assert disk.queries().frame().equals(memory.queries().frame())
    with pytest.raises(DataError, match="in memory"):
        disk.digest()


def test_cells_of_a_group_lie_together(tmp_path: Path) -> None:
    formats.write(cells(1), tmp_path / "real.zarr")
    disk = open_stored(source(tmp_path / "real.zarr", donor="who"), Path(), tmp_path / "r")
    order = partition_order(disk.obs)
    labels = disk.obs[["perturbation", "context", "donor"]].astype(str).agg("/".join, axis=1)
    ordered = labels.to_numpy()[order]
    assert (ordered[1:] != ordered[:-1]).sum() + 1 == labels.nunique()
    assert disk.stored is not None
    assert np.array_equal(np.argsort(disk.stored.positions), order)  # type: ignore[attr-defined]


def test_counts_come_along(tmp_path: Path) -> None:
    data = cells(1)
    counts = sp.csr_matrix(data.X)
    counts.data = np.round(counts.data * 10)
    data.layers["counts"] = counts
    formats.write(data, tmp_path / "real.h5ad")
    memory, disk = both(tmp_path / "real.h5ad", tmp_path / "r")
    assert memory.counts is not None
    assert disk.counts is not None
    assert np.array_equal(disk.counts.load().toarray(), memory.counts.toarray())


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda data: data.X.data.__setitem__(5000, np.nan), "not finite in row"),
        (lambda data: data.X.data.__setitem__(5000, -1.0), "negative"),
        (lambda data: np.round(data.X.data, out=data.X.data), "integers"),
    ],
)
def test_values_are_checked_as_they_are_written(
    spoil: object, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = cells(1)
    assert callable(spoil)
    spoil(data)
    formats.write(data, tmp_path / "real.h5ad")
    with pytest.raises(DataError, match=words) as memory:
        open_dataset([source(tmp_path / "real.h5ad")], Path())
    monkeypatch.setattr("cellula.io.backed.BLOCK_VALUES", 4000)
    with pytest.raises(DataError, match=words) as disk:
        open_stored(source(tmp_path / "real.h5ad"), Path(), tmp_path / "r")
    assert str(disk.value) == str(memory.value)


def test_a_matrix_by_columns_cannot_stay_on_disk(tmp_path: Path) -> None:
    data = cells(1)
    data.X = sp.csc_matrix(data.X)
    formats.write(data, tmp_path / "real.h5ad")
    with pytest.raises(DataError, match="CSR"):
        open_stored(source(tmp_path / "real.h5ad"), Path(), tmp_path / "r")


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    formats.write(cells(1), tmp_path / "real.h5ad")
    with pytest.raises(DataError, match="no column 'lines'"):
        open_stored(source(tmp_path / "real.h5ad", context="lines"), Path(), tmp_path / "r")


def test_where_keeps_rows(tmp_path: Path) -> None:
    formats.write(cells(1), tmp_path / "real.h5ad")
    asked = source(tmp_path / "real.h5ad").model_copy(update={"where": {"who": "d2"}})
    memory, disk = open_dataset([asked], Path()), open_stored(asked, Path(), tmp_path / "r")
    assert disk.n_profiles < 900
    assert np.array_equal(disk.dense(), memory.dense())


def test_permuted_readouts_are_put_in_order(tmp_path: Path, run: RunContext) -> None:
    order = np.random.default_rng(5).permutation(N_GENES)
    formats.write(cells(1), tmp_path / "real.h5ad")
    formats.write(cells(2)[:, order].copy(), tmp_path / "pred.h5ad")
    memory, disk = both(tmp_path / "real.h5ad", tmp_path / "r")
    told, stored = both(tmp_path / "pred.h5ad", tmp_path / "p")
    require_same_bits(panel(memory, told, tmp_path / "one"), panel(disk, stored, tmp_path / "two"))


def test_answers_may_be_in_memory(tmp_path: Path) -> None:
    formats.write(cells(1), tmp_path / "real.h5ad")
    formats.write(cells(2), tmp_path / "pred.h5ad")
    memory, disk = both(tmp_path / "real.h5ad", tmp_path / "r")
    told = open_dataset([source(tmp_path / "pred.h5ad")], Path())
    (answer,) = as_predictions(told.treated)
    assert isinstance(answer, Prediction)
    assert replace(answer).value_type is ValueType.LOG1P
    require_same_bits(panel(memory, told, tmp_path / "one"), panel(disk, told, tmp_path / "two"))
