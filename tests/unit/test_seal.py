"""Sealed labels come out only on the record, and only after registration."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from cellula.core.canonical import hash_bytes
from cellula.core.errors import EvidenceError, Tampered
from cellula.core.model import State
from cellula.evidence import seal as module
from cellula.evidence.blobs import BlobStore
from cellula.evidence.keys import SigningKey, signing_key
from cellula.evidence.ledger import Ledger
from cellula.evidence.seal import is_registered, open_sealed, seal

STUDY = hash_bytes(b"study")
LABELS = State({"observed": np.arange(50.0)}, {"claim": "unseen"})


@dataclass(frozen=True)
class Place:
    key: SigningKey
    blobs: BlobStore
    ledger: Ledger
    folder: Path

    def seal(self, labels: State = LABELS, subject: str = "unseen", study: str = STUDY) -> str:
        return seal(
            labels,
            subject=subject,
            study_hash=study,
            key=self.key,
            blobs=self.blobs,
            ledger=self.ledger,
        )

    def open(self, digest: str, **changed) -> State:
        given = {"subject": "unseen", "study_hash": STUDY, "purpose": "decide", "key": self.key}
        return open_sealed(digest, **{**given, **changed}, blobs=self.blobs, ledger=self.ledger)

    def register(self, study: str = STUDY) -> None:
        self.ledger.append("registered", "study", {"study_hash": study})

    def blob(self, digest: str) -> Path:
        return self.folder / "blobs" / digest[:2] / digest[2:]


def make(folder: Path, key: SigningKey) -> Place:
    return Place(key, BlobStore(folder / "blobs"), Ledger(folder / "ledger.sqlite", key), folder)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return make(tmp_path, signing_key(tmp_path))


def test_round_trip_is_on_the_record(place: Place) -> None:
    digest = place.seal()
    place.register()
    opened = place.open(digest)
    np.testing.assert_array_equal(opened.arrays["observed"], LABELS.arrays["observed"])
    assert opened.meta == LABELS.meta
    kinds = [entry.kind for entry in place.ledger.entries()]
    assert kinds == ["labels_sealed", "registered", "labels_opened"]
    entry = place.ledger.entries("labels_opened", "unseen")[0]
    assert entry.payload == {"blob": digest, "study_hash": STUDY, "purpose": "decide"}


def test_before_registration_labels_stay_shut(place: Place) -> None:
    digest = place.seal()
    place.register(hash_bytes(b"another study"))
    assert not is_registered(place.ledger, STUDY)
    with pytest.raises(EvidenceError, match=r"labels of 'unseen' asked for before registration"):
        place.open(digest)
    assert place.ledger.entries("labels_opened") == ()


def test_without_a_record_no_labels(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    digest = place.seal()
    place.register()

    def refuse(*arguments: object) -> None:
        raise EvidenceError("disk full")

    monkeypatch.setattr(Ledger, "append", refuse)
    monkeypatch.setattr(module, "read_state", lambda data: pytest.fail("labels came out"))
    with pytest.raises(EvidenceError, match="disk full"):
        place.open(digest)


def test_two_workspaces_with_one_key_seal_alike(tmp_path: Path) -> None:
    key = signing_key(tmp_path)
    one, two = make(tmp_path / "1", key), make(tmp_path / "2", key)
    assert one.seal() == two.seal()
    assert one.blob(one.seal()).read_bytes() == two.blob(two.seal()).read_bytes()
    assert make(tmp_path / "3", signing_key(tmp_path / "3")).seal() != one.seal()


def test_nothing_of_one_seal_is_in_another(place: Place) -> None:
    changed = State({"observed": LABELS.arrays["observed"] + 1}, LABELS.meta)
    digests = [
        place.seal(),
        place.seal(changed),
        place.seal(subject="other"),
        place.seal(study=hash_bytes(b"other")),
    ]
    blocks = [
        block
        for digest in digests
        for block in _blocks(place.blob(digest).read_bytes().split(b"\n", 2)[2])
    ]
    assert len(set(digests)) == 4
    assert len(set(blocks)) == len(blocks)


def _blocks(data: bytes) -> list[bytes]:
    return [data[start : start + 16] for start in range(0, len(data), 16)]


def test_the_labels_are_not_in_the_blob(place: Place) -> None:
    blob = place.blob(place.seal()).read_bytes()
    assert LABELS.arrays["observed"][10:12].tobytes() not in blob
    assert b"observed" not in blob


def test_another_seal_is_told(place: Place, tmp_path: Path) -> None:
    digest = place.seal()
    place.register()
    with pytest.raises(EvidenceError, match="subject: found 'unseen', expected 'other'"):
        place.open(digest, subject="other")
    with pytest.raises(EvidenceError, match=r"is another seal .*key: found"):
        place.open(digest, key=signing_key(tmp_path / "other"))
    with pytest.raises(EvidenceError, match="for a purpose"):
        place.open(digest, purpose=" ")
    with pytest.raises(EvidenceError, match="holds no sealed labels"):
        place.open(place.blobs.put(b"something else"))
    assert place.ledger.entries("labels_opened") == ()


def test_a_changed_blob_is_found(place: Place) -> None:
    digest = place.seal()
    place.register()
    data = place.blob(digest).read_bytes()
    place.blob(digest).write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(Tampered, match=digest):
        place.open(digest)
    forged = place.blobs.put(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(Tampered, match="not what this key sealed"):
        place.open(forged)
    headless = place.blobs.put(module.MAGIC + b"{ }\n" + data)
    with pytest.raises(Tampered, match="header of the sealed labels"):
        place.open(headless)


def test_too_many_labels_for_one_seal(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LARGEST", 100)
    with pytest.raises(EvidenceError, match="one seal holds 100"):
        place.seal()
    assert place.ledger.entries() == ()
