"""The versions of a study as the ledger tells them: who amends whom, what was opened before.

Every later version names the one before it. The ledger alone decides which labels had been
opened when a version opened its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from pydantic import BaseModel, ConfigDict, ValidationError

from cellula.core.errors import Tampered
from cellula.evidence.attempts import AttemptsTold, earlier_path, split_path
from cellula.evidence.seal import LABELS_OPENED, REGISTERED

__all__ = [
    "Told",
    "Version",
    "attempt_faults",
    "bundle_name",
    "first_opened",
    "openings_before",
    "other_studies",
    "versions",
]


class Told(Protocol):
    """An entry of a ledger, as the ledger holds it or as its export tells it."""

    @property
    def seq(self) -> int:
        """Its place, from 1."""
        ...

    @property
    def kind(self) -> str:
        """What happened."""
        ...

    @property
    def subject(self) -> str:
        """To what."""
        ...

    @property
    def payload(self) -> Mapping[str, Any]:
        """What else is told of it."""
        ...


class _Statement(BaseModel):
    """What a registration states, as far as it is read here."""

    model_config = ConfigDict(strict=True, frozen=True)

    study_id: str
    study_hash: str
    version: int
    digest: str
    sealed: dict[str, str]
    splits: dict[str, str]
    amends: str | None = None
    reason: str = ""
    attempts: dict[str, AttemptsTold] = {}


@dataclass(frozen=True, slots=True)
class Version:
    """A registered version: the entry that registered it, what was signed, and that as read.

    Two statements are equal where ``signed`` is.
    """

    seq: int
    signed: Mapping[str, Any]
    statement: _Statement

    @property
    def hash(self) -> str:
        """SHA-256 of the study."""
        return self.statement.study_hash

    @property
    def number(self) -> int:
        """The version as the study file numbers it."""
        return self.statement.version

    def kind(self, claim: str) -> str:
        """The kind of a claim; "" where the statement does not tell."""
        told = self.statement.attempts.get(claim)
        return "" if told is None else told.kind


def bundle_name(study_id: str, version: int) -> str:
    """What the files of a version's results begin with: the id, ``-v2`` from the second on."""
    return study_id if version == 1 else f"{study_id}-v{version}"


def versions(entries: Sequence[Told], study_id: str | None = None) -> tuple[Version, ...]:
    """All registered versions of a study (or of every study), in the order of registration.

    Raises Tampered on a registration that has another form.
    """
    return tuple(
        _version(entry)
        for entry in entries
        if entry.kind == REGISTERED
        and (study_id is None or entry.subject == study_id)
        and "registration" in entry.payload
    )


def _version(entry: Told) -> Version:
    document = entry.payload["registration"]
    signed = document.get("statement") if isinstance(document, Mapping) else None
    try:
        return Version(entry.seq, signed or {}, _Statement.model_validate(signed))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise Tampered(
            f"entry {entry.seq} registers a study in another form ({place}: {first['msg']})"
        ) from error


def first_opened(entries: Sequence[Told], study_hash: str, claim: str) -> int | None:
    """The first entry that opened the labels of a claim; None where they stayed sealed."""
    return next(
        (
            entry.seq
            for entry in entries
            if entry.kind == LABELS_OPENED
            and entry.subject == claim
            and entry.payload.get("study_hash") == study_hash
        ),
        None,
    )


def openings_before(
    entries: Sequence[Told], earlier: Sequence[Version], claim: str, kind: str, seq: int
) -> tuple[tuple[Version, str], ...]:
    """The labels opened before entry ``seq``: version and claim, of earlier versions.

    A claim of the same id counts, and one of the same kind: another id does not wash what was
    seen. A version that is run again counts once.
    """
    found: list[tuple[Version, str]] = []
    for version in earlier:
        for name in version.statement.sealed:
            opened = first_opened(entries, version.hash, name)
            is_alike = name == claim or (kind != "" and version.kind(name) == kind)
            if is_alike and opened is not None and opened < seq:
                found.append((version, name))
    return tuple(found)


def attempt_faults(entries: Sequence[Told], statement: Mapping[str, Any] | None) -> Iterator[str]:
    """Where the statement in a bundle does not agree with what the ledger says was before it."""
    if statement is None:
        return
    try:
        known = versions(entries)
    except Tampered as error:
        yield str(error)
        return
    own = next((one for one in known if one.hash == statement.get("study_hash")), None)
    if own is None:
        return  # told as missing by the order of the entries
    if own.signed != statement:
        yield "holds another registration of this study than the bundle"
        return
    like = [one for one in known if one.statement.study_id == own.statement.study_id]
    earlier = [one for one in like if one.seq < own.seq]
    before = earlier[-1].hash if earlier else None
    if own.statement.amends != before:
        told = (before or "no version")[:16]
        yield (
            f"registered {told} before this version, which says that it amends "
            f"{(own.statement.amends or 'nothing')[:16]}"
        )
    for claim in own.statement.sealed:
        yield from _claim_faults(entries, own, earlier, claim)


def _claim_faults(
    entries: Sequence[Told], own: Version, earlier: Sequence[Version], claim: str
) -> Iterator[str]:
    told = own.statement.attempts.get(claim)
    seq = first_opened(entries, own.hash, claim) or own.seq
    opened = openings_before(entries, earlier, claim, own.kind(claim), seq)
    found = {(version.hash, name) for version, name in opened}
    listed = {(one.study, one.claim) for one in told.openings} if told else set()
    for study, name in sorted(found - listed):
        yield (
            f"says that the labels of {name} were opened by version {study[:16]} before; the "
            f"registration leaves this out of the attempts at {claim}"
        )
    for study, name in sorted(listed - found):
        yield (
            f"has no entry that the labels of {name} were opened by version {study[:16]}; the "
            f"registration counts it among the attempts at {claim}"
        )
    for version, name in opened:
        here = own.statement.splits.get(earlier_path(version.hash, name))
        there = version.statement.splits.get(split_path(name))
        if (version.hash, name) in listed and here != there:
            yield f"registered another split of {name} for version {version.hash[:16]}"


def other_studies(entries: Sequence[Told], study_hash: str) -> tuple[str, ...]:
    """Ids of other studies that opened labels of a like claim on the same data, before or after.

    Told, not counted: what another study saw is no attempt of this one, yet a reader should know.
    """
    known = versions(entries)
    own = next((one for one in known if one.hash == study_hash), None)
    if own is None:
        return ()
    kinds = {told.kind for told in own.statement.attempts.values()}
    found = [
        one.statement.study_id
        for one in known
        if one.statement.study_id != own.statement.study_id
        and one.statement.digest == own.statement.digest
        and any(
            one.kind(claim) in kinds and first_opened(entries, one.hash, claim) is not None
            for claim in one.statement.sealed
        )
    ]
    return tuple(dict.fromkeys(found))
