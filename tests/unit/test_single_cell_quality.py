"""Bad cells that are planted are found, good ones stay, and all of it is told."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scanpy as sc
import scipy.sparse as sp
from anndata import AnnData, read_h5ad

from cellula.core.dataset import Dataset
from cellula.core.errors import DataError
from cellula.core.run import RunContext, run_context
from cellula.core.value_type import ValueType
from cellula.data.doublets import DoubletOptions, doublet_scores
from cellula.data.single_cell_quality import (
    CellQualityOptions,
    cell_measures,
    cell_quality,
    good_cells,
)

N, GENES = 800, 400
FEW = DoubletOptions(n_components=5)
#: The rows at which faults are planted.
SHALLOW, DYING, DOUBLE = slice(0, 5), slice(5, 12), slice(760, 800)


def cells(*, faults: bool = True, value_type: ValueType = ValueType.COUNTS) -> Dataset:
    """Two kinds of cells on two plates of other depth; the last rows are sums of two cells."""
    rng = np.random.default_rng(4)
    kind, plate = np.arange(N) % 2, np.arange(N) // 3 % 2
    rate = np.tile(rng.gamma(2.0, 0.5, GENES), (2, 1))
    rate[0, 50:70] = 0.1
    rate[1, 50:70] = rng.uniform(5, 20, 20)
    rate[1, 70:90] = 0.1
    rate[0, 70:90] = rng.uniform(5, 20, 20)
    rate[:, :5] = 4.0
    depth = (1.0 + plate) * rng.lognormal(0, 0.15, N)
    counts = rng.poisson(rate[kind] * depth[:, None])
    if faults:
        counts[SHALLOW] = rng.binomial(counts[SHALLOW], 0.05)
        counts[DYING, :5] *= 20
        partner = rng.poisson(rate[1 - kind[DOUBLE]] * depth[DOUBLE, None])
        counts[DOUBLE] += partner
    obs = pd.DataFrame(
        {
            "perturbation": pd.Categorical(["control"] * N),
            "is_control": np.ones(N, bool),
            "batch": pd.Categorical([f"plate{i}" for i in plate]),
        },
        index=[f"c{i}" for i in range(N)],
    )
    names = [f"mt-{i}" for i in range(5)] + [f"g{i}" for i in range(5, GENES)]
    matrix = sp.csr_matrix(counts.astype(np.float32))
    table = AnnData(matrix, obs, pd.DataFrame(index=names))
    if value_type is ValueType.LOG1P:
        table.layers["counts"] = matrix
        table.X = matrix.log1p()
    return Dataset(table, value_type)


def rows(part: slice) -> set[str]:
    return {f"c{i}" for i in range(N)[part]}


@pytest.mark.requirement("D2")
def test_measures_equal_scanpys() -> None:
    data = cells()
    table = data.data.copy()
    table.var["mt"] = table.var_names.str.startswith("mt-")
    sc.pp.calculate_qc_metrics(table, qc_vars=["mt"], percent_top=None, inplace=True)
    found = cell_measures(data)
    np.testing.assert_allclose(found["n_counts"], table.obs["total_counts"])
    np.testing.assert_array_equal(found["n_genes"], table.obs["n_genes_by_counts"])
    np.testing.assert_allclose(
        found["mitochondrial_share"], table.obs["pct_counts_mt"] / 100, rtol=1e-5
    )
    pd.testing.assert_frame_equal(found, cell_measures(cells(value_type=ValueType.LOG1P)))
    assert cell_measures(data, "ERCC-")["mitochondrial_share"].isna().all()


@pytest.mark.requirement("D2")
def test_planted_faults_are_found_and_good_cells_stay(run: RunContext) -> None:
    quality = cell_quality(cells(), run, CellQualityOptions(doublets=None))
    beyond = quality.is_beyond

    def named(reason: str) -> set[str]:
        return set(beyond.index[beyond[reason]])

    assert rows(SHALLOW) <= named("low_n_counts") | named("low_n_genes")
    assert rows(DYING) <= named("high_mitochondrial_share")
    assert len(set(beyond.index[~quality.is_good]) - rows(slice(0, 12)) - rows(DOUBLE)) <= 6
    clean = cell_quality(cells(faults=False), run, CellQualityOptions(doublets=None))
    assert clean.is_good.mean() > 0.98
    assert clean.evidence.payload["checks"][0]["is_ok"]


@pytest.mark.requirement("D2")
def test_limits_are_of_each_batch(run: RunContext) -> None:
    options = CellQualityOptions(doublets=None)
    each = cell_quality(cells(), run, options).limits
    depth = {limit.stratum: limit.median for limit in each if limit.measure == "n_counts"}
    assert depth["plate1"] > 1.8 * depth["plate0"]
    together = cell_quality(cells(), run, CellQualityOptions(doublets=None, strata=()))
    assert {limit.stratum for limit in together.limits} == {"all"}
    wide = next(limit for limit in together.limits if limit.measure == "n_counts")
    narrow = [limit for limit in each if limit.measure == "n_counts"]
    assert all(wide.upper / wide.lower > limit.upper / limit.lower for limit in narrow)


@pytest.mark.requirement("D2")
def test_doublets_score_high_and_equally_for_a_seed(run: RunContext) -> None:
    data = cells()
    scores, limits = doublet_scores(data, run, FEW)
    is_double = scores.index.isin(rows(DOUBLE))
    assert scores[is_double].median() > 3 * scores[~is_double].median()
    assert set(limits) == {"plate0", "plate1"}
    assert all(0 < limit < 1 for limit in limits.values())
    again, same = doublet_scores(data, run, FEW)
    pd.testing.assert_series_equal(scores, again)
    assert same == limits
    other, _ = doublet_scores(data, run_context(5, run.scratch), FEW)
    assert not other.equals(scores)
    quality = cell_quality(data, run, CellQualityOptions(doublets=FEW))
    called = set(quality.is_beyond.index[quality.is_beyond["high_doublet_score"]])
    assert len(called & rows(DOUBLE)) >= 36
    assert len(called - rows(DOUBLE)) <= 60


@pytest.mark.requirement("D2")
def test_scores_are_scrublets(run: RunContext) -> None:
    data = cells()
    scores, _ = doublet_scores(data, run)
    is_here = np.asarray(data.labels("batch") == "plate1")
    table = AnnData(data.values[is_here], data.obs[is_here], data.data.var)
    seed = int(run.child("doublets", "plate1").rng.integers(2**31 - 1))
    sc.pp.scrublet(
        table, threshold=0.0, use_approx_neighbors=False, random_state=seed, verbose=False
    )
    np.testing.assert_allclose(scores[is_here], table.obs["doublet_score"], rtol=0, atol=1e-12)


@pytest.mark.requirement("D2")
def test_cells_of_one_kind_are_not_called_doublets(data_dir: Path, run: RunContext) -> None:
    table = read_h5ad(data_dir / "singlecell" / "papalexi_thp1.h5ad")[::6]
    obs = table.obs[["replicate"]].rename(columns={"replicate": "batch"})
    data = Dataset(AnnData(table.X, obs, table.var), ValueType.COUNTS)
    scores, limits = doublet_scores(data, run)
    assert scores.notna().all()
    assert set(limits.values()) == {float("inf")}


def test_too_few_cells_are_not_scored(run: RunContext) -> None:
    few = cells().take(np.arange(30))
    scores, limits = doublet_scores(few, run, DoubletOptions())
    assert scores.isna().all()
    assert set(limits.values()) == {float("inf")}
    quality = cell_quality(few, run)
    assert "doublet_score" in quality.evidence.payload["not_measured"]
    assert not quality.is_beyond["high_doublet_score"].any()


@pytest.mark.requirement("D2")
def test_evidence_and_filter_agree(run: RunContext) -> None:
    data = cells()
    before = data.digest()
    quality = cell_quality(data, run)
    told = quality.evidence.payload
    assert quality.evidence.kind == "cell_quality"
    assert quality.evidence.inputs == {"data": before}
    assert told["n_good"] == int(quality.is_good.sum()) < told["n_cells"] == N
    assert told["n_beyond"]["high_mitochondrial_share"] >= 7
    assert told["checks"][0]["value"] == pytest.approx(1 - told["n_good"] / N)
    assert quality.evidence.hash == cell_quality(data, run).evidence.hash
    kept = good_cells(data, quality)
    assert kept.n_profiles == told["n_good"]
    assert rows(DYING).isdisjoint(kept.obs.index)
    assert kept.obs["n_counts"].equals(quality.measures["n_counts"][quality.is_good])
    assert data.digest() == before


@pytest.mark.requirement("D2")
def test_too_many_bad_cells_fail_the_check(run: RunContext) -> None:
    options = CellQualityOptions(doublets=None, max_dropped=0.02)
    check = cell_quality(cells(), run, options).evidence.payload["checks"][0]
    assert not check["is_ok"]
    assert re.search(r"\d+ high mitochondrial share", check["note"])


def test_refusals(run: RunContext) -> None:
    data = cells()
    values = replace(data, data=data.data.copy(), value_type=ValueType.LOG2)
    with pytest.raises(DataError, match="no layer is called 'counts'"):
        cell_quality(values, run)
    quality = cell_quality(data, run, CellQualityOptions(doublets=None))
    with pytest.raises(DataError, match="measured on other cells"):
        good_cells(data.take(np.arange(5)), quality)
    nothing = replace(quality, is_beyond=quality.is_beyond | True)
    with pytest.raises(DataError, match="no cell is within all limits"):
        good_cells(data, nothing)


@pytest.mark.requirement("D2")
def test_measures_are_those_of_the_authors(data_dir: Path) -> None:
    table: Any = read_h5ad(data_dir / "singlecell" / "scvi_pbmc_10k_protein_200cells.h5ad")
    counts = AnnData(sp.csr_matrix(table.X), table.obs[[]], table.var[[]])
    found = cell_measures(Dataset(counts, ValueType.COUNTS))
    given = table.obs
    assert np.abs(found["mitochondrial_share"] - given["percent_mito"]).max() < 1e-3
    assert np.abs(found["n_counts"] / given["n_counts"] - 1).max() < 0.01
    assert np.abs(found["n_genes"] / given["n_genes"] - 1).max() < 0.01
