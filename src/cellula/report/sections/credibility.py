"""The seven steps of FDA's 2025 draft credibility framework, and requirements with evidence.

Source: U.S. Food and Drug Administration, "Considerations for the Use of Artificial
Intelligence to Support Regulatory Decision-Making for Drug and Biological Products", draft
guidance, January 2025.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from cellula.core.gate import Loop, Slot
from cellula.core.numerals import count
from cellula.report.blocks import Cell, Column, Section, Status, Table, Text
from cellula.report.record import StudyRecord
from cellula.report.words import listing, plain_words
from cellula.validation.credibility import model_risk, required_tier, standings

__all__ = ["crosswalk", "requirements"]


def crosswalk(record: StudyRecord) -> Section:
    """What this study offers to each of the seven steps."""
    rows = tuple(
        (Cell(str(place)), Cell(step, is_strong=True), Cell(text or "nothing yet", small, status))
        for place, (step, text, small, status) in enumerate(_steps(record), start=1)
    )
    return Section(
        "credibility",
        "Credibility, in the seven steps of FDA's 2025 draft",
        "Credibility",
        (
            Table(
                (Column("step", is_number=True), Column("asks for"), Column("here")),
                rows,
                is_stacked=True,
            ),
            Text(
                "A crosswalk to help a reviewer, not a claim of acceptance: the evidence supports, "
                "the reviewer decides.",
                is_soft=True,
            ),
        ),
    )


def _steps(record: StudyRecord) -> list[tuple[str, str, str, Status]]:
    study, use = record.part("study"), record.part("context_of_use")
    statement = record.statement
    runs = len(record.entries("run_finished"))
    opened = len(record.entries("labels_opened"))
    gates = sum(len(claim.get("gate") or ()) for claim in record.claims)
    plan = f"the study file, version {statement['version']}, signed" if statement else ""
    executed = f"{count(runs)} run{'s' if runs != 1 else ''} finished" if runs else ""
    if not executed and record.verdicts:
        executed = "run; the ledger that counts attempts is not at hand"
    status = _adequacy_status(record)
    return [
        ("Question of interest", str(study.get("question") or ""), "", ""),
        ("Context of use", str(use.get("role") or ""), _use(use), ""),
        (
            "Model risk",
            f"{model_risk(use)}: influence {use.get('influence', 'not stated')} × consequence "
            f"{use.get('consequence', 'not stated')}",
            f"requires tier {required_tier(use).value}; what is not stated counts as high",
            "",
        ),
        (
            "Plan",
            plan,
            f"{count(gates)} thresholds with their reasons; study hash "
            f"{str(statement.get('study_hash', ''))[:16]}…"
            if statement
            else "",
            "",
        ),
        (
            "Execution",
            executed,
            f"held-out labels opened {count(opened)} times in all" if record.ledger else "",
            "",
        ),
        (
            "Results and deviations",
            "this dossier, the bundle and its verdicts" if record.verdicts else "",
            "see deviations and attempts",
            "",
        ),
        ("Adequacy", _adequacy(record), "model evidence is supplementary", status),
    ]


def _use(use: Mapping[str, Any]) -> str:
    parts = (f"{plain_words(key)}: {listing(value)}" for key, value in use.items() if key != "role")
    return ", ".join(parts)


def _adequacy(record: StudyRecord) -> str:
    return "; ".join(
        f"{one.claim}: {one.word} ({one.tier.value}, required {one.required.value})"
        for one in standings(record.study, record.verdicts)
    )


def _adequacy_status(record: StudyRecord) -> Status:
    found = [one.is_adequate for one in standings(record.study, record.verdicts)]
    return "pass" if found and all(found) else "wait"


# -- requirements ---------------------------------------------------------------------------------
Finder = Callable[[StudyRecord], str]


@dataclass(frozen=True, slots=True)
class Requirement:
    """A requirement of the platform and where a record shows evidence for it ("" if nowhere)."""

    id: str
    text: str
    find: Finder


def _evidence(kind: str, what: str) -> Finder:
    def find(record: StudyRecord) -> str:
        found = record.about(kind)
        return f"{what}: {', '.join(item.subject for item in found)}" if found else ""

    return find


def _gates(slot: Slot) -> Finder:
    def find(record: StudyRecord) -> str:
        here = {v.gate for v in record.verdicts if v.loop is Loop.INNER and v.slot is slot}
        return f"gates {', '.join(map(plain_words, sorted(here)))}" if here else ""

    return find


def _metrics(names: tuple[str, ...], what: str) -> Finder:
    def find(record: StudyRecord) -> str:
        tables = [record.scores(str(claim["id"])) for claim in record.claims]
        here = {m for table in tables if table for m in table.metrics}
        found = sorted(m for m in here if m.partition("@")[0].startswith(names))
        return f"{what}: {', '.join(found)}" if found else ""

    return find


def _rationale(record: StudyRecord) -> str:
    gates = [gate for claim in record.claims for gate in claim.get("gate") or ()]
    return "a reason beside every threshold" if gates and all(g.get("why") for g in gates) else ""


def _feedback(record: StudyRecord) -> str:
    targets = {v.feedback.value for v in record.verdicts if v.feedback}
    return f"failed gates send back to {', '.join(sorted(targets))}" if targets else ""


def _folds(record: StudyRecord) -> str:
    parts = [
        f"{item.subject} {len(item.payload.get('folds') or ())} folds"
        for item in record.about("selection")
        if len(item.payload.get("folds") or ()) > 1
    ]
    return ", ".join(parts)


def _baselines(record: StudyRecord) -> str:
    names = [card.id for card in record.models if card.is_baseline]
    return f"beside every model: {', '.join(names)}" if names and record.has_scores else ""


def _costs(record: StudyRecord) -> str:
    measured = [fit for fit in record.fits if fit.seconds == fit.seconds]
    return f"parameters and time of {count(len(measured))} fits" if measured else ""


def _identified(record: StudyRecord) -> str:
    ids = {
        str(gate.get("metric", "")) for claim in record.claims for gate in claim.get("gate") or ()
    }
    return (
        f"registered by version: {', '.join(sorted(ids))}"
        if ids and all("@" in i for i in ids)
        else ""
    )


def _splits(record: StudyRecord) -> str:
    kinds = [str(claim.get("kind")) for claim in record.claims]
    return f"one split a claim: {', '.join(map(plain_words, kinds))}" if record.statement else ""


def _part(name: str, what: str) -> Finder:
    def find(record: StudyRecord) -> str:
        return what if record.part(name) else ""

    return find


def _registered(record: StudyRecord) -> str:
    return "study hash and signature" if record.registration.get("signature") else ""


def _represented(record: StudyRecord) -> str:
    shown = [card.name for card in record.data if card.counts]
    return f"who is in {', '.join(shown)}" if shown else ""


def _hashed(record: StudyRecord) -> str:
    return f"{count(len(record.manifest))} files under a manifest" if record.manifest else ""


def _tiers(record: StudyRecord) -> str:
    return (
        ", ".join(
            f"{one.claim} {one.tier.value}" for one in standings(record.study, record.verdicts)
        )
        if record.verdicts
        else ""
    )


REQUIREMENTS: tuple[Requirement, ...] = (
    Requirement("D2", "quality control", _evidence("quality", "quality report")),
    Requirement("D3", "batches judged", _evidence("batch", "batch report")),
    Requirement("D10", "bias of sources shown", _represented),
    Requirement("K11", "simple baselines beside every model", _baselines),
    Requirement("E6", "splits by claim", _splits),
    Requirement("E8", "parameters and compute time", _costs),
    Requirement("E9", "grouped cross-validation", _folds),
    Requirement("E14", "gate metrics have a registered definition", _identified),
    Requirement("E18", "Spearman", _metrics(("spearman",), "scored")),
    Requirement("L1", "inner entry: partition, quality, batches", _gates(Slot.ENTRY)),
    Requirement("L2", "concordance and uncertainty", _metrics(("coverage", "interval"), "scored")),
    Requirement("L3", "registered threshold and interval width", _gates(Slot.DECISION)),
    Requirement("L4", "inner feedback", _feedback),
    Requirement("R1", "seven steps of the FDA draft", _part("context_of_use", "crosswalk above")),
    Requirement("R6", "a rationale beside every threshold", _rationale),
    Requirement("B1", "declared boundary and domain flag", _part("boundary", "declared boundary")),
    Requirement("C1", "a tier per claim", _tiers),
    Requirement("F4", "attributions", _evidence("attribution", "attributions")),
    Requirement("I1", "rights recorded", _part("rights", "three parties named")),
    Requirement("O2", "portable evidence, verified offline", _hashed),
    Requirement("O2", "registered before the run", _registered),
)


def requirements(record: StudyRecord) -> Section:
    """Requirement ids with the evidence this record holds; those without are listed as such."""
    found: Mapping[Requirement, str] = {item: item.find(record) for item in REQUIREMENTS}
    rows = tuple(
        (Cell(item.id, is_strong=True), Cell(item.text), Cell(evidence))
        for item, evidence in found.items()
        if evidence
    )
    missing = [f"{item.id} ({item.text})" for item, evidence in found.items() if not evidence]
    note = f"No evidence here for: {'; '.join(missing)}." if missing else ""
    table = Table((Column("id"), Column("requirement"), Column("evidence here")), rows)
    return Section(
        "requirements",
        "Requirements met, with their evidence",
        "Requirements",
        (table, Text(note, is_soft=True)) if note else (table,),
    )
