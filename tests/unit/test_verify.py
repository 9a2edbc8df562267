"""Verification finds any change, names the file, and says what it cannot know."""

import json
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from cellula.core.canonical import canonical_json, hash_bytes
from cellula.core.errors import EvidenceError
from cellula.core.model import State
from cellula.evidence.blobs import BlobStore
from cellula.evidence.bundle import sign_files, write_bundle
from cellula.evidence.keys import SigningKey, signing_key
from cellula.evidence.ledger import Ledger
from cellula.evidence.seal import open_sealed, seal
from cellula.evidence.statement import sign_statement
from cellula.evidence.verify import Verification, verify_bundle, verify_files
from cellula.io.archive import archive_bytes, read_archive

pytestmark = pytest.mark.requirement("O2")

SOURCE = b"measurements"
STUDY = b'{"id":"a"}'


def contents(key: SigningKey) -> dict[str, bytes]:
    splits = {"splits/unseen.parquet": b"PAR1 rows"}
    statement = {
        "study_hash": hash_bytes(STUDY),
        "splits": {name: hash_bytes(data) for name, data in splits.items()},
    }
    return {
        "study.json": STUDY,
        "study.toml": b'id = "a"\n',
        "registration.json": canonical_json(sign_statement(statement, key)),
        "data.json": canonical_json({"sources": {"real.h5ad": hash_bytes(SOURCE)}}),
        "verdicts.json": b"[]",
        **splits,
    }


@dataclass(frozen=True)
class Study:
    folder: Path
    key: SigningKey
    path: Path
    ledger: Ledger

    def verify(self, **given) -> Verification:
        return verify_bundle(self.path, **given)

    def everything(self) -> dict:
        self.ledger.export(self.folder / "ledger.jsonl")
        self.ledger.export_head(self.folder / "head.json")
        (self.folder / "real.h5ad").write_bytes(SOURCE)
        return {
            "public_key": self.key.public_hex,
            "ledger": self.folder / "ledger.jsonl",
            "head": self.folder / "head.json",
            "data": [self.folder / "real.h5ad"],
        }


@pytest.fixture
def study(tmp_path: Path) -> Study:
    key = signing_key(tmp_path)
    ledger = Ledger(tmp_path / "ledger.sqlite", key)
    blobs = BlobStore(tmp_path / "blobs")
    about = {"subject": "unseen", "study_hash": hash_bytes(STUDY)}
    place = {"key": key, "blobs": blobs, "ledger": ledger}
    digest = seal(State({"y": np.arange(3.0)}), **about, **place)
    ledger.append("registered", "a", {"study_hash": hash_bytes(STUDY)})
    open_sealed(digest, purpose="decide", **about, **place)
    write_bundle(tmp_path / "a.zip", contents(key), key)
    return Study(tmp_path, key, tmp_path / "a.zip", ledger)


def told(found: Verification) -> set[str]:
    return {problem.file for problem in found.problems}


def test_a_sound_bundle_with_all_its_witnesses(study: Study) -> None:
    found = study.verify(**study.everything())
    assert found.problems == ()
    assert found.is_intact
    assert found.known == (
        "all 8 files are as they were signed",
        f"the owner of the key {study.key.fingerprint} signed the manifest",
        "the study and its 1 split(s) are those that were registered",
        "the source file real.h5ad is the one that was used",
        "the chain of the ledger is unbroken (3 entries); through cellula the sealed labels of "
        "this study were opened 1 time(s), never before it was registered",
        "no entry that the head counts is missing",
    )
    (unknown,) = found.unknown
    assert "outside cellula" in unknown


def test_what_cannot_be_known_is_said(study: Study) -> None:
    found = study.verify()
    assert found.is_intact
    unknown = "\n".join(found.unknown)
    for option in ("--key", "--ledger", "--data", "cannot be prevented"):
        assert option in unknown
    assert "(--head)" in "\n".join(study.verify(ledger=study.ledger.path).unknown)


def test_any_flipped_byte_of_the_zip_is_found(study: Study) -> None:
    data = study.path.read_bytes()
    for position in range(len(data)):
        changed = bytearray(data)
        changed[position] ^= 1 << (position % 8)
        study.path.write_bytes(changed)
        assert not study.verify().is_intact, position


def test_any_flipped_byte_of_any_file_is_found_and_the_file_named(study: Study) -> None:
    """Container rebuilt soundly, so nothing but the hashes and signatures can tell."""
    files = sign_files(contents(study.key), study.key)
    for name, content in files.items():
        for position in range(len(content)):
            changed = bytearray(content)
            changed[position] ^= 1 << (position % 8)
            found = verify_files({**files, name: bytes(changed)})
            assert name in told(found), (name, position)


def test_a_flipped_byte_in_place_names_the_file(study: Study) -> None:
    data = study.path.read_bytes()
    for name, content in read_archive(data).items():
        start = data.index(content, data.index(name.encode()))
        changed = bytearray(data)
        changed[start] ^= 1
        study.path.write_bytes(changed)
        problems = study.verify().problems
        assert name in {problem.file for problem in problems}, name
        assert [problem.file for problem in problems].count(name) == 1


def test_a_missing_or_added_file_is_named(study: Study) -> None:
    files = sign_files(contents(study.key), study.key)
    for name in files:
        rest = {other: data for other, data in files.items() if other != name}
        study.path.write_bytes(archive_bytes(rest))
        assert name in told(study.verify()), name
    study.path.write_bytes(archive_bytes({**files, "evidence/new.json": b"{}"}))
    assert told(study.verify()) == {"evidence/new.json"}


def test_an_unpacked_bundle_is_checked_alike(study: Study) -> None:
    with zipfile.ZipFile(study.path) as archive:
        archive.extractall(study.folder / "unpacked")
    folder = study.folder / "unpacked"
    assert verify_bundle(folder, **study.everything()).is_intact
    (folder / "splits" / "unseen.parquet").write_bytes(b"PAR1 rowz")
    (folder / "verdicts.json").unlink()
    (folder / "note.txt").write_bytes(b"")
    found = told(verify_bundle(folder))
    assert found == {"splits/unseen.parquet", "verdicts.json", "note.txt"}


def test_signed_anew_by_another_key(study: Study) -> None:
    other = signing_key(study.folder / "other")
    write_bundle(study.path, {**contents(study.key), "verdicts.json": b"[1]"}, other)
    assert told(study.verify()) == {"registration.json"}
    write_bundle(study.path, {**contents(other), "verdicts.json": b"[1]"}, other)
    found = study.verify()
    assert found.is_intact
    assert "anyone can make a key" in found.unknown[0]
    found = study.verify(public_key=study.key.public_hex)
    assert told(found) == {"manifest.sig.json", "registration.json"}


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"public_key":1,"signature":2}'])
def test_a_damaged_signature_or_manifest_is_no_crash(study: Study, content: bytes) -> None:
    files = sign_files(contents(study.key), study.key)
    for name in ("manifest.sig.json", "manifest.json", "registration.json"):
        assert name in told(verify_files({**files, name: content}))


def test_a_signature_file_has_one_spelling(study: Study) -> None:
    files = sign_files(contents(study.key), study.key)
    document = json.loads(files["manifest.sig.json"])
    for content in (canonical_json({**document, "note": "x"}), json.dumps(document).encode()):
        found = verify_files({**files, "manifest.sig.json": content})
        assert told(found) == {"manifest.sig.json"}


def test_cut_entries_are_found_against_the_head(study: Study) -> None:
    given = study.everything()
    lines = given["ledger"].read_bytes().splitlines(keepends=True)
    given["ledger"].write_bytes(b"".join(lines[:-1]))
    (problem,) = study.verify(**given).problems
    assert problem.file == "ledger.jsonl"
    assert problem.what.startswith("broken at 3: the head says 3 entries, found 2")
    given.pop("head")
    found = study.verify(**given)
    assert found.is_intact
    assert any("--head" in line for line in found.unknown)


def test_a_ledger_made_anew_by_another_key_is_found_without_one(study: Study) -> None:
    other = signing_key(study.folder / "other")
    anew = Ledger(study.folder / "anew.sqlite", other)
    anew.append("registered", "a", {"study_hash": hash_bytes(STUDY)})
    assert anew.verify(head=anew.head()) == []
    (problem,) = study.verify(ledger=anew.path).problems
    assert problem.file == "anew.sqlite"
    assert "signed by another key" in problem.what


def test_a_ledger_of_another_study_or_order(study: Study) -> None:
    other = Ledger(study.folder / "other.sqlite", study.key)
    other.append("labels_opened", "unseen", {"study_hash": hash_bytes(STUDY)})
    whats = {problem.what for problem in study.verify(ledger=other.path).problems}
    assert any("has no entry 'registered'" in what for what in whats)
    assert any("were opened (entry 1) unregistered" in what for what in whats)
    other.append("registered", "a", {"study_hash": hash_bytes(STUDY)})
    (problem,) = study.verify(ledger=other.path).problems
    assert "unregistered" in problem.what


def test_a_head_without_a_ledger(study: Study) -> None:
    given = study.everything()
    assert study.verify(head=given["head"]).is_intact
    given["head"].write_bytes(given["head"].read_bytes().replace(b'"seq":3', b'"seq":2'))
    assert told(study.verify(head=given["head"])) == {"head.json"}


def test_other_source_data(study: Study) -> None:
    (study.folder / "real.h5ad").write_bytes(b"other measurements")
    found = study.verify(data=[study.folder / "real.h5ad"])
    assert told(found) == {"real.h5ad"}
    assert any("real.h5ad: it was not at hand" in line for line in found.unknown)


def test_wrong_use_is_an_error(study: Study) -> None:
    absent = study.folder / "absent"
    for given in ({"ledger": absent}, {"head": absent}, {"data": [absent]}):
        with pytest.raises(EvidenceError, match="cannot read"):
            study.verify(**given)
    with pytest.raises(EvidenceError, match="no public key"):
        study.verify(public_key="abc")
    with pytest.raises(EvidenceError, match="cannot read the bundle"):
        verify_bundle(absent)
    (study.folder / "a.zip").write_bytes(b"rubbish")
    assert told(study.verify()) == {"a.zip"}
