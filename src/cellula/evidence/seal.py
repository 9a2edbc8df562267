"""Sealed labels: held-out truth encrypted when a study is registered, opened on the record.

AES-SIV (RFC 5297), whose bytes depend on key, header and labels alone: two workspaces with one
key seal to the same blob, and no nonce can ever repeat. The key of a seal is derived from the
signing key, the study and the subject.

This records peeking, it cannot prevent it: who owns the machine owns the key and the raw data.
"""

from __future__ import annotations

from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from cellula.core.canonical import canonical_json
from cellula.core.errors import EvidenceError, Tampered
from cellula.core.model import State
from cellula.evidence.blobs import BlobStore
from cellula.evidence.keys import SigningKey
from cellula.evidence.ledger import Ledger
from cellula.evidence.statement import read_object
from cellula.io.state import read_state, state_bytes

__all__ = ["LABELS_OPENED", "LABELS_SEALED", "REGISTERED", "is_registered", "open_sealed", "seal"]

#: Kinds of entry. A ``registered`` entry holds the ``study_hash`` in its payload.
REGISTERED = "registered"
LABELS_SEALED = "labels_sealed"
LABELS_OPENED = "labels_opened"

MAGIC = b"cellula-seal-1\n"
KEY_BYTES = 64
#: What one call of AES-SIV may encrypt.
LARGEST = 2**31 - 1


def seal(
    labels: State,
    *,
    subject: str,
    study_hash: str,
    key: SigningKey,
    blobs: BlobStore,
    ledger: Ledger,
) -> str:
    """Encrypt held-out labels into the blob store and give the hash of the blob.

    subject: the claim they belong to; study_hash: SHA-256 of the canonical study. The ledger
    gets one ``labels_sealed`` entry. The same labels, subject, study and key give the same hash.
    Raises EvidenceError on 2 GiB or more.
    """
    plaintext = state_bytes(labels)
    if len(plaintext) > LARGEST:
        raise EvidenceError(
            f"the labels of {subject!r} take {len(plaintext)} bytes; one seal holds {LARGEST}: "
            "hold out less, or split the claim"
        )
    header = canonical_json(_header(subject, study_hash, key))
    body = AESSIV(key.derive(MAGIC + header, KEY_BYTES)).encrypt(plaintext, [header])
    digest = blobs.put(MAGIC + header + b"\n" + body)
    sealed = {"blob": digest, "study_hash": study_hash}
    ledger.append_once(LABELS_SEALED, subject, sealed, lambda entry: entry.payload == sealed)
    return digest


def open_sealed(
    digest: str,
    *,
    subject: str,
    study_hash: str,
    purpose: str,
    key: SigningKey,
    blobs: BlobStore,
    ledger: Ledger,
) -> State:
    """The sealed labels; the ledger says so (``labels_opened``, with purpose) before they are out.

    purpose: why they are looked at. Raises EvidenceError when the study was not registered
    before, when the blob is a seal of another study, subject or key, or without a purpose;
    Tampered when the blob was changed.
    """
    if not purpose.strip():
        raise EvidenceError("labels are opened for a purpose that the ledger keeps; say which")
    if not is_registered(ledger, study_hash):
        raise EvidenceError(
            f"labels of {subject!r} asked for before registration of the study {study_hash[:16]}: "
            f"the ledger {ledger.path} has no entry {REGISTERED!r} of it; register the study first"
        )
    header, body = _unpack(digest, blobs.get(digest))
    expected = _header(subject, study_hash, key)
    if header != expected:
        wrong = [
            f"{name}: found {header.get(name)!r}, expected {value!r}"
            for name, value in expected.items()
            if header.get(name) != value
        ]
        raise EvidenceError(
            f"blob {digest} is another seal ({'; '.join(wrong)}); ask for its own labels, with "
            "the key that sealed them"
        )
    ledger.append(
        LABELS_OPENED,
        subject,
        {"blob": digest, "study_hash": study_hash, "purpose": purpose},
    )
    associated = canonical_json(header)
    try:
        plaintext = AESSIV(key.derive(MAGIC + associated, KEY_BYTES)).decrypt(body, [associated])
    except InvalidTag as error:
        raise Tampered(
            f"the labels in blob {digest} are not what this key sealed; restore the blob from a "
            "copy, or register the study again"
        ) from error
    return read_state(plaintext)


def is_registered(ledger: Ledger, study_hash: str) -> bool:
    """Whether the ledger holds the registration of this study."""
    return any(
        entry.payload.get("study_hash") == study_hash for entry in ledger.entries(REGISTERED)
    )


def _header(subject: str, study_hash: str, key: SigningKey) -> dict[str, Any]:
    return {"key": key.fingerprint, "study_hash": study_hash, "subject": subject}


def _unpack(digest: str, blob: bytes) -> tuple[dict[str, Any], bytes]:
    magic, header, body = blob[: len(MAGIC)], *blob[len(MAGIC) :].partition(b"\n")[::2]
    if magic != MAGIC:
        raise EvidenceError(f"blob {digest} holds no sealed labels; give the hash that seal gave")
    try:
        return read_object(header, is_canonical=True), body
    except Tampered as error:
        raise Tampered(f"the header of the sealed labels in blob {digest} {error}") from error
