"""Registering a study: hash, signature, sealed labels, before anything is fitted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cellula.core.errors import EvidenceError
from cellula.evidence.attempts import ATTEMPTS
from cellula.evidence.seal import REGISTERED, seal
from cellula.evidence.statement import sign_statement
from cellula.validation.amendment import (
    Attempts,
    attempts_of,
    check_amends,
    check_not_superseded,
    earlier_splits,
)
from cellula.validation.preparation import PreparedStudy, split_files
from cellula.validation.sealing import held_out_values
from cellula.validation.workspace import Workspace

__all__ = ["Registration", "is_registered", "register", "registration_of"]

#: Kind of the entry that follows the registration of a later version: what it amends, and why.
AMENDED = "amended"
#: Where the splits of earlier versions lie in a bundle.
EARLIER = "splits/earlier/"


@dataclass(frozen=True, slots=True)
class Registration:
    """What was promised: the signed document and the statement inside it."""

    document: Mapping[str, Any]

    @property
    def statement(self) -> Mapping[str, Any]:
        """What was signed."""
        found: Mapping[str, Any] = self.document["statement"]
        return found

    @property
    def sealed(self) -> Mapping[str, str]:
        """Claim -> hash of the blob with its sealed labels."""
        found: Mapping[str, str] = self.statement["sealed"]
        return found

    @property
    def earlier_splits(self) -> Mapping[str, str]:
        """Path in the bundle -> hash of the splits of earlier versions that were opened."""
        splits = self.statement["splits"]
        return {path: digest for path, digest in splits.items() if path.startswith(EARLIER)}

    def levels(self, claim: str) -> Sequence[float] | None:
        """The confidence levels of a claim's gates; None where those of the study hold."""
        told = self.statement.get(ATTEMPTS, {}).get(claim)
        return None if told is None else tuple(told["levels"])


def register(prepared: PreparedStudy, workspace: Workspace) -> Registration:
    """Seal the held-out labels, sign the statement and enter it in the ledger.

    The statement counts, claim by claim, the attempts of earlier versions at the same held-out
    profiles, and the level that is left to the intervals (:mod:`cellula.evidence.attempts`).
    Registering the same study on the same data again gives the registration that there is.
    Raises EvidenceError when this id and version are registered with another content, StudyError
    when a later version does not amend the latest that is registered.
    """
    study = prepared.study
    known = _find(prepared, workspace)
    if known is not None:
        _require_same(prepared, known)
        _note_amendment(prepared, workspace)
        return known
    check_amends(study, workspace)
    attempts = attempts_of(prepared, workspace)
    workspace.blobs.put(study.canonical)
    splits = {path: workspace.blobs.put(data) for path, data in split_files(prepared).items()}
    splits |= earlier_splits(attempts)
    sealed = {
        task.claim.id: seal(
            held_out_values(prepared.data, task.folds),
            subject=task.claim.id,
            study_hash=study.hash,
            key=workspace.key,
            blobs=workspace.blobs,
            ledger=workspace.ledger,
        )
        for task in prepared.tasks
    }
    statement = _statement(prepared, workspace, splits, sealed, attempts)
    document = sign_statement(statement, workspace.key)
    entry = workspace.ledger.append_once(
        REGISTERED,
        study.study.id,
        {"study_hash": study.hash, "registration": document},
        lambda one: one.payload["registration"]["statement"]["version"] == study.study.version,
    )
    known = _require_same(prepared, Registration(entry.payload["registration"]))
    _note_amendment(prepared, workspace)
    return known


def _note_amendment(prepared: PreparedStudy, workspace: Workspace) -> None:
    """Tell the ledger, once, what a registered version amends and why."""
    study = prepared.study
    if study.amendment is not None:
        told = {"study_hash": study.hash, **study.amendment.model_dump()}
        workspace.ledger.append_once(
            AMENDED, study.study.id, told, lambda one: one.payload["study_hash"] == study.hash
        )


def _statement(
    prepared: PreparedStudy,
    workspace: Workspace,
    splits: Mapping[str, str],
    sealed: Mapping[str, str],
    attempts: Mapping[str, Attempts],
) -> dict[str, Any]:
    """What is promised, to be signed."""
    study, amendment = prepared.study, prepared.study.amendment
    return {
        "study_id": study.study.id,
        "version": study.study.version,
        "study_hash": study.hash,
        "owner": study.study.owner,
        "key": workspace.key.fingerprint,
        "data": dict(prepared.data.provenance.sources),
        "digest": prepared.digest,
        "files": dict(prepared.files),
        "splits": splits,
        "sealed": sealed,
        "amends": None if amendment is None else amendment.amends,
        "reason": "" if amendment is None else amendment.reason,
        ATTEMPTS: {claim: one.statement for claim, one in attempts.items()},
    }


def _require_same(prepared: PreparedStudy, known: Registration) -> Registration:
    """The registration that there is; EvidenceError when it is of another content or data."""
    study = prepared.study
    if known.statement["study_hash"] != study.hash:
        raise EvidenceError(
            f"study {study.study.id!r} version {study.study.version} is registered with "
            f"another content ({known.statement['study_hash'][:16]}, this file is "
            f"{study.hash[:16]}); make a new version of what changed: cellula amend "
            f'{prepared.name} --reason "..."'
        )
    _check_data(prepared, known)
    return known


def is_registered(prepared: PreparedStudy, workspace: Workspace) -> bool:
    """Whether this id and version are registered, whatever their content."""
    return _find(prepared, workspace) is not None


def registration_of(prepared: PreparedStudy, workspace: Workspace) -> Registration:
    """The registration of exactly this study and these data.

    Raises EvidenceError when there is none, or when study or data are not what was registered.
    """
    study = prepared.study
    known = _find(prepared, workspace)
    if known is None:
        raise EvidenceError(
            f"study {study.study.id!r} version {study.study.version} is not registered in "
            f"{workspace.folder}; register it first: cellula register {prepared.name}"
        )
    if known.statement["study_hash"] != study.hash:
        raise EvidenceError(
            f"{prepared.name} was changed after registration: its hash is {study.hash[:16]}, "
            f"registered was {known.statement['study_hash'][:16]}; restore the file, or make a "
            f'new version of it: cellula amend {prepared.name} --reason "..."'
        )
    _check_data(prepared, known)
    check_not_superseded(study, workspace)
    return known


def _check_data(prepared: PreparedStudy, known: Registration) -> None:
    promised = known.statement["files"]
    other = [name for name in promised if prepared.files.get(name) != promised[name]]
    if other:
        raise EvidenceError(
            f"{', '.join(other)}: not the file that was registered, and a model reads it; restore "
            f'it, or make a new version of the study: cellula amend {prepared.name} --reason "..."'
        )
    if known.statement["digest"] != prepared.digest:
        registered = known.statement["data"]
        now = prepared.data.provenance.sources
        changed = [name for name in now if registered.get(name) != now[name]]
        raise EvidenceError(
            f"the data are not those that were registered (changed: "
            f"{', '.join(changed) or 'the way they are opened'}); restore the files, or make a "
            f'new version of the study: cellula amend {prepared.name} --reason "..."'
        )


def _find(prepared: PreparedStudy, workspace: Workspace) -> Registration | None:
    """The registration of this study's id and version, whatever its content."""
    header = prepared.study.study
    for entry in workspace.ledger.entries(REGISTERED, header.id):
        document = entry.payload["registration"]
        if document["statement"]["version"] == header.version:
            return Registration(document)
    return None
