"""Amending a study: the next version, what changed in it, and the attempts that came before."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cellula.core.errors import EvidenceError, StudyError
from cellula.evaluation.contest import N_RESAMPLES
from cellula.evidence.attempts import (
    Opening,
    earlier_path,
    held_out_profiles,
    level_after,
    linked,
    split_path,
)
from cellula.evidence.lineage import Version, first_opened, openings_before, versions
from cellula.validation.answers import ClaimTask
from cellula.validation.preparation import PreparedStudy
from cellula.validation.study import Claim, Study
from cellula.validation.workspace import Workspace

__all__ = [
    "Attempts",
    "Change",
    "attempts_of",
    "changes",
    "check_amends",
    "check_not_superseded",
    "earlier_splits",
    "latest_version",
    "registered_tree",
]


@dataclass(frozen=True, slots=True)
class Change:
    """A key whose value differs between two versions; None where it is not there."""

    path: str
    before: Any
    after: Any


@dataclass(frozen=True, slots=True)
class Attempts:
    """What was opened before a claim of this version is scored, and what is left to it.

    openings: study hash and claim of every opened hold-out of the lineage. earlier: the studies
    among them that are linked to this hold-out. levels: of the intervals, one a gate. splits:
    (study hash, claim) -> SHA-256 of the split that was registered.
    """

    kind: str
    openings: tuple[tuple[str, str], ...]
    earlier: tuple[str, ...]
    levels: tuple[float, ...]
    splits: Mapping[tuple[str, str], str]

    @property
    def is_fresh(self) -> bool:
        """Whether nobody of the lineage has looked at these profiles."""
        return not self.earlier

    @property
    def statement(self) -> dict[str, Any]:
        """As the registration states it."""
        return {
            "kind": self.kind,
            "openings": [{"study": study, "claim": claim} for study, claim in self.openings],
            "earlier_attempts": list(self.earlier),
            "is_fresh": self.is_fresh,
            "levels": list(self.levels),
        }


# -- what changed -----------------------------------------------------------------------------
def latest_version(workspace: Workspace, study_id: str) -> Version:
    """The latest registered version of a study; EvidenceError where there is none."""
    known = versions(workspace.ledger.entries(), study_id)
    if not known:
        raise EvidenceError(
            f"no version of the study {study_id!r} is registered in {workspace.folder}: there is "
            "nothing to amend; register this file as it is, or name the workspace it is in"
        )
    return known[-1]


def registered_tree(workspace: Workspace, version: Version) -> dict[str, Any]:
    """The study of a registered version as JSON, kept when it was registered."""
    tree: dict[str, Any] = json.loads(workspace.blobs.get(version.hash))
    return tree


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[Change, ...]:
    """What differs between two studies as JSON, besides their version and amendment.

    Items of a list are told by their ``id`` where they have one, else by their place.
    """
    return tuple(_changes("", _comparable(before), _comparable(after)))


def _comparable(tree: Mapping[str, Any]) -> dict[str, Any]:
    rest = {key: value for key, value in tree.items() if key != "amendment"}
    rest["study"] = {key: value for key, value in tree["study"].items() if key != "version"}
    return rest


def _changes(path: str, before: Any, after: Any) -> list[Change]:
    if before == after:
        return []
    old, new = _named(before), _named(after)
    if old is None or new is None:
        return [Change(path, before, after)]
    found: list[Change] = []
    for key in dict.fromkeys([*old, *new]):
        place = f"{path}.{key}" if path else key
        found += _changes(place, old.get(key), new.get(key))
    if not found:  # the same items in another order
        return [Change(path, list(old), list(new))]
    return found


def _named(value: Any) -> dict[str, Any] | None:
    """A table by its keys, a list of tables by their ids or places; None for a plain value."""
    if isinstance(value, dict):
        return value
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        return None
    ids = [str(item.get("id", place)) for place, item in enumerate(value)]
    return dict(zip(ids, value, strict=True)) if len(set(ids)) == len(ids) else None


# -- the line of versions ---------------------------------------------------------------------
def check_amends(study: Study, workspace: Workspace) -> None:
    """Raise StudyError unless this new version follows the latest that is registered."""
    header, amendment = study.study, study.amendment
    known = versions(workspace.ledger.entries(), header.id)
    if header.version == 1:
        if amendment is not None or known:
            wrong = "has a table [amendment]" if not known else "comes after later ones"
            raise StudyError(
                f"version 1 of the study {header.id!r} {wrong}; the first version amends nothing: "
                'a later one is made with: cellula amend FILE --reason "..."'
            )
        return
    if not known:
        raise StudyError(
            f"no version of the study {header.id!r} is registered in {workspace.folder}, and this "
            f"file is version {header.version}; begin with version 1 and without [amendment], or "
            "name the workspace that holds the version before"
        )
    last = known[-1]
    expected = (last.number + 1, last.hash)
    if (header.version, "" if amendment is None else amendment.amends) != expected:
        named = "nothing" if amendment is None else amendment.amends[:16]
        raise StudyError(
            f"version {header.version} of the study {header.id!r} amends {named}; expected "
            f"version {expected[0]} that amends {last.hash[:16]}, the latest that is registered; "
            'write it with: cellula amend FILE --reason "..."'
        )


def check_not_superseded(study: Study, workspace: Workspace) -> None:
    """Raise EvidenceError where a later version is registered and this one was not run before.

    Labels that a version opens after its successor was registered would be missing from the
    attempts that the successor counts. Running a version again that was run before is allowed.
    """
    entries = workspace.ledger.entries()
    known = versions(entries, study.study.id)
    later = [one for one in known if one.number > study.study.version]
    if not later:
        return
    opened = [first_opened(entries, study.hash, claim.id) for claim in study.claim]
    if any(seq is None or seq > later[0].seq for seq in opened):
        raise EvidenceError(
            f"version {study.study.version} of the study {study.study.id!r} was not run to its "
            f"end before version {later[0].number} was registered: its attempt would not be "
            "counted; run the latest version"
        )


# -- attempts ---------------------------------------------------------------------------------
def attempts_of(prepared: PreparedStudy, workspace: Workspace) -> dict[str, Attempts]:
    """Claim -> the attempts of earlier versions at it, as the ledger tells now.

    Raises EvidenceError where so little is left to spend that no interval can show it.
    """
    entries = workspace.ledger.entries()
    header = prepared.study.study
    earlier = [one for one in versions(entries, header.id) if one.hash != prepared.study.hash]
    end = entries[-1].seq + 1 if entries else 1
    found: dict[str, Attempts] = {}
    for task in prepared.tasks:
        claim = task.claim
        opened = openings_before(entries, earlier, claim.id, claim.kind, end)
        found[claim.id] = _attempts(task, opened, workspace)
    return found


def _attempts(
    task: ClaimTask, opened: Sequence[tuple[Version, str]], workspace: Workspace
) -> Attempts:
    splits = {
        (version.hash, name): version.statement.splits[split_path(name)] for version, name in opened
    }
    openings = [
        Opening(study, name, held_out_profiles(workspace.blobs.get(split), split_path(name)))
        for (study, name), split in splits.items()
    ]
    names = task.data.obs.index.astype(str).to_numpy()
    rows = np.unique(np.concatenate([fold.test for fold in task.folds]))
    earlier = linked(frozenset(names[rows].tolist()), openings)
    levels = _levels(task.claim, len(earlier))
    return Attempts(task.claim.kind.value, tuple(splits), earlier, levels, splits)


def _levels(claim: Claim, n_earlier: int) -> tuple[float, ...]:
    """The level of every gate's interval; its tail must hold one resample or more."""
    levels = tuple(level_after(rule.ci, n_earlier) for rule in claim.gate)
    if n_earlier and (1.0 - max(levels)) / 2.0 * N_RESAMPLES < 1.0:
        raise EvidenceError(
            f"claim {claim.id!r}: {n_earlier} earlier attempts looked at these held-out profiles; "
            f"what is left to spend (level {max(levels):.6g}) is finer than {N_RESAMPLES} "
            "resamples can show; hold out profiles that nobody has looked at"
        )
    return levels


def earlier_splits(attempts: Mapping[str, Attempts]) -> dict[str, str]:
    """Path in the bundle -> SHA-256 of the splits of earlier versions that were opened."""
    return {
        earlier_path(study, claim): digest
        for one in attempts.values()
        for (study, claim), digest in one.splits.items()
    }
