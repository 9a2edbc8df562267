"""Harmony equals the reference, keeps its mixture, mixes batches and refuses what it cannot do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import harmonypy
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from anndata import AnnData, read_h5ad
from numpy.typing import NDArray

from cellula.core.dataset import Dataset
from cellula.core.errors import DataError
from cellula.core.run import RunContext, run_context
from cellula.core.value_type import ValueType
from cellula.data.harmonise.components import principal_components
from cellula.data.harmonise.harmony import CORRECTED, UNCORRECTED, Harmony, HarmonyOptions
from cellula.data.harmonise.mixture import MixtureOptions, integrate, on_sphere
from cellula.data.harmonise.seeding import random_orders
from cellula.kernels.blas_threads import one_blas_thread
from cellula.testing import TransformConformance

TYPES, PLATES = 4, 3


def cells(n: int = 600, seed: int = 2, shift: float = 1.0, kinds: float = 1.5) -> Dataset:
    """Four cell types on three plates; every plate shifts all its cells."""
    rng = np.random.default_rng(seed)
    kind, plate = rng.integers(0, TYPES, n), rng.integers(0, PLATES, n)
    values = 3 + rng.normal(size=(n, 40)) * 0.5
    values += (kinds * rng.normal(size=(TYPES, 40)))[kind]
    values += (shift * rng.normal(size=(PLATES, 40)))[plate]
    treated = rng.random(n) < 0.5
    obs = pd.DataFrame(
        {
            "perturbation": pd.Categorical(np.where(treated, "drug", "control")),
            "is_control": ~treated,
            "context": pd.Categorical([f"type{i}" for i in kind]),
            "batch": pd.Categorical([f"plate{i}" for i in plate]),
        },
        index=[f"c{i}" for i in range(n)],
    )
    return Dataset(AnnData(values, obs, pd.DataFrame(index=_names(40))), ValueType.LOG2)


def _names(n: int) -> list[str]:
    return [f"g{i}" for i in range(n)]


def harmony(**options: Any) -> Harmony:
    return Harmony(HarmonyOptions(**options))


def legacy_orders(n: int, seed: int) -> Iterator[NDArray[np.int64]]:
    """The orders in which the reference, which has a global seed, updates profiles."""
    stream = np.random.RandomState(seed)
    while True:
        order = np.arange(n)
        stream.shuffle(order)
        yield order


def reference(
    embedding: NDArray[np.float64],
    obs: pd.DataFrame,
    start: NDArray[np.float64],
    seed: int,
) -> NDArray[np.float64]:
    """The corrected coordinates of harmonypy from the same start, (profiles, components)."""
    found = harmonypy.run_harmony(
        embedding,
        obs,
        ["batch"],
        theta=2.0,
        nclust=len(start),
        random_state=seed,
        verbose=False,
        cluster_fn=lambda points, k: start.copy(),
    )
    corrected = np.asarray(found.Z_corr)
    return corrected if corrected.shape == embedding.shape else corrected.T


def ours(
    embedding: NDArray[np.float64],
    levels: NDArray[np.int64],
    start: NDArray[np.float64],
    seed: int,
    **options: Any,
) -> NDArray[np.float64]:
    with one_blas_thread():
        return integrate(
            embedding,
            levels,
            MixtureOptions(**options),
            start,
            legacy_orders(len(embedding), seed),
        )[0]


def blurred(n: int, seed: int, n_components: int) -> tuple[Dataset, NDArray[np.float64]]:
    """Cells whose types hardly stand out, and their coordinates: every rule of the mixture counts.

    The reference divides a profile by its largest coordinate and so mirrors one that has only
    negative coordinates: such profiles are left out.
    """
    data = cells(n, seed, shift=0.3, kinds=0.25)
    embedding = principal_components(data, n_components, 2000).place(data.values)
    keep = embedding.max(axis=1) > 0
    assert keep.mean() > 0.99
    return data.take(keep), embedding[keep]


def start_of(embedding: NDArray[np.float64], k: int) -> NDArray[np.float64]:
    rows = np.random.default_rng(5).choice(len(embedding), k, replace=False)
    return on_sphere(embedding)[rows]


@pytest.mark.requirement("D3")
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_equals_the_reference(seed: int) -> None:
    data, embedding = blurred(600, seed, 15)
    start = start_of(embedding, 20)
    batch = np.asarray(data.labels("batch").codes, np.int64)[:, None]
    wanted = reference(embedding, data.obs, start, seed)
    found = ours(embedding, batch, start, seed)
    assert np.abs(wanted - embedding).max() > 1
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-6)
    other = ours(embedding, batch, start, seed, theta=1.0)
    assert np.abs(other - wanted).max() > 1e-2  # the comparison sees another penalty


@pytest.mark.requirement("D3")
def test_two_roles_are_both_removed(run: RunContext) -> None:
    data = cells(600, 4)
    rng = np.random.default_rng(0)
    site = rng.integers(0, 2, data.n_profiles)
    table = data.data.copy()
    table.X += 0.8 * rng.normal(size=(2, 40))[site]
    table.obs["replicate"] = pd.Categorical([f"site{i}" for i in site])
    two = replace(data, data=table)
    result = harmony(roles=("batch", "replicate")).fit(two, run).apply(two)
    only = harmony().fit(two, run).apply(two)
    assert _apart(result, "batch", CORRECTED) < 0.2 * _apart(result, "batch", UNCORRECTED)
    assert _apart(result, "replicate", CORRECTED) < 0.2 * _apart(result, "replicate", UNCORRECTED)
    assert _apart(only, "replicate", CORRECTED) > 0.5 * _apart(only, "replicate", UNCORRECTED)


def _apart(data: Dataset, role: str, where: str) -> float:
    """How far the levels of a role are apart within the first cell type."""
    points, labels = np.asarray(data.data.obsm[where]), np.asarray(data.labels(role))
    is_type = np.asarray(data.labels("context")) == "type0"
    return _spread([points[is_type & (labels == name)] for name in np.unique(labels)])


@pytest.mark.requirement("D3")
def test_equals_the_reference_on_papalexi(data_dir: Path) -> None:
    table = read_h5ad(data_dir / "singlecell" / "papalexi_thp1.h5ad")
    values = np.log1p(np.asarray(table.X.toarray(), np.float64))[::3]
    obs = table.obs[["replicate"]].rename(columns={"replicate": "batch"})[::3]
    data = Dataset(AnnData(values, obs, table.var), ValueType.LOG1P)
    embedding = principal_components(data, 20, 2000).place(data.values)
    assert embedding.max(axis=1).min() > 0  # see blurred
    start = start_of(embedding, 60)
    wanted = reference(embedding, obs, start, 0)
    batch = np.asarray(data.labels("batch").codes, np.int64)[:, None]
    np.testing.assert_allclose(ours(embedding, batch, start, 0), wanted, rtol=0, atol=1e-3)


def test_the_mixture_repeats_the_fit_closer_than_another_seed_does() -> None:
    data = cells()
    embedding = principal_components(data, 15, 2000).place(data.values)
    batch = np.asarray(data.labels("batch").codes, np.int64)[:, None]
    start, n = start_of(embedding, 20), data.n_profiles
    first, mixture = integrate(
        embedding, batch, MixtureOptions(), start, random_orders(n, np.random.default_rng(0))
    )
    second, _ = integrate(
        embedding, batch, MixtureOptions(), start, random_orders(n, np.random.default_rng(1))
    )
    replayed = mixture.correct(embedding, batch)
    away = float(np.sqrt(((replayed - first) ** 2).mean()))
    assert away < 0.5 * float(np.sqrt(((second - first) ** 2).mean()))
    assert np.abs(replayed - first).max() < 1e-2
    np.testing.assert_allclose(mixture.correct(embedding[7:9], batch[7:9]), replayed[7:9])


def test_new_profiles_land_where_their_kind_is(run: RunContext) -> None:
    data = cells(900)
    fitted = harmony().fit(data.take(np.arange(600)), run)
    old = fitted.apply(data.take(np.arange(600)))
    new = fitted.apply(data.take(np.arange(600, 900)))
    centre = {
        label: np.asarray(old.data.obsm[CORRECTED])[old.labels("context") == label].mean(axis=0)
        for label in old.labels("context").categories
    }
    points = np.asarray(new.data.obsm[CORRECTED])
    nearest = [
        min(centre, key=lambda label: float(np.linalg.norm(point - centre[label])))
        for point in points
    ]
    assert (np.asarray(nearest) == np.asarray(new.labels("context"))).all()
    assert _apart(new, "batch", CORRECTED) < 0.2 * _apart(new, "batch", UNCORRECTED)


def _spread(groups: list[NDArray[np.float64]]) -> float:
    return float(np.linalg.norm(np.std([group.mean(axis=0) for group in groups], axis=0)))


def test_same_seed_same_bits_another_seed_others(run: RunContext) -> None:
    data = cells(shift=0.4)
    first, second = (harmony().fit(data, run).apply(data).dense() for _ in range(2))
    assert first.tobytes() == second.tobytes()
    other = run_context(1, run.scratch)
    assert harmony().fit(data, other).apply(data).dense().tobytes() != first.tobytes()


def test_values_move_as_coordinates_do(run: RunContext) -> None:
    data = cells()
    before = data.digest()
    result = harmony(n_components=10).fit(data, run).apply(data)
    assert data.digest() == before
    space = principal_components(data, 10, 2000)
    np.testing.assert_allclose(
        space.place(result.values), result.data.obsm[CORRECTED], rtol=0, atol=1e-9
    )
    rest = result.dense() - data.dense()
    np.testing.assert_allclose(rest, rest @ space.loadings @ space.loadings.T, rtol=0, atol=1e-9)


def test_embedding_only_leaves_sparse_values_and_counts(run: RunContext) -> None:
    data = cells()
    counts = sp.csr_matrix(np.round(np.maximum(data.dense(), 0)))
    table = AnnData(counts.log1p(), data.obs, data.data.var, layers={"counts": counts})
    sparse = Dataset(table, ValueType.LOG1P)
    dense = Dataset(AnnData(table.X.toarray(), data.obs, data.data.var), ValueType.LOG1P)
    result = harmony(is_embedding_only=True).fit(sparse, run).apply(sparse)
    assert sp.issparse(result.values)
    assert (result.values != sparse.values).nnz == 0
    assert "counts" in result.data.layers
    moved = harmony().fit(dense, run).apply(dense)
    np.testing.assert_allclose(
        result.data.obsm[CORRECTED], moved.data.obsm[CORRECTED], rtol=0, atol=1e-6
    )
    assert moved.dense().min() >= 0


def test_standardised_readouts_have_no_unit(run: RunContext) -> None:
    data = cells()
    table = data.data.copy()
    table.X[:, 3] *= 1000
    scaled = replace(data, data=table)
    options = {"is_standardised": True}
    first = harmony(**options).fit(data, run).apply(data).data.obsm[CORRECTED]
    second = harmony(**options).fit(scaled, run).apply(scaled).data.obsm[CORRECTED]
    np.testing.assert_allclose(first, second, rtol=0, atol=1e-6)
    assert np.abs(harmony().fit(scaled, run).apply(scaled).data.obsm[CORRECTED]).max() > 100


def test_conforms(run: RunContext) -> None:
    TransformConformance(Harmony).check(run)
    TransformConformance(Harmony, {"is_embedding_only": True}).check(run)


def test_refusals(run: RunContext) -> None:
    data = cells()
    fitted = harmony().fit(data, run)
    strange = data.data.copy()
    strange.obs["batch"] = pd.Categorical(["new"] * data.n_profiles)
    with pytest.raises(DataError, match=r"not seen 1 level.*'batch': new"):
        fitted.apply(replace(data, data=strange))
    with pytest.raises(DataError, match="all profiles are of 'plate0'"):
        harmony().fit(data.take(np.asarray(data.labels("batch") == "plate0")), run)
    with pytest.raises(DataError, match="fitted on 40 readouts"):
        fitted.apply(replace(data, data=data.data[:, :5].copy()))
    with pytest.raises(DataError, match="components need two or more"):
        harmony().fit(replace(data, data=data.data[:, :1].copy()), run)
    apart = data.data.copy()
    apart.obs["batch"] = pd.Categorical(np.where(data.is_control, "p0", "p1"))
    with pytest.raises(DataError, match="differ in their perturbations"):
        harmony().fit(replace(data, data=apart), run)
    counts = Dataset(AnnData(np.ones((4, 2)), data.obs[:4], data.data.var[:2]), ValueType.COUNTS)
    with pytest.raises(DataError, match="normalise the counts"):
        harmony().fit(counts, run)
    with pytest.raises(ValueError, match="expected different roles"):
        HarmonyOptions(roles=("perturbation",))
