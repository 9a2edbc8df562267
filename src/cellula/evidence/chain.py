"""Checking a chain of entries: what was changed, cut, inserted or signed by another key."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from cellula.core.errors import Tampered
from cellula.evidence.entry import GENESIS, Entry
from cellula.evidence.keys import SigningKey, fingerprint
from cellula.evidence.ledger_file import Raw, parse_raw
from cellula.evidence.statement import read_signed, sign_statement

__all__ = ["head_faults", "sign_head", "verify_entries"]

HEAD = "ledger_head"


def sign_head(last: Entry | None, first: Entry | None, key: SigningKey) -> dict[str, Any]:
    """The signed statement of how far a ledger goes: its first hash, its last seq and hash."""
    statement = {
        "what": HEAD,
        "ledger": first.hash if first else GENESIS,
        "seq": last.seq if last else 0,
        "hash": last.hash if last else GENESIS,
    }
    return sign_statement(statement, key)


def verify_entries(
    rows: Iterable[Raw],
    *,
    head: bytes | Mapping[str, Any] | None = None,
    public_hex: str | None = None,
) -> list[str]:
    """Every problem of a chain, ``"broken at N: ..."``; an empty list when there is none.

    rows: entries as found, in their order; a malformed one is a problem, never an error.
    head: an exported head; without it a chain cut at its end looks whole. public_hex: the key
    expected; without it a chain made anew by another key looks whole.
    """
    problems: list[str] = []
    entries: dict[int, Entry] = {}
    previous, expected = GENESIS, 1
    for raw in rows:
        try:
            entry = parse_raw(raw)
        except Tampered as error:
            problems.append(f"broken at {expected}: {error}")
            previous, expected = "", expected + 1
            continue
        found = _link_faults(entry, expected, previous) + entry.faults()
        if public_hex is not None and entry.public_key != public_hex:
            found.append(f"it is signed by another key than {fingerprint(public_hex)}")
        problems += [f"broken at {expected}: {what}" for what in found]
        entries[entry.seq] = entry
        previous, expected = entry.hash, max(entry.seq, expected) + 1
    if head is not None:
        problems += head_faults(head, public_hex) or _cut_faults(head, entries)
    return problems


def head_faults(head: bytes | Mapping[str, Any], public_hex: str | None = None) -> list[str]:
    """What is wrong with an exported head by itself: its signature, its key, its form."""
    try:
        signed = read_signed(head)
    except Tampered as error:
        return [f"the head cannot be trusted: {error}"]
    statement = signed.statement
    if statement.get("what") != HEAD or type(statement.get("seq")) is not int:
        return ["the head is a signed statement about something else than a ledger"]
    if public_hex is not None and signed.public_key != public_hex:
        return [f"the head is signed by another key than {fingerprint(public_hex)}"]
    return []


def _cut_faults(head: bytes | Mapping[str, Any], entries: Mapping[int, Entry]) -> list[str]:
    """What a sound head says that the entries by seq do not show."""
    statement = read_signed(head).statement
    seq, last = statement["seq"], max(entries, default=0)
    if seq < 1:
        return []
    if last < seq:
        return [f"broken at {last + 1}: the head says {seq} entries, found {last}: the end was cut"]
    found = []
    if seq in entries and entries[seq].hash != statement.get("hash"):
        found.append(f"broken at {seq}: it is not the entry that the head was signed for")
    if 1 in entries and entries[1].hash != statement.get("ledger"):
        found.append("broken at 1: the head is that of a ledger with another first entry")
    return found


def _link_faults(entry: Entry, expected: int, previous: str) -> list[str]:
    found = []
    if entry.seq != expected:
        found.append(
            f"found entry {entry.seq}, expected {expected}: entries were cut, moved or inserted"
        )
    if previous and entry.previous != previous:
        found.append("its previous hash is not the hash of the entry before it")
    return found
