"""The door of the data: what it makes of good files and says of bad ones."""

from __future__ import annotations

import hashlib
import re
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from anndata import AnnData
from pydantic import ValidationError

from cellula.core.dataset import Dataset
from cellula.core.errors import DataError
from cellula.core.value_type import ValueType
from cellula.data.open import DataSource, open_dataset
from cellula.io.formats import write

COLUMNS = {"perturbation": "drug", "context": "line"}


def declare(path: str, role: str = "profiles", **given: Any) -> DataSource:
    return DataSource.model_validate({"path": path, "role": role, **given})


def tidy(**columns: Any) -> pd.DataFrame:
    table = {
        "drug": ["DMSO", "a", "b", "DMSO", "a", "b"],
        "line": [1, 1, 1, 2, 2, 2],
        "dose": [None, 2.0, 2.0, None, 4.0, 4.0],
        "hours": [24] * 6,
        "g1": [0.5, 1.5, 2.5, 0.4, 1.4, 2.4],
    }
    return pd.DataFrame(table | columns)


def open_tidy(folder: Path, table: pd.DataFrame, **given: Any) -> Dataset:
    write(table, folder / "p.csv")
    fields: dict[str, Any] = {"value_type": "log2", "readouts": ["g1"]}
    fields["columns"] = {**COLUMNS, "control": "DMSO"}
    return open_dataset([declare("p.csv", **(fields | given))], folder)


@pytest.mark.parametrize("of_control", [None, -666.0])  # the Connectivity Map's missing value
def test_tidy_table_with_units_and_controls(tmp_path: Path, of_control: float | None) -> None:
    columns = {**COLUMNS, "control": "DMSO", "dose_molar": "dose", "time_s": "hours"}
    table = tidy(dose=[of_control, 2.0, 2.0, of_control, 4.0, 4.0])
    data = open_tidy(tmp_path, table, columns=columns, dose_unit="uM", time_unit="h")
    assert data.obs["context"].tolist() == ["1", "1", "1", "2", "2", "2"]
    assert data.obs["perturbation"].tolist() == ["control", "a", "b"] * 2
    assert data.is_control.tolist() == [True, False, False] * 2
    np.testing.assert_allclose(data.obs["dose_molar"], [0, 2e-6, 2e-6, 0, 4e-6, 4e-6])
    assert (data.obs["time_s"] == 86400).all()
    assert data.readouts == ("g1",)
    digest = hashlib.sha256((tmp_path / "p.csv").read_bytes()).hexdigest()
    assert data.provenance.sources == {"p.csv": digest}


@pytest.mark.parametrize(
    "control", ["is_ctrl", "kind=vehicle", "DMSO"], ids=["column", "column=value", "label"]
)
def test_three_ways_to_name_the_controls(tmp_path: Path, control: str) -> None:
    flag = [True, False, False] * 2
    table = tidy(is_ctrl=flag, kind=["vehicle", "drug", "drug"] * 2)
    data = open_tidy(tmp_path, table, columns={**COLUMNS, "control": control})
    assert data.is_control.tolist() == flag
    assert data.controls is not None
    assert set(data.controls.obs["perturbation"]) == {"control"}


def test_a_column_cannot_pass_for_a_role(tmp_path: Path) -> None:
    data = open_tidy(tmp_path, tidy(batch=["x"] * 6, is_control=[True] * 6))
    assert "batch" not in data.roles
    assert data.obs["batch_"].tolist() == ["x"] * 6
    assert data.is_control.sum() == 2
    assert "is_control_" in data.obs


def test_combinations_are_sorted_and_lose_their_controls(tmp_path: Path) -> None:
    table = tidy(drug=["ctrl", "b+a", "a+ctrl", "ctrl", "a+b", "ctrl+a"])
    data = open_tidy(tmp_path, table, columns={**COLUMNS, "control": "ctrl"})
    assert data.obs["perturbation"].tolist() == ["control", "a+b", "a"] * 2


def wide(folder: Path, **given: Any) -> Dataset:
    table = pd.DataFrame(
        {"id": [683665, 5, 6], "Drug_1_IC50": [1.0, np.nan, 3.0], "Drug_22_IC50": [4.0, 5.0, 6.5]}
    )
    write(table, folder / "w.csv.gz")
    features = {
        "line": [5, 6, 683665, 9],
        "tissue": ["x", "y", "x", "z"],
        "BRAF": [0, 1, 0, 1],
        "MSI": [True, False, True, False],
    }
    write(pd.DataFrame(features), folder / "f.csv")
    layout = {"rows": "context", "columns": "perturbation", "readout": "ln_ic50"}
    layout["pattern"] = given.pop("pattern", r"Drug_(\d+)_IC50")
    profiles = {"value_type": "ln_ic50", "columns": {"context": "id"}, "layout": layout} | given
    feature = {"columns": {"context": "line"}, "labels": ["tissue"]}
    return open_dataset(
        [declare("w.csv.gz", **profiles), declare("f.csv", "context_features", **feature)], folder
    )


def test_wide_table_becomes_one_row_a_measured_value(tmp_path: Path) -> None:
    data = wide(tmp_path, perturbation_kind="compound")
    assert data.obs.index.tolist() == ["683665|1", "683665|22", "5|22", "6|1", "6|22"]
    assert data.dense()[:, 0].tolist() == [1.0, 4.0, 5.0, 3.0, 6.5]
    assert data.obs["context"].tolist() == ["683665", "683665", "5", "6", "6"]
    assert data.obs["perturbation"].tolist() == ["1", "22", "22", "1", "22"]
    assert data.obs["tissue"].tolist() == ["x", "x", "x", "y", "y"]
    assert data.context_features is not None
    assert data.context_features.columns.tolist() == ["BRAF", "MSI"]
    assert data.context_features.loc["683665"].tolist() == [0.0, 1.0]
    assert not data.is_control.any()


def test_wide_table_with_strange_columns(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="Drug_22_IC50; change the pattern or exclude them"):
        wide(tmp_path, pattern=r"Drug_(\d)_IC50")
    assert len(wide(tmp_path, pattern=r"Drug_(\d)_IC50", exclude=["Drug_22_IC50"]).obs) == 2


def cells(**layers: Any) -> AnnData:
    counts = np.random.default_rng(0).poisson(3, (8, 4))
    obs = pd.DataFrame(
        {"guide": ["NT", "A"] * 4, "type": ["t"] * 8}, index=[f"c{i}" for i in range(8)]
    )
    return AnnData(sp.csc_matrix(counts), obs, pd.DataFrame(index=list("wxyz")), layers=layers)


def open_cells(folder: Path, data: AnnData, **given: Any) -> Dataset:
    write(data, folder / "c.h5ad")
    fields: dict[str, Any] = {"value_type": "counts"}
    fields["columns"] = {"perturbation": "guide", "control": "NT", "context": "type"}
    return open_dataset([declare("c.h5ad", **(fields | given))], folder)


def test_cells_are_csr_floats_and_keep_their_counts(tmp_path: Path) -> None:
    source = cells(counts=sp.csr_matrix(np.ones((8, 4), np.float32)))
    data = open_cells(tmp_path, source, exclude=["x"], where={"guide": ["NT", "A"]})
    assert sp.isspmatrix_csr(data.values)
    assert data.values.dtype == np.float64
    assert data.readouts == ("w", "y", "z")
    np.testing.assert_array_equal(data.dense(), source.X.toarray()[:, [0, 2, 3]])
    assert data.data.layers["counts"].shape == (8, 3)


def test_duplicated_genes(tmp_path: Path) -> None:
    source = cells()
    source.var.index = pd.Index(["w", "x", "x", "z"])
    with pytest.warns(UserWarning, match="not unique"):
        write(source, tmp_path / "d.h5ad")
    profiles = declare("d.h5ad", value_type="counts")
    with pytest.raises(DataError, match=r"1 readout name\(s\) occur more than once: x"):
        open_dataset([profiles], tmp_path)


BAD: list[tuple[str, dict[str, Any], dict[str, Any], str]] = [
    (
        "missing column",
        {},
        {"columns": {"perturbation": "drugs"}},
        "no column 'drugs'; did you mean drug",
    ),
    (
        "missing value",
        {"drug": ["DMSO", None, "b", "DMSO", "a", "b"]},
        {},
        "column 'drug' has no value in row 1",
    ),
    (
        "missing readout",
        {"g1": [1, 2, None, 4, 5, 6.0]},
        {},
        "readout 'g1' holds nan in row 2",
    ),
    ("text readout", {"g1": ["1", "2", "x", "4", "5", "6"]}, {}, "'g1' holds 'x' in row 2"),
    (
        "unknown control",
        {},
        {"columns": {**COLUMNS, "control": "DMS0"}},
        "labels near it: DMSO",
    ),
    ("no control", {}, {"columns": COLUMNS}, "no control is declared; add control"),
    ("no readouts", {}, {"readouts": []}, "name the columns that are readouts"),
    ("filter", {}, {"where": {"line": 3}}, "never holds '3', which 'where' asks for"),
    ("sha256", {}, {"sha256": "0" * 64}, f"the study expects {'0' * 64}"),
    (
        "dose",
        {"dose": [0, -1, 2, 0, 1, 1.0]},
        {"columns": {**COLUMNS, "control": "DMSO", "dose_molar": "dose"}, "dose_unit": "nM"},
        "'dose' holds -1.0 in row 1",
    ),
    (
        "kinds",
        {"kind": ["CRISPRa"] * 6},
        {"columns": {**COLUMNS, "control": "DMSO", "perturbation_kind": "kind"}},
        "holds CRISPRa; a perturbation kind is one of",
    ),
    (
        "treated called control",
        {"drug": ["DMSO", "control", "b", "DMSO", "a", "b"]},
        {},
        "'control' in row 1, which would be called 'control', but it is not marked",
    ),
    (
        "a flag without controls",
        {"is_ctrl": [False] * 6},
        {"columns": {**COLUMNS, "control": "is_ctrl"}},
        "there is no control",
    ),
    ("log1p", {"g1": [3, 20, 5, 100, 7, 8]}, {"value_type": "log1p"}, "these are counts"),
]


@pytest.mark.parametrize(
    ("columns", "given", "words"), [case[1:] for case in BAD], ids=[case[0] for case in BAD]
)
def test_bad_tables_are_told_apart(
    tmp_path: Path, columns: dict[str, Any], given: dict[str, Any], words: str
) -> None:
    with pytest.raises(DataError, match=re.escape(words)):
        open_tidy(tmp_path, tidy(**columns), **given)
    assert [item.name for item in tmp_path.iterdir()] == ["p.csv"]


def test_numbers_in_a_filter(tmp_path: Path) -> None:
    data = open_tidy(tmp_path, tidy(dose=[0, 0.5, 2, 0, 0.5, 2]), where={"dose": [0, 2]})
    assert data.obs["perturbation"].tolist() == ["control", "b"] * 2
    with pytest.raises(DataError, match="no row fulfils all"):
        open_tidy(tmp_path, tidy(), where={"line": 1, "drug": "a", "dose": 4})


def test_every_label_needs_features(tmp_path: Path) -> None:
    write(tidy(), tmp_path / "p.csv")
    write(pd.DataFrame({"line": [1], "x": [0.5]}), tmp_path / "f.csv")
    profiles = declare(
        "p.csv", value_type="log2", readouts=["g1"], columns={**COLUMNS, "control": "DMSO"}
    )
    features = declare("f.csv", "context_features", columns={"context": "line"})
    with pytest.raises(DataError, match="1 of 2 contexts have no row of features: 2"):
        open_dataset([profiles, features], tmp_path)
    write(pd.DataFrame({"name": ["a", "b"], "x": ["u", "v"]}), tmp_path / "q.csv")
    text = declare("q.csv", "perturbation_features", columns={"perturbation": "name"})
    with pytest.raises(DataError, match=r"'x' holds text .* labels = \['x'\] or exclude"):
        open_dataset([profiles, text], tmp_path)
    write(pd.DataFrame({"name": ["a", "b"], "x": [1.0, 2.0]}), tmp_path / "q.csv")
    data = open_dataset([profiles, text], tmp_path)
    assert data.perturbation_features is not None
    assert data.perturbation_features.index.tolist() == ["a", "b"]


def test_rights_of_the_parts_together(tmp_path: Path) -> None:
    write(tidy(), tmp_path / "p.csv")
    write(pd.DataFrame({"line": [1, 2], "x": [0.5, 1]}), tmp_path / "f.csv")
    profiles = declare(
        "p.csv",
        value_type="viability",
        readouts=["g1"],
        columns=COLUMNS,
        license="cc-by-4.0",
        residency=["US", "DE"],
        jurisdiction="DE",
    )
    features = {"columns": {"context": "line"}, "license": "LicenseRef-lab", "residency": ["DE"]}
    data = open_dataset([profiles, declare("f.csv", "context_features", **features)], tmp_path)
    assert data.provenance.license == "CC-BY-4.0 AND LicenseRef-lab"
    assert data.provenance.residency == ("DE",)
    assert data.provenance.jurisdiction == "DE"
    elsewhere = declare("f.csv", "context_features", **(features | {"residency": ["FR"]}))
    with pytest.raises(DataError, match="no country may keep all sources together"):
        open_dataset([profiles, elsewhere], tmp_path)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"licence": "MIT"}, "Extra inputs"),
        ({"license": "my license"}, "SPDX"),
        ({"license": "Nonsense-1.0"}, "no SPDX license"),
        ({"value_type": None}, "value_type is missing"),
        ({"columns": {"drug": "d"}}, "no such role"),
        ({"columns": {"dose_molar": "d"}}, "dose_unit and columns.dose_molar go together"),
        ({"columns": {"dose_molar": "d"}, "dose_unit": "h"}, "cannot become dose_molar"),
        ({"labels": ["x"]}, "labels belong to a feature table"),
        ({"sha256": "abc"}, "match pattern"),
        ({"residency": ["Germany"]}, "match pattern"),
        ({"role": "context_features"}, "value_type belongs to profiles"),
    ],
)
def test_a_wrong_declaration(fields: dict[str, Any], words: str) -> None:
    good: dict[str, Any] = {"path": "p.csv", "role": "profiles", "value_type": "counts"}
    DataSource.model_validate(good)
    with pytest.raises(ValidationError, match=words):
        DataSource.model_validate(good | fields)


def test_sources_as_a_whole(tmp_path: Path) -> None:
    profiles = declare("p.csv", value_type="counts")
    with pytest.raises(DataError, match="0 sources have role 'profiles'"):
        open_dataset([], tmp_path)
    with pytest.raises(DataError, match="2 sources have role 'profiles'"):
        open_dataset([profiles, profiles], tmp_path)
    with pytest.raises(DataError, match=r"p\.csv: no such file"):
        open_dataset([profiles], tmp_path)
    for path, words in (("IC50_v17.csv.gz", "data get gdsc"), ("x", "has no file 'x'")):
        source = declare(path, value_type="ln_ic50", catalogue="gdsc")
        with pytest.raises(DataError, match=words):
            open_dataset([source], tmp_path, tmp_path / "empty")


@pytest.mark.data
def test_gdsc_opens_fast(data_dir: Path) -> None:
    layout = {
        "rows": "context",
        "columns": "perturbation",
        "pattern": r"Drug_(\d+)_IC50",
        "readout": "ln_ic50",
    }
    columns = {"context": "COSMIC_ID"}
    sources = [
        declare("IC50_v17.csv.gz", value_type="ln_ic50", columns=columns, layout=layout),
        declare(
            "genomic_features_v17.csv.gz",
            "context_features",
            columns=columns,
            labels=["TISSUE_FACTOR"],
        ),
    ]
    start = time.perf_counter()
    data = open_dataset(sources, data_dir / "drug" / "gdsc")
    seconds = time.perf_counter() - start
    print(f"GDSC opened in {seconds:.2f} s")
    assert data.n_profiles == 213_787
    assert len(data.labels("context").categories) == 988
    assert len(data.labels("perturbation").categories) == 265
    assert data.context_features is not None
    assert data.context_features.shape == (988, 678)
    assert data.value_type is ValueType.LN_IC50


@pytest.mark.data
def test_norman_opens(data_dir: Path) -> None:
    source = declare(
        "singlecell/norman_mcfaline.h5ad",
        value_type="log1p",
        columns={"perturbation": "perturbation", "control": "is_control", "context": "cell_type"},
        where={"cell_type": "k562"},
    )
    data = open_dataset([source], data_dir)
    assert data.is_control.sum() == 100
    assert data.data.layers["counts"].shape == (3075, 500)
    with pytest.raises(DataError, match="hand over the raw counts"):
        open_dataset([source.model_copy(update={"value_type": ValueType.COUNTS})], data_dir)
