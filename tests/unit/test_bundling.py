"""What a bundle holds, and that it is deterministic."""

from __future__ import annotations

import io
from pathlib import Path

import pandas as pd
import pytest
from study_example import made, study, tree

from cellula.core.evidence import Evidence
from cellula.data.data_source import DataSource
from cellula.validation.bundling import evidence_paths, may_include_truth
from cellula.validation.study import Study

Files = dict[str, bytes]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("bundles")


@pytest.fixture(scope="module")
def files(folder: Path) -> Files:
    return made(folder / "one", study())


def source(license: str, role: str = "profiles") -> DataSource:
    label = {"perturbation": "p"} if role == "profiles" else {"context": "c"}
    value = {"value_type": "ln_ic50"} if role == "profiles" else {}
    return DataSource.model_validate(
        {"path": "a.csv", "role": role, "license": license, "columns": label} | value
    )


def truth_allowed(*licenses: str) -> bool:
    return may_include_truth([source(license) for license in licenses])


# -- contents ---------------------------------------------------------------------------------
@pytest.mark.requirement("O2", "R5")
def test_a_bundle_holds_all_that_its_numbers_rest_on(files: Files) -> None:
    expected = {
        "study.toml",
        "study.json",
        "registration.json",
        "data.json",
        "models.json",
        "versions.json",
        "verdicts.json",
        "splits/pairs.parquet",
        "truth/pairs.parquet",
        "scores/pairs.parquet",
        *(f"predictions/pairs/{m}.parquet" for m in ("mean_response", "linear", "selected")),
        *(f"evidence/{e}.json" for e in ("leakage-pairs", "quality-data", "batch-data")),
        *(f"evidence/{e}-pairs.json" for e in ("scores", "anchored_score", "domain")),
    }
    assert files.keys() >= expected


def test_truth_and_predictions_are_of_the_same_groups(files: Files) -> None:
    keys = ["fold", "perturbation", "context", "unit", "readout"]
    truth = pd.read_parquet(io.BytesIO(files["truth/pairs.parquet"]))
    answer = pd.read_parquet(io.BytesIO(files["predictions/pairs/linear.parquet"]))
    assert truth[keys].astype(str).equals(answer[keys].astype(str))
    assert answer["mean"].between(answer["lower"], answer["upper"]).all()
    assert truth["observed"].notna().all()


@pytest.mark.requirement("L12", "O2")
def test_a_fresh_workspace_gives_the_same_bytes(folder: Path, files: Files) -> None:
    assert made(folder / "two", study()) == files


def test_nothing_of_the_machine_is_in_it(folder: Path, files: Files) -> None:
    for name, content in files.items():
        assert str(folder).encode() not in content, name
        assert b"seconds" not in content, name


# -- licences ---------------------------------------------------------------------------------
@pytest.mark.requirement("I2")
@pytest.mark.parametrize(
    ("licenses", "is_allowed"),
    [
        (("CC-BY-4.0",), True),
        (("CC0-1.0 OR MIT",), True),
        (("unknown",), False),
        (("CC-BY-ND-4.0",), False),
        (("LicenseRef-ours",), False),
        (("CC-BY-4.0 AND LicenseRef-ours",), False),
        (("CC-BY-4.0", "unknown"), False),
    ],
)
def test_only_what_the_licence_lets_travel_is_included(
    licenses: tuple[str, ...], is_allowed: bool
) -> None:
    assert truth_allowed(*licenses) is is_allowed


def test_features_do_not_decide_about_the_truth() -> None:
    assert may_include_truth([source("MIT"), source("unknown", "context_features")])


def test_under_terms_of_its_own_no_held_out_value_travels(folder: Path) -> None:
    content = tree()
    content["data"][0]["license"] = "LicenseRef-lab"
    kept = made(folder / "three", Study.model_validate(content))
    assert not [name for name in kept if name.startswith("truth/")]
    assert "predictions/pairs/linear.parquet" in kept


def test_pieces_of_one_kind_and_subject_are_numbered() -> None:
    pieces = [Evidence("a", "x", {}), Evidence("a", "y", {}), Evidence("a", "x", {"n": 2})]
    assert evidence_paths(pieces) == (
        "evidence/a-x.json",
        "evidence/a-y.json",
        "evidence/a-x-2.json",
    )
