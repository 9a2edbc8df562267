"""What was registered is what the bundle holds."""

from pathlib import Path

import pytest

from cellula.core.canonical import canonical_json, hash_bytes
from cellula.evidence.keys import SigningKey, signing_key
from cellula.evidence.registration import check_registration, registered_study
from cellula.evidence.statement import sign_statement

SPLIT = {"splits/a.parquet": b"split"}
STATEMENT = {
    "study_hash": hash_bytes(b"{}"),
    "splits": {name: hash_bytes(data) for name, data in SPLIT.items()},
}


def files(key: SigningKey, **changed: object) -> dict[str, bytes]:
    document = sign_statement({**STATEMENT, **changed}, key)
    return {"study.json": b"{}", **SPLIT, "registration.json": canonical_json(document)}


@pytest.fixture
def key(tmp_path: Path) -> SigningKey:
    return signing_key(tmp_path)


def test_a_sound_registration(key: SigningKey) -> None:
    found = check_registration(files(key), key.public_hex)
    assert found.is_intact
    assert found.known == ("the study and its 1 split(s) are those that were registered",)
    assert registered_study(files(key)) == STATEMENT["study_hash"]
    assert registered_study({}) is None


@pytest.mark.parametrize(
    ("change", "file"),
    [
        ({"registration.json": None}, "registration.json"),
        ({"registration.json": b"{}"}, "registration.json"),
        ({"study.json": None}, "study.json"),
        ({"study.json": b"{ }"}, "study.json"),
        ({"splits/a.parquet": None}, "splits/a.parquet"),
        ({"splits/a.parquet": b"Split"}, "splits/a.parquet"),
        ({"splits/late.parquet": b""}, "splits/late.parquet"),
    ],
)
def test_a_change_names_the_file(key: SigningKey, change: dict, file: str) -> None:
    changed = {name: data for name, data in {**files(key), **change}.items() if data is not None}
    (problem,) = check_registration(changed, key.public_hex).problems
    assert problem.file == file


@pytest.mark.parametrize("splits", [None, [], "x"])
def test_a_statement_without_splits(key: SigningKey, splits: object) -> None:
    (problem,) = check_registration(files(key, splits=splits), None).problems
    assert problem.file == "registration.json"


def test_a_changed_statement_is_found(key: SigningKey) -> None:
    changed = files(key)
    document = changed["registration.json"]
    changed["registration.json"] = document.replace(b'"study_hash"', b'"study_Hash"')
    assert "its signature is not" in str(check_registration(changed, None).problems[0])


def test_another_signer_is_told(key: SigningKey, tmp_path: Path) -> None:
    other = signing_key(tmp_path / "other")
    (problem,) = check_registration(files(other), key.public_hex).problems
    assert problem.file == "registration.json"
    assert other.fingerprint in problem.what
