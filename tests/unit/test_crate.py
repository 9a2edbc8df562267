"""The bundle's description is an RO-Crate that others can read, and says no more than it may."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from dossier_example import STUDY, example_files
from rocrate.rocrate import ROCrate

from cellula.core.canonical import hash_bytes
from cellula.core.errors import StudyError
from cellula.report.crate import METADATA, crate_metadata


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    return example_files(120)


@pytest.mark.requirement("S4")
def test_it_loads_with_every_file(files: dict[str, bytes], tmp_path: Path) -> None:
    for path, data in files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(data)
    crate = ROCrate(tmp_path)
    assert crate.name == "Drug response of unmeasured pairs and unseen tissues"
    assert crate.root_dataset["datePublished"] == "2026-11-02"
    assert crate.root_dataset["license"].id == "https://spdx.org/licenses/BSD-3-Clause"
    assert crate.root_dataset["author"]["name"] == "lab@example.org"
    described = {entity.id: entity for entity in crate.data_entities}
    assert set(described) == set(files) - {METADATA, "manifest.json"}
    for path, entity in described.items():
        assert entity["sha256"] == hash_bytes(files[path])
        assert int(entity["contentSize"]) == len(files[path])
        assert entity["encodingFormat"]


def test_it_is_deterministic_and_has_no_clock(files: dict[str, bytes]) -> None:
    backwards = dict(reversed(files.items()))
    assert crate_metadata(files, STUDY) == crate_metadata(backwards, STUDY)
    undated = {**STUDY, "study": {"id": "s", "title": "t"}}
    root = json.loads(crate_metadata(files, undated))["@graph"][1]
    assert "datePublished" not in root
    assert "author" not in root


def test_it_does_not_describe_what_covers_it(files: dict[str, bytes]) -> None:
    """Otherwise the metadata and the manifest would each need the hash of the other."""
    without = {p: d for p, d in files.items() if p not in (METADATA, "manifest.json")}
    assert crate_metadata(files, STUDY) == crate_metadata(without, STUDY)


@pytest.mark.parametrize("licence", ["unknown", "MIT OR Apache-2.0", None])
def test_only_a_licence_with_a_page_is_named(files: dict[str, bytes], licence: str | None) -> None:
    study = {**STUDY, "data": [{"path": "x", "license": licence}]}
    assert "license" not in json.loads(crate_metadata(files, study))["@graph"][1]


def test_a_study_without_an_id_is_refused(files: dict[str, bytes]) -> None:
    with pytest.raises(StudyError, match="no \\[study\\] id"):
        crate_metadata(files, {"study": {}})
