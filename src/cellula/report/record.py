"""Everything a dossier shows, read once from the files of a bundle and the exported ledger."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from cellula.core.canonical import hash_bytes
from cellula.core.errors import EvidenceError
from cellula.core.evidence import Evidence
from cellula.core.gate import Feedback, Loop, Outcome, Slot, Verdict
from cellula.evidence.lineage import other_studies
from cellula.report.agreement import Agreement, Choice, agreement_of
from cellula.report.cards import (
    DataCard,
    Fit,
    GateScore,
    LedgerEntry,
    ModelCard,
    ScoreTable,
    fit_of,
)
from cellula.report.strata import Strata, strata_from_scores, strata_from_values
from cellula.report.words import SELECTED, with_name

__all__ = ["StudyRecord", "read_record"]

#: These cannot hold their own hash or are signed over: they are not in the manifest.
UNHASHED = ("manifest.json", "manifest.sig.json")


@dataclass(frozen=True, slots=True)
class StudyRecord:
    """One study as its bundle and ledger tell it; parts that do not exist yet are empty.

    study: the study file as JSON. registration: statement, public key and signature, or empty
    before registration. agreements: per claim predicted beside observed, where the bundle
    holds what was measured; strata: per claim how each perturbation and context does. ledger:
    the entries about this study, every version of it. digests: SHA-256 by path, computed from
    the bytes handed over; manifest: as the bundle states them. others: ids of other studies in
    the ledger that opened labels of a like claim on the same data.
    """

    study: Mapping[str, Any]
    registration: Mapping[str, Any]
    data: tuple[DataCard, ...]
    models: tuple[ModelCard, ...]
    verdicts: tuple[Verdict, ...]
    evidence: tuple[Evidence, ...]
    agreements: Mapping[str, Agreement]
    strata: Mapping[str, tuple[Strata, ...]]
    ledger: tuple[LedgerEntry, ...]
    digests: Mapping[str, str]
    manifest: Mapping[str, str]
    others: tuple[str, ...] = ()

    @property
    def claims(self) -> tuple[Mapping[str, Any], ...]:
        """The claims of the study file, in its order."""
        return tuple(self.study.get("claim") or ())

    def part(self, name: str) -> Mapping[str, Any]:
        """A table of the study file; empty where it has none."""
        found = self.study.get(name)
        return found if isinstance(found, Mapping) else {}

    @property
    def statement(self) -> Mapping[str, Any]:
        """What was signed at registration; empty before."""
        found = self.registration.get("statement")
        return found if isinstance(found, Mapping) else {}

    @property
    def interval_level(self) -> float:
        """The level of the intervals of predictions, as the study file says."""
        options = self.part("uncertainty").get("options") or {}
        return float(options.get("level", 0.9))

    @property
    def has_scores(self) -> bool:
        """Whether any claim has been scored."""
        return any(item.kind == "scores" for item in self.evidence)

    def about(self, kind: str, subject: str | None = None) -> tuple[Evidence, ...]:
        """The evidence of a kind, about one subject or about all."""
        return tuple(
            item
            for item in self.evidence
            if item.kind == kind and (subject is None or item.subject == subject)
        )

    def names(self, role: str) -> Mapping[str, str]:
        """Label -> common name of perturbations or contexts, as data and study tell them."""
        found: dict[str, str] = {}
        for card in self.data:
            found |= card.names.get(role, {})
        if role == "perturbation":
            named = self.part("explain").get("perturbation") or ()
            found |= {str(one["id"]): str(one["name"]) for one in named if one.get("name")}
        return found

    def label_words(self, role: str) -> Callable[[str], str]:
        """How a label is told: with its common name, or with its unit where contexts are times."""
        unit = _unit_of_contexts(self.study) if role == "context" else ""
        return partial(with_name, self.names(role), unit=unit)

    def scores(self, claim: str) -> ScoreTable | None:
        """All models by all metrics of a claim; None before they are scored."""
        found = self.about("scores", claim)
        return ScoreTable.of(found[0]) if found else None

    def gate_scores(self, claim: str) -> tuple[GateScore, ...]:
        """The anchored scores that the claim's gates read, in the order of the gates."""
        return tuple(GateScore.of(item) for item in self.about("anchored_score", claim))

    @property
    def fits(self) -> tuple[Fit, ...]:
        """What every fit took."""
        return tuple(fit_of(entry) for entry in self.ledger if entry.kind == "fitted")

    def entries(self, kind: str) -> tuple[LedgerEntry, ...]:
        """The entries of the ledger of one kind, in their order."""
        return tuple(entry for entry in self.ledger if entry.kind == kind)

    def model(self, name: str) -> ModelCard | None:
        """A registered model by its id, or else by its plug-in."""
        by_id = (card for card in self.models if card.id == name)
        by_plugin = (card for card in self.models if card.plugin == name)
        return next(by_id, None) or next(by_plugin, None)

    @property
    def altered(self) -> tuple[str, ...]:
        """Paths whose bytes are not those of the manifest, either way."""
        if not self.manifest:
            return ()
        both = sorted({*self.manifest, *self.digests})
        return tuple(path for path in both if self.manifest.get(path) != self.digests.get(path))


def read_record(
    files: Mapping[str, bytes], ledger: Sequence[Mapping[str, Any]] = ()
) -> StudyRecord:
    """Read a bundle's files (path -> bytes) and the exported entries of its ledger.

    Only ``study.json`` must be there: what a study has not reached yet is empty in the record.
    Raises EvidenceError, naming the file, where one is missing, damaged or of another form.
    """
    if "study.json" not in files:
        raise EvidenceError(
            f"the bundle has no study.json (it has: {', '.join(sorted(files)) or 'no file'}); "
            "hand over the files of a bundle written by: cellula run FILE"
        )
    study = _mapping(files, "study.json")
    evidence = _evidence(files)
    claims = [str(claim.get("id", "")) for claim in study.get("claim") or ()]
    registration = _mapping(files, "registration.json")
    agreements = _agreements(files, claims, evidence)
    entries = _each("the ledger", ledger, LedgerEntry.of)
    return StudyRecord(
        study=study,
        registration=registration,
        data=_cards(files, "data.json", DataCard.of),
        models=_cards(files, "models.json", ModelCard.of),
        verdicts=_cards(files, "verdicts.json", _verdict),
        evidence=evidence,
        agreements=agreements,
        strata={claim: _strata(files, claim, agreements, evidence) for claim in claims},
        ledger=_of_study(entries, study, registration),
        digests={p: hash_bytes(b) for p, b in sorted(files.items()) if p not in UNHASHED},
        manifest={str(p): str(h) for p, h in _mapping(files, "manifest.json").items()},
        others=other_studies(entries, hash_bytes(files["study.json"])),
    )


def _unit_of_contexts(study: Mapping[str, Any]) -> str:
    """The unit of time where one column is both context and time, else nothing."""
    for source in study.get("data") or ():
        columns = source.get("columns") or {}
        if columns.get("context") and columns.get("context") == columns.get("time_s"):
            return str(source.get("time_unit") or "")
    return ""


def _json(files: Mapping[str, bytes], path: str) -> Any:
    if path not in files:
        return None
    try:
        return json.loads(files[path])
    except ValueError as error:
        raise EvidenceError(
            f"{path} is not JSON ({error}); check the bundle with: cellula verify BUNDLE"
        ) from error


def _mapping(files: Mapping[str, bytes], path: str) -> Mapping[str, Any]:
    found = _json(files, path)
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise EvidenceError(f"{path} holds a {type(found).__name__}; expected a JSON object")
    return found


def _cards(files: Mapping[str, bytes], path: str, make: Any) -> tuple[Any, ...]:
    found = _json(files, path)
    if found is None:
        return ()
    if not isinstance(found, list):
        raise EvidenceError(f"{path} holds a {type(found).__name__}; expected a JSON list")
    return _each(path, found, make)


def _each(source: str, rows: Sequence[Any], make: Any) -> tuple[Any, ...]:
    made: list[Any] = []
    for place, row in enumerate(rows):
        try:
            made.append(make(row))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise EvidenceError(
                f"{source}: entry {place} has another form than expected "
                f"({type(error).__name__}: {error}); check with: cellula verify BUNDLE"
            ) from error
    return tuple(made)


def _verdict(row: Mapping[str, Any]) -> Verdict:
    feedback = row.get("feedback")
    return Verdict(
        gate=str(row["gate"]),
        loop=Loop(row["loop"]),
        slot=Slot(row["slot"]),
        subject=str(row["subject"]),
        outcome=Outcome(row["outcome"]),
        reason=str(row["reason"]),
        number=row.get("number"),
        lower=row.get("lower"),
        upper=row.get("upper"),
        threshold=row.get("threshold"),
        feedback=Feedback(feedback) if feedback else None,
        evidence=row.get("evidence"),
        about=str(row.get("about") or ""),
    )


def _evidence(files: Mapping[str, bytes]) -> tuple[Evidence, ...]:
    paths = [p for p in files if p.startswith("evidence/") and p.endswith(".json")]
    paths.sort(key=lambda path: path.removesuffix(".json"))
    found: list[Evidence] = []
    for path in paths:
        found += _each(path, [_mapping(files, path)], _one_evidence)
    return tuple(found)


def _one_evidence(row: Mapping[str, Any]) -> Evidence:
    return Evidence(
        row["kind"], row["subject"], dict(row["payload"]), dict(row.get("inputs") or {})
    )


def _of_study(
    entries: tuple[LedgerEntry, ...], study: Mapping[str, Any], registration: Mapping[str, Any]
) -> tuple[LedgerEntry, ...]:
    """The entries about this study, in any of its versions: a workspace may hold several.

    An entry without a study's hash belongs to the run that was started last.
    """
    name = (study.get("study") or {}).get("id")
    hashes = {(registration.get("statement") or {}).get("study_hash")}
    hashes |= {
        entry.payload.get("study_hash")
        for entry in entries
        if entry.kind == "registered" and entry.subject == name
    }
    kept: list[LedgerEntry] = []
    running = None
    for entry in entries:
        found = entry.payload.get("study_hash")
        running = found if entry.kind == "run_started" else running
        if (found or running) is None or (found or running) in hashes:
            kept.append(entry)
    return tuple(kept)


def _strata(
    files: Mapping[str, bytes],
    claim: str,
    agreements: Mapping[str, Agreement],
    evidence: Sequence[Evidence],
) -> tuple[Strata, ...]:
    if claim in agreements:
        return strata_from_values(agreements[claim])
    for item in evidence:
        if (item.kind, item.subject) == ("anchored_score", claim):
            return strata_from_scores(files, claim, GateScore.of(item))
    return ()


def _agreements(
    files: Mapping[str, bytes], claims: Sequence[str], evidence: Sequence[Evidence]
) -> Mapping[str, Agreement]:
    found: dict[str, Agreement] = {}
    for claim in claims:
        about = [item for item in reversed(evidence) if item.subject == claim]
        payloads = {item.kind: item.payload for item in about}
        score = payloads.get("anchored_score", {})
        folds = payloads.get("selection", {}).get("folds") or ()
        by_fold = {str(fold["fold"]): str(fold["selected"]) for fold in folds}
        choice = Choice(str(score.get("model") or SELECTED), by_fold)
        pair = agreement_of(files, claim, choice, str(score.get("baseline") or ""))
        if pair is not None:
            found[claim] = pair
    return found
