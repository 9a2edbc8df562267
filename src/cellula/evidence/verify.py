"""Verify a bundle without the machine that made it, and say what cannot be known.

Checked: every byte of every file and of the zip itself, the signature of the manifest, the
registration (its signature, the hash of the study, the hashes of the splits), and, where they
are given, the signer's key, the ledger with its head, and the source data. Nothing is executed,
and nothing about models or metrics is needed; whether the verdicts follow from the evidence is
decided again by the floor that owns the gates.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from cellula.core.canonical import hash_bytes
from cellula.core.errors import Tampered
from cellula.evidence.bundle import MANIFEST, SIGNATURE, scan_bundle
from cellula.evidence.findings import Problem, Verification
from cellula.evidence.keys import fingerprint, verify_signature
from cellula.evidence.registration import (
    check_registration,
    registered_statement,
    registered_study,
)
from cellula.evidence.statement import read_object
from cellula.evidence.witnesses import check_data, check_ledger

__all__ = ["Problem", "Verification", "verify_bundle", "verify_files"]

PEEKING = (
    "whether anyone looked at the held-out data outside cellula: on one's own machine it cannot "
    "be prevented or seen"
)


def verify_bundle(
    path: Path,
    *,
    public_key: str | None = None,
    head: Path | None = None,
    ledger: Path | None = None,
    data: Sequence[Path] = (),
) -> Verification:
    """Check a bundle, a zip or the folder it was unpacked to.

    public_key: the signer's, 64 hexadecimal digits (:func:`~cellula.evidence.keys.load_public`
    reads it from a file). ledger: a ledger or its export; head: its exported signed head. data:
    source files. Whatever is wrong inside is a problem that names its file; EvidenceError is
    raised only when a given path cannot be read or ``public_key`` is no key.
    """
    if public_key is not None:
        fingerprint(public_key)
    scan = scan_bundle(path)
    found = Verification(scan.problems)
    if scan.files:
        found = found.and_then(
            verify_files(
                scan.files,
                public_key=public_key,
                damaged={problem.file for problem in scan.problems} - set(scan.files),
            )
        )
        found = found.and_then(check_data(scan.files, data))
    expected = public_key or _signature(scan.files, None)[1]
    statement = registered_statement(scan.files)
    witness = check_ledger(registered_study(scan.files), ledger, head, expected, statement)
    return found.and_then(witness).and_then(Verification(unknown=(PEEKING,)))


def verify_files(
    files: Mapping[str, bytes], *, public_key: str | None = None, damaged: Iterable[str] = ()
) -> Verification:
    """Check the files of a bundle: manifest, signature, registration.

    damaged: files that are there but cannot be read; they are told elsewhere, not as missing.
    """
    told = frozenset(damaged)
    changed = tuple(_changed(files))
    signature, signer = _signature(files, public_key)
    registration = check_registration(files, public_key or signer)
    whole = Verification(changed)
    if not changed and not signature.problems:
        whole = Verification(known=(f"all {len(files)} files are as they were signed",))
    found = whole.and_then(signature).and_then(registration)
    untold = tuple(problem for problem in found.problems if problem.file not in told)
    return replace(found, problems=untold)


def _changed(files: Mapping[str, bytes]) -> Iterator[Problem]:
    if MANIFEST not in files:
        yield Problem(MANIFEST, "is missing")
        return
    try:
        manifest = read_object(files[MANIFEST], is_canonical=True)
    except Tampered as error:
        yield Problem(MANIFEST, str(error))
        return
    for name, recorded in manifest.items():
        if name not in files:
            yield Problem(name, "is missing: the manifest lists it")
        elif (digest := hash_bytes(files[name])) != recorded:
            yield Problem(name, f"was changed: its SHA-256 is {digest}, signed was {recorded}")
    for name in files:
        if name not in manifest and name not in {MANIFEST, SIGNATURE}:
            yield Problem(name, "was added: the manifest does not list it")


def _signature(
    files: Mapping[str, bytes], public_key: str | None
) -> tuple[Verification, str | None]:
    """What the signature of the manifest shows, and the key that made it if it holds."""
    if SIGNATURE not in files:
        return Verification((Problem(SIGNATURE, "is missing"),)), None
    try:
        document = read_object(files[SIGNATURE], is_canonical=True)
    except Tampered as error:
        return Verification((Problem(SIGNATURE, str(error)),)), None
    signer, signature = document.get("public_key"), document.get("signature")
    if len(document) != 2 or not isinstance(signer, str) or not isinstance(signature, str):
        wrong = f"has the fields {sorted(document)}; expected public_key and signature, as text"
        return Verification((Problem(SIGNATURE, wrong),)), None
    if not verify_signature(signer, files.get(MANIFEST, b""), signature):
        return Verification(tuple(_mismatch())), None
    if public_key is not None and signer != public_key:
        other = f"is by the key {fingerprint(signer)}, not by {fingerprint(public_key)}"
        return Verification((Problem(SIGNATURE, other),)), signer
    if public_key is None:
        who = (
            f"who signed: the key {fingerprint(signer)} did, and anyone can make a key; compare "
            "with one that you have from its owner (--key)"
        )
        return Verification(unknown=(who,)), signer
    known = f"the owner of the key {fingerprint(public_key)} signed the manifest"
    return Verification(known=(known,)), signer


def _mismatch() -> Iterator[Problem]:
    yield Problem(MANIFEST, f"is not what {SIGNATURE} signs: one of the two was changed")
    yield Problem(SIGNATURE, f"is not the signature of {MANIFEST}: one of the two was changed")
