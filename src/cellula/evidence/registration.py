"""The registration in a bundle: what was promised before the held-out data were looked at.

``registration.json`` is a signed statement (:mod:`cellula.evidence.statement`) that holds at
least ``study_hash`` (SHA-256 of ``study.json``) and ``splits`` (path -> SHA-256 of every file
below ``splits/``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from cellula.core.canonical import hash_bytes
from cellula.core.errors import Tampered
from cellula.evidence.attempts import attempt_problems
from cellula.evidence.findings import Problem, Verification
from cellula.evidence.keys import fingerprint
from cellula.evidence.statement import Signed, read_signed

__all__ = [
    "REGISTRATION",
    "SPLITS",
    "STUDY",
    "check_registration",
    "registered_statement",
    "registered_study",
]

REGISTRATION = "registration.json"
STUDY = "study.json"
SPLITS = "splits/"


def registered_study(files: Mapping[str, bytes]) -> str | None:
    """The SHA-256 of the study in a bundle; None where there is none."""
    return hash_bytes(files[STUDY]) if STUDY in files else None


def registered_statement(files: Mapping[str, bytes]) -> Mapping[str, Any] | None:
    """The registration's statement in a bundle; None where none can be read."""
    try:
        return read_signed(files[REGISTRATION]).statement
    except (KeyError, Tampered):
        return None  # told as a problem by :func:`check_registration`


def check_registration(files: Mapping[str, bytes], signer: str | None) -> Verification:
    """Check the registration among the files of a bundle; ``signer`` is the key expected."""
    if REGISTRATION not in files:
        missing = Problem(REGISTRATION, "is missing: nothing shows what was promised beforehand")
        return Verification((missing,))
    try:
        signed = read_signed(files[REGISTRATION])
    except Tampered as error:
        return Verification((Problem(REGISTRATION, str(error)),))
    problems = (
        *_signer_problems(signed, signer),
        *_study_problems(signed.statement, registered_study(files)),
        *_split_problems(signed.statement, files),
    )
    if not problems:
        counted = attempt_problems(signed.statement, files)
        problems = tuple(Problem(REGISTRATION, what) for what in counted)
    if problems:
        return Verification(problems)
    n_splits = len(signed.statement["splits"])
    return Verification(
        known=(f"the study and its {n_splits} split(s) are those that were registered",)
    )


def _signer_problems(signed: Signed, signer: str | None) -> Iterator[Problem]:
    if signer is not None and signed.public_key != signer:
        yield Problem(
            REGISTRATION,
            f"is signed by the key {fingerprint(signed.public_key)}, the bundle by "
            f"{fingerprint(signer)}",
        )


def _study_problems(statement: Mapping[str, Any], study_hash: str | None) -> Iterator[Problem]:
    registered = statement.get("study_hash")
    if study_hash is None:
        yield Problem(STUDY, "is missing")
    elif registered != study_hash:
        yield Problem(STUDY, f"its SHA-256 is {study_hash}, registered was {registered}")


def _split_problems(statement: Mapping[str, Any], files: Mapping[str, bytes]) -> Iterator[Problem]:
    registered = statement.get("splits")
    if not isinstance(registered, Mapping):
        yield Problem(REGISTRATION, "its statement has no splits; expected path -> SHA-256")
        return
    for path, digest in registered.items():
        if path not in files:
            yield Problem(str(path), "was registered and is missing")
        elif hash_bytes(files[path]) != digest:
            yield Problem(path, f"is not the split that was registered ({digest})")
    for path in files:
        if path.startswith(SPLITS) and path not in registered:
            yield Problem(path, "is a split that was not registered")
