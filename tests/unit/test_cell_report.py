"""Cells of a study: counts read off, limits told, doublets sampled, nothing said of no counts."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from anndata import AnnData
from test_single_cell_quality import FEW
from test_single_cell_quality import cells as planted

from cellula.core.dataset import Dataset
from cellula.core.run import RunContext
from cellula.core.value_type import ValueType
from cellula.data.cell_report import CellReportOptions, cell_report, recovered_counts


def counts(n: int = 240, genes: int = 80) -> Dataset:
    """Two kinds of cells in two batches."""
    rng = np.random.default_rng(4)
    rates = np.exp(rng.normal(0.5, 1.2, (2, genes)))
    kind = np.arange(n) % 2
    table = rng.poisson(rates[kind] * rng.uniform(0.8, 1.2, (n, 1)))
    obs = pd.DataFrame(
        {
            "context": pd.Categorical([f"type{i}" for i in kind]),
            "batch": pd.Categorical([f"b{i}" for i in np.arange(n) // 2 % 2]),
        },
        index=[f"c{i}" for i in range(n)],
    )
    names = ["MT-1", *(f"g{i}" for i in range(1, genes))]
    values = sp.csr_matrix(table.astype(np.float64))
    return Dataset(AnnData(values, obs, pd.DataFrame(index=names)), ValueType.COUNTS)


def logs(data: Dataset, scale: float = 1e4) -> Dataset:
    depth = np.asarray(data.values.sum(axis=1)).ravel()
    values = sp.csr_matrix(sp.diags(scale / depth) @ data.values).log1p().astype(np.float32)
    return replace(
        data,
        data=AnnData(values, data.obs.copy(), data.data.var.copy()),
        value_type=ValueType.LOG1P,
    )


def test_counts_are_read_off_log1p_values_exactly() -> None:
    data = counts()
    found = recovered_counts(logs(data))
    assert found is not None
    assert np.array_equal(found.dense(), data.dense())
    noise = np.abs(np.random.default_rng(0).normal(2, 1, data.values.shape))
    rough = replace(logs(data), data=AnnData(noise, data.obs.copy(), data.data.var.copy()))
    assert recovered_counts(rough) is None


@pytest.mark.requirement("D2")
def test_limits_and_shares_are_told_by_context_and_batch(run: RunContext) -> None:
    data = counts()
    values = sp.vstack([sp.csr_matrix(np.eye(6, 80)), data.values[6:]], format="csr")
    data = data.unchecked(AnnData(values, data.obs.copy(), data.data.var.copy()))
    report = cell_report(data, run)
    assert report is not None
    payload = report.payload
    assert payload["is_applicable"]
    assert payload["n_beyond"]["low_n_counts"] == 6
    assert payload["n_cells"] - payload["n_good"] >= 6
    assert {(row["role"], row["level"]) for row in payload["beyond"]} == {
        *(("context", f"type{i}") for i in range(2)),
        *(("batch", f"b{i}") for i in range(2)),
    }
    assert {limit["stratum"] for limit in payload["limits"]} == {"b0", "b1"}
    assert payload["mads"]["n_counts"] == 5
    assert report.hash == cell_report(data, run).hash  # type: ignore[union-attr]


@pytest.mark.requirement("D2")
def test_the_share_of_doublets_is_judged_on_a_sample(run: RunContext) -> None:
    def told(limit: float, most: int = 2000) -> tuple[dict[str, Any], dict[str, Any]]:
        options = CellReportOptions(doublets=FEW, max_doublets=limit, max_scored=most)
        report = cell_report(planted(), run, options)
        assert report is not None
        found = next(one for one in report.payload["checks"] if one["name"] == "doublets")
        return dict(report.payload["doublets"]), found

    doublets, check = told(0.2)
    assert doublets["n_scored"] == 800
    assert doublets["n_called"] >= 36
    assert check["is_ok"]
    assert not told(0.04)[1]["is_ok"]
    assert told(0.2, most=200)[0]["n_sampled"] == 200


def test_what_holds_no_counts_says_so(run: RunContext) -> None:
    data = counts()
    noise = np.abs(np.random.default_rng(0).normal(2, 1, data.values.shape))
    rough = replace(logs(data), data=AnnData(noise, data.obs.copy(), data.data.var.copy()))
    report = cell_report(rough, run)
    assert report is not None
    assert not report.payload["is_applicable"]
    assert report.payload["checks"] == []
    many = cell_report(data, run, CellReportOptions(max_values=10))
    assert many is not None
    assert "more than 10" in many.payload["reason"]
    assert cell_report(replace(rough, value_type=ValueType.LOG2), run) is None
