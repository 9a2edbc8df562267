"""The table of sources: what is there, what is one-sided, and what nobody tells."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData, read_h5ad

from cellula.core.dataset import Dataset, Provenance
from cellula.core.value_type import ValueType
from cellula.data.sources_bias import SourcesBiasOptions, association, sources_bias

TOLD = Provenance({"a.h5ad": "0" * 64}, "CC-BY-4.0", (), "NL", ("NL",), "Someone 2024")


def profiles(provenance: Provenance = TOLD, **columns: Any) -> Dataset:
    n = 240
    obs = pd.DataFrame(
        {
            "perturbation": pd.Categorical(np.array(["control", "a", "b"] * (n // 3))),
            "is_control": np.array([True, False, False] * (n // 3)),
            "donor": pd.Categorical([f"d{i // 3 % 4}" for i in range(n)]),
            "context": pd.Categorical([f"t{i // 12 % 2}" for i in range(n)]),
            "batch": pd.Categorical([f"b{i // 24 % 2}" for i in range(n)]),
        },
        index=[f"p{i}" for i in range(n)],
    ).assign(**columns)
    values = np.random.default_rng(0).normal(size=(n, 3))
    data = AnnData(values, obs, pd.DataFrame(index=["x", "y", "z"]))
    return Dataset(data, ValueType.LOG2, provenance=provenance)


def kinds(data: Dataset, **options: Any) -> set[tuple[str, str]]:
    found = sources_bias(data, SourcesBiasOptions(**options)).payload["findings"]
    return {(finding["kind"], finding["subject"]) for finding in found}


@pytest.mark.requirement("D10")
def test_balanced_sources_have_no_finding() -> None:
    evidence = sources_bias(profiles())
    payload = evidence.payload
    assert evidence.kind == "sources_bias"
    assert payload["findings"] == []
    rows = {row["column"]: row for row in payload["columns"]}
    assert {name: row["aspect"] for name, row in rows.items()} == {
        "donor": "who",
        "context": "tissue",
        "batch": "platform",
    }
    assert rows["donor"]["n_levels"] == 4
    assert rows["donor"]["n_effective"] == pytest.approx(4)
    assert rows["context"]["levels"][0] == {"level": "t0", "n_profiles": 120, "share": 0.5}
    assert len(payload["associations"]) == 6
    assert payload["provenance"]["files"] == ["a.h5ad"]
    assert evidence.hash == sources_bias(profiles()).hash


@pytest.mark.requirement("D10")
@pytest.mark.parametrize(
    ("columns", "finding"),
    [
        ({"Sex": ["F"] * 200 + ["M"] * 40}, ("dominated", "Sex")),
        ({"sex": ["F"] * 240}, ("one_level", "sex")),
        ({"sex": ["F", None] * 120}, ("missing", "sex")),
        ({"assay": [f"v{i // 12 % 2}" for i in range(240)]}, ("inseparable", "context, assay")),
        ({"lab": ["x", "y", "z"] * 80}, ("inseparable", "lab, perturbation")),
    ],
)
def test_a_planted_bias_is_found(columns: dict[str, Any], finding: tuple[str, str]) -> None:
    assert finding in kinds(profiles(**columns))


@pytest.mark.requirement("D10")
def test_what_nobody_tells_is_found() -> None:
    assert {("not_told", name) for name in ("license", "jurisdiction", "citation")} == kinds(
        profiles(Provenance())
    )
    data = profiles()
    bare = data.data.copy()
    del bare.obs["donor"], bare.obs["batch"]
    assert kinds(replace(data, data=bare)) == {("not_told", "who"), ("not_told", "platform")}


def test_limits_are_options() -> None:
    assert ("dominated", "donor") in kinds(profiles(), max_share=0.2)
    rows = sources_bias(profiles(), SourcesBiasOptions(max_levels=2)).payload["columns"]
    assert [len(row["levels"]) for row in rows] == [2, 2, 2]


def test_measured_numbers_are_a_range() -> None:
    rows = sources_bias(profiles(age=np.linspace(20, 80, 240))).payload["columns"]
    age = next(row for row in rows if row["column"] == "age")
    assert (age["low"], age["median"], age["high"]) == (20, pytest.approx(50), 80)


def test_an_infinite_measurement_is_missing() -> None:
    ages = np.linspace(20, 80, 240)
    ages[[3, 5, 8]] = np.inf, -np.inf, np.nan
    rows = sources_bias(profiles(age=ages)).payload["columns"]
    age = next(row for row in rows if row["column"] == "age")
    assert (age["n_missing"], age["low"], age["high"]) == (3, 20, 80)


def test_association_is_zero_by_chance_and_one_when_inseparable() -> None:
    rng = np.random.default_rng(0)
    labels = pd.Series(rng.integers(0, 4, 500).astype(str))
    assert association(labels, pd.Series(rng.integers(0, 3, 500).astype(str))) < 0.1
    assert association(labels, labels.map({"0": "a", "1": "b", "2": "c", "3": "d"})) == 1
    assert association(labels, pd.Series(["same"] * 500)) == 0


@pytest.mark.requirement("D10")
def test_papalexi_is_of_one_cell_line(data_dir: Path) -> None:
    table = read_h5ad(data_dir / "singlecell" / "papalexi_thp1.h5ad")
    obs = table.obs.rename(columns={"cell_line": "context"})
    found = kinds(Dataset(AnnData(table.X, obs, table.var), ValueType.COUNTS))
    assert ("one_level", "context") in found
    assert ("not_told", "who") in found
