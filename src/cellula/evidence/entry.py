"""One entry of the ledger: what happened, chained to the entry before and signed.

``hash`` = SHA-256 of the canonical JSON of seq, time, kind, subject, payload and previous;
``signature`` = Ed25519 over the hexadecimal digits of the hash; ``previous`` = the hash of the
entry before, 64 zeros at the start. An exported entry is the canonical JSON of all its fields.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cellula.core.canonical import canonical_json, hash_json
from cellula.core.errors import Tampered
from cellula.evidence.keys import SigningKey, verify_signature
from cellula.evidence.statement import read_object

__all__ = ["FIELDS", "GENESIS", "Entry", "entry_from_line", "entry_from_row", "make_entry"]

GENESIS = "0" * 64
#: Field -> its type in a table; the payload is canonical JSON there.
FIELDS: Mapping[str, type] = {
    "seq": int,
    "time": str,
    "kind": str,
    "subject": str,
    "payload": str,
    "previous": str,
    "hash": str,
    "signature": str,
    "public_key": str,
}


@dataclass(frozen=True, slots=True)
class Entry:
    """What happened: seq counts from 1, time is UTC in ISO 8601, payload is a JSON object."""

    seq: int
    time: str
    kind: str
    subject: str
    payload: Mapping[str, Any]
    previous: str
    hash: str
    signature: str
    public_key: str

    @property
    def line(self) -> bytes:
        """The entry as one line of an export, without the line's end."""
        return canonical_json(self)

    def row(self) -> dict[str, Any]:
        """The entry as a row of a table."""
        fields: dict[str, Any] = {name: getattr(self, name) for name in FIELDS}
        fields["payload"] = canonical_json(self.payload).decode()
        return fields

    def faults(self) -> list[str]:
        """What is wrong with the entry by itself: its hash, its signature."""
        found = []
        expected = _hash(self.seq, self.time, self.kind, self.subject, self.payload, self.previous)
        if self.hash != expected:
            found.append(f"its content hashes to {expected}, it says {self.hash}")
        if not verify_signature(self.public_key, self.hash.encode(), self.signature):
            found.append("its signature is not that of its hash by the key it names")
        return found


def make_entry(
    position: tuple[int, str],
    time: str,
    about: tuple[str, str],
    payload: Mapping[str, Any],
    key: SigningKey,
) -> Entry:
    """A signed entry; position: (seq, previous hash), about: (kind, subject)."""
    seq, previous = position
    kind, subject = about
    content = json.loads(canonical_json(payload))
    digest = _hash(seq, time, kind, subject, content, previous)
    signature = key.sign(digest.encode())
    return Entry(seq, time, kind, subject, content, previous, digest, signature, key.public_hex)


def entry_from_line(line: bytes) -> Entry:
    """An entry from a line of an export; Tampered, saying what is wrong, on any other bytes."""
    fields = read_object(line, is_canonical=True)
    payload = fields.get("payload")
    if not isinstance(payload, dict):
        raise Tampered("its payload is no JSON object")
    return _entry({**fields, "payload": ""}, payload)


def entry_from_row(row: Mapping[str, object]) -> Entry:
    """An entry from a row of the table; text may be bytes. Tampered on any malformed row."""
    fields: dict[str, object] = {}
    for name, value in row.items():
        try:
            fields[name] = value.decode() if isinstance(value, bytes) else value
        except UnicodeDecodeError as error:
            raise Tampered(f"its {name} is no text ({error})") from error
    text = fields.get("payload")
    if not isinstance(text, str):
        raise Tampered("its payload is no text")
    try:
        payload = read_object(text.encode(), is_canonical=True)
    except Tampered as error:
        raise Tampered(f"its payload {error}") from error
    return _entry(fields, payload)


def _entry(fields: Mapping[str, object], payload: Mapping[str, Any]) -> Entry:
    if set(fields) != set(FIELDS):
        raise Tampered(f"it has the fields {sorted(fields)}; expected {sorted(FIELDS)}")
    for name, kind in FIELDS.items():
        if type(fields[name]) is not kind:
            raise Tampered(f"its {name} is {fields[name]!r}; expected {kind.__name__}")
    values: dict[str, Any] = {**fields, "payload": payload}
    return Entry(**values)


def _hash(
    seq: int, time: str, kind: str, subject: str, payload: Mapping[str, Any], previous: str
) -> str:
    return hash_json(
        {
            "seq": seq,
            "time": time,
            "kind": kind,
            "subject": subject,
            "payload": payload,
            "previous": previous,
        }
    )
