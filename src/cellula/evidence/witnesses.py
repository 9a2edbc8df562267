"""What lies outside a bundle and bears witness to it: the ledger, its head, the source data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from cellula.core.errors import EvidenceError, Tampered
from cellula.evidence.attempts import told_attempts
from cellula.evidence.chain import head_faults, verify_entries
from cellula.evidence.entry import Entry
from cellula.evidence.findings import Problem, Verification
from cellula.evidence.ledger_file import LedgerScan, parse_raw, scan_ledger
from cellula.evidence.lineage import attempt_faults, other_studies
from cellula.evidence.seal import LABELS_OPENED, REGISTERED
from cellula.evidence.sources import hash_file, recorded_sources

__all__ = ["check_data", "check_ledger"]

DATA = "data.json"


def check_ledger(
    study_hash: str | None,
    ledger: Path | None,
    head: Path | None,
    public_key: str | None,
    statement: Mapping[str, Any] | None = None,
) -> Verification:
    """Check the ledger's chain, its length against the head, and what it says of the study.

    statement: the registration's; the attempts that it counts must be those of the ledger.
    """
    head_bytes = None if head is None else _read(head)
    if ledger is None:
        return _check_head_alone(head, head_bytes, public_key)
    scan = scan_ledger(ledger)
    faults = [*scan.faults, *verify_entries(scan.rows, head=head_bytes, public_hex=public_key)]
    entries = list(_readable(scan))
    faults += _order_faults(entries, study_hash)
    faults += attempt_faults(entries, statement)
    if faults:
        return Verification(tuple(Problem(ledger.name, what) for what in faults))
    known = (_history(entries, study_hash), *_attempts(entries, statement))
    if head is None:
        cut = "whether entries were cut from the ledger's end: give its exported head (--head)"
        return Verification(known=known, unknown=(cut,))
    return Verification(known=(*known, "no entry that the head counts is missing"))


def _check_head_alone(
    head: Path | None, content: bytes | None, public_key: str | None
) -> Verification:
    """Without a ledger there is only the signature of the head to look at."""
    unknown = (
        "how often the sealed labels were opened, and how many attempts were made: only the "
        "ledger tells (--ledger)",
    )
    if head is None or content is None:
        return Verification(unknown=unknown)
    faults = head_faults(content, public_key)
    return Verification(tuple(Problem(head.name, what) for what in faults), unknown=unknown)


def check_data(files: Mapping[str, bytes], data: Sequence[Path]) -> Verification:
    """Check source files against the hashes that ``data.json`` recorded of them."""
    recorded = recorded_sources(files.get(DATA, b""))
    problems: list[Problem] = []
    seen: set[str] = set()
    for path in data:
        digest = hash_file(path)
        seen.add(digest)
        if digest not in recorded.values():
            problems.append(
                Problem(path.name, f"its SHA-256 {digest} is not among those in {DATA}")
            )
    found = [name for name, digest in recorded.items() if digest in seen]
    absent = [name for name, digest in recorded.items() if digest not in seen]
    known = [f"the source file {name} is the one that was used" for name in found]
    unknown = [
        f"whether the results follow from the source file {name}: it was not at hand (--data)"
        for name in absent
    ]
    return Verification(tuple(problems), tuple(known), tuple(unknown))


def _readable(scan: LedgerScan) -> Iterator[Entry]:
    for raw in scan.rows:
        try:
            yield parse_raw(raw)
        except Tampered:
            continue  # told as a problem by the chain


def _order_faults(entries: Sequence[Entry], study_hash: str | None) -> Iterator[str]:
    if study_hash is None:
        return
    about = [entry for entry in entries if entry.payload.get("study_hash") == study_hash]
    registered = next((entry.seq for entry in about if entry.kind == REGISTERED), None)
    if registered is None:
        yield f"has no entry {REGISTERED!r} of the study {study_hash[:16]}"
    for entry in about:
        if entry.kind == LABELS_OPENED and (registered is None or entry.seq < registered):
            yield f"the labels of {entry.subject} were opened (entry {entry.seq}) unregistered"


def _history(entries: Sequence[Entry], study_hash: str | None) -> str:
    opened = [
        entry
        for entry in entries
        if entry.kind == LABELS_OPENED and entry.payload.get("study_hash") == study_hash
    ]
    return (
        f"the chain of the ledger is unbroken ({len(entries)} entries); through cellula the "
        f"sealed labels of this study were opened {len(opened)} time(s), never before it was "
        "registered"
    )


def _attempts(entries: Sequence[Entry], statement: Mapping[str, Any] | None) -> Iterator[str]:
    """How many attempts came before, claim by claim, and who else looked at the same data."""
    if statement is None:
        return
    for claim, told in told_attempts(statement).items():
        n_earlier = len(told.earlier_attempts)
        yield (
            f"claim {claim}: {n_earlier} earlier attempt(s) of this study at these held-out "
            "profiles, as the ledger tells"
        )
    others = other_studies(entries, str(statement.get("study_hash")))
    if others:
        yield (
            f"other studies in this ledger that opened labels of a like claim on the same data: "
            f"{len(others)} ({', '.join(others)}); told, not counted as attempts"
        )


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise EvidenceError(f"cannot read the head {path}: {error.strerror or error}") from error
