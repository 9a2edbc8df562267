"""Every quality check passes on good data and fails on a planted fault."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from anndata import AnnData

from cellula.core.dataset import Dataset
from cellula.core.value_type import ValueType
from cellula.data.quality import QualityOptions, quality_report


def cells(change: Any = None, n: int = 120) -> Dataset:
    rng = np.random.default_rng(3)
    counts = rng.poisson(4, (n, 30)).astype(np.float32)
    perturbation = np.array(["control", "a", "b"] * (n // 3), object)
    context = np.repeat(["t1", "t2"], n // 2)
    if change is not None:
        change(counts, perturbation)
    obs = pd.DataFrame(
        {
            "perturbation": pd.Categorical(perturbation),
            "context": pd.Categorical(context),
            "is_control": perturbation == "control",
        },
        index=[f"c{i}" for i in range(n)],
    )
    data = AnnData(sp.csr_matrix(counts), obs, pd.DataFrame(index=[f"g{i}" for i in range(30)]))
    return Dataset(data, ValueType.COUNTS)


def failed(data: Dataset, options: QualityOptions | None = None) -> list[str]:
    payload = quality_report(data, options).payload
    return [check["name"] for check in payload["checks"] if not check["is_ok"]]


def test_good_cells_pass() -> None:
    evidence = quality_report(cells())
    assert (evidence.kind, evidence.subject) == ("quality", "data")
    assert evidence.payload["n_profiles"] == 120
    assert evidence.payload["n_readouts"] == 30
    assert failed(cells()) == []
    assert evidence.hash == quality_report(cells()).hash


def _constant(counts: Any, perturbation: Any) -> None:
    counts[:, :28] = 3


def _copy(counts: Any, perturbation: Any) -> None:
    counts[10:15] = counts[9]


def _zero(counts: Any, perturbation: Any) -> None:
    counts[:10] = 0


def _few_controls(counts: Any, perturbation: Any) -> None:
    perturbation[60:] = "a"
    perturbation[61] = "control"


def _rare(counts: Any, perturbation: Any) -> None:
    perturbation[1] = "rare"


def _outliers(counts: Any, perturbation: Any) -> None:
    counts[:12] *= 1000
    counts[:12] += np.arange(12)[:, None]


@pytest.mark.parametrize(
    ("fault", "name"),
    [
        (_constant, "constant_readouts"),
        (_copy, "duplicate_profiles"),
        (_zero, "zero_profiles"),
        (_few_controls, "controls"),
        (_rare, "profiles_per_perturbation"),
        (_outliers, "outliers"),
    ],
)
def test_a_planted_fault_is_found(fault: Any, name: str) -> None:
    assert name in failed(cells(fault))


def test_too_few_profiles() -> None:
    assert "profiles" in failed(cells(n=12))
    assert "profiles" not in failed(cells(n=12), QualityOptions(min_profiles=12))


def table(pairs: list[tuple[str, str]], values: list[float]) -> Dataset:
    obs = pd.DataFrame(pairs, columns=["perturbation", "context"], dtype="category")
    obs.index = pd.Index([str(i) for i in range(len(obs))])
    data = AnnData(np.array(values)[:, None], obs, pd.DataFrame(index=["ln_ic50"]))
    return Dataset(data, ValueType.LN_IC50)


def test_table_counts_measured_pairs_and_repeated_rows() -> None:
    pairs = [(f"d{i}", f"l{j}") for i in range(5) for j in range(5)]
    full = table(pairs, list(np.linspace(-1, 1, 25)))
    names = [check["name"] for check in quality_report(full).payload["checks"]]
    assert "measured_pairs" in names
    assert "zero_profiles" not in names
    assert "controls" not in names
    assert failed(full) == []
    assert failed(table(pairs, [0.5] * 24 + [1.0])) == []  # equal values alone are no copies
    assert failed(table([*pairs, pairs[0]], [*np.linspace(-1, 1, 25), -1.0])) == [
        "duplicate_profiles"
    ]
    sparse = [(f"d{i}", f"l{i}") for i in range(25)]
    assert "measured_pairs" in failed(table(sparse, list(np.linspace(-1, 1, 25))))
