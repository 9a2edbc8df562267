"""Registering a study: once, with these data, before anything is fitted."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from study_example import prepared, study, table, tree, workspace

from cellula.core.errors import EvidenceError
from cellula.evidence.seal import open_sealed
from cellula.evidence.statement import read_signed
from cellula.validation.preparation import PreparedStudy
from cellula.validation.registration import register, registration_of
from cellula.validation.study import Study
from cellula.validation.workspace import find_workspace, open_workspace


@pytest.fixture(scope="module")
def chosen() -> PreparedStudy:
    return prepared(study(), table())


def test_the_statement_is_what_was_promised(tmp_path: Path, chosen: PreparedStudy) -> None:
    place = workspace(tmp_path)
    found = register(chosen, place)
    statement = found.statement
    assert statement["study_hash"] == chosen.study.hash
    assert statement["digest"] == chosen.digest
    assert statement["key"] == place.key.fingerprint
    assert statement["splits"].keys() == {"splits/pairs.parquet"}
    assert found.sealed.keys() == {"pairs"}
    assert registration_of(chosen, place) == found


@pytest.mark.requirement("R6")
def test_the_labels_are_sealed_and_opening_them_is_recorded(
    tmp_path: Path, chosen: PreparedStudy
) -> None:
    place = workspace(tmp_path)
    found = register(chosen, place)
    labels = open_sealed(
        found.sealed["pairs"],
        subject="pairs",
        study_hash=chosen.study.hash,
        purpose="a test",
        key=place.key,
        blobs=place.blobs,
        ledger=place.ledger,
    )
    rows = labels.arrays["rows"]
    assert np.array_equal(rows, chosen.tasks[0].folds[0].test)
    assert np.array_equal(labels.arrays["values"], chosen.data.dense(rows))
    (opened,) = place.ledger.entries("labels_opened")
    assert opened.payload["purpose"] == "a test"


def test_registering_again_is_no_second_registration(tmp_path: Path, chosen: PreparedStudy) -> None:
    place = workspace(tmp_path)
    first = register(chosen, place)
    before = len(place.ledger.entries())
    assert register(chosen, place) == first
    assert len(place.ledger.entries()) == before


def test_another_content_needs_another_version(tmp_path: Path, chosen: PreparedStudy) -> None:
    place = workspace(tmp_path)
    register(chosen, place)
    other = replace(chosen, study=study(statement="another"))
    with pytest.raises(EvidenceError, match=r"cellula amend s\.toml --reason"):
        register(other, place)
    with pytest.raises(EvidenceError, match="was changed after registration"):
        registration_of(other, place)
    content = tree(statement="another")
    content["study"]["version"] = 2
    content["amendment"] = {"amends": chosen.study.hash, "reason": "said otherwise"}
    raised = replace(chosen, study=Study.model_validate(content))
    assert register(raised, place).statement["version"] == 2
    assert registration_of(raised, place).statement["reason"] == "said otherwise"
    with pytest.raises(EvidenceError, match="version 2 was registered"):
        registration_of(chosen, place)


def test_other_data_are_refused_by_name(tmp_path: Path, chosen: PreparedStudy) -> None:
    place = workspace(tmp_path)
    register(chosen, place)
    other = replace(chosen, digest="0" * 64)
    for ask in (register, registration_of):
        with pytest.raises(EvidenceError, match=r"not those that were registered \(changed: the"):
            ask(other, place)


@pytest.mark.requirement("L5")
def test_a_study_that_is_not_registered_says_what_to_do(
    tmp_path: Path, chosen: PreparedStudy
) -> None:
    place = workspace(tmp_path)
    with pytest.raises(EvidenceError, match=r"not registered in .*cellula register s\.toml"):
        registration_of(chosen, place)
    assert place.ledger.entries() == ()


def test_two_workspaces_with_one_key_promise_the_same(
    tmp_path: Path, chosen: PreparedStudy
) -> None:
    one = open_workspace(tmp_path / "one", tmp_path / "key")
    two = open_workspace(tmp_path / "two", tmp_path / "key")
    assert register(chosen, one) == register(chosen, two)


def test_only_a_workspace_that_is_there_is_found(tmp_path: Path) -> None:
    with pytest.raises(EvidenceError, match="holds no ledger; register the study first"):
        find_workspace(tmp_path / "w", tmp_path / "key")
    assert list(tmp_path.iterdir()) == []
    made = workspace(tmp_path)
    assert find_workspace(tmp_path / "w", tmp_path / "key").key.fingerprint == made.key.fingerprint
    assert made.results("s") == tmp_path / "w" / "studies" / "s"


def test_the_statement_is_signed(tmp_path: Path, chosen: PreparedStudy) -> None:
    place = workspace(tmp_path)
    document = register(chosen, place).document
    assert read_signed(document).public_key == place.key.public_hex
