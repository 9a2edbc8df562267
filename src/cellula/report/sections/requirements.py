"""Requirements of the platform that a study's bundle meets, each with the files that show it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatch

from cellula.core.gate import Loop, Slot
from cellula.core.numerals import count, plural
from cellula.report.blocks import Cell, Column, Fold, Section, Table, Text
from cellula.report.record import StudyRecord
from cellula.report.words import plain_words
from cellula.validation.credibility import standings

__all__ = ["REQUIREMENTS", "Requirement", "requirements"]

Finder = Callable[[StudyRecord], str]

#: Among the patterns of files: what stands in the ledger, which lies beside the bundle.
LEDGER = "ledger"
#: So many files are named a requirement.
NAMED = 2


@dataclass(frozen=True, slots=True)
class Requirement:
    """A requirement of the platform and where a record shows that it is met.

    find: what the record says of it, "" where nothing. files: patterns of the files of the
    bundle that show it; without any of them it is not met, whatever is said.
    """

    id: str
    text: str
    find: Finder
    files: tuple[str, ...]

    def shown_by(self, record: StudyRecord) -> tuple[str, ...]:
        """The files of the record that show it."""
        found = [p for p in record.digests for one in self.files if fnmatch(p, one)]
        return (*found, *([LEDGER] if LEDGER in self.files and record.ledger else []))


def _evidence(kind: str, what: str) -> Finder:
    def find(record: StudyRecord) -> str:
        found = record.about(kind)
        return f"{what}: {', '.join(item.subject for item in found)}" if found else ""

    return find


def _passed(gate: str, what: str) -> Finder:
    """What is shown where a gate has decided and passed."""

    def find(record: StudyRecord) -> str:
        here = [v for v in record.verdicts if v.gate == gate]
        return what if here and all(v.has_passed for v in here) else ""

    return find


def _consent(record: StudyRecord) -> str:
    """Only where every source declares its codes: silence is no consent."""
    sources = [one for item in record.about("consent") for one in item.payload["sources"]]
    is_told = bool(sources) and all(one.get("duo") for one in sources)
    return _passed("consent", "codes of every source allow the use")(record) if is_told else ""


def _boundary(record: StudyRecord) -> str:
    """Only where something of the boundary could be compared with the data."""
    rows = [row for item in record.about("boundary") for row in item.payload["aspects"]]
    names = [plain_words(str(row["aspect"])) for row in rows if row["state"] == "compared"]
    return _passed("boundary", f"compared: {', '.join(names)}")(record) if names else ""


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
    is_all = bool(ids) and all("@" in name for name in ids)
    return f"registered by version: {', '.join(sorted(ids))}" if is_all else ""


def _splits(record: StudyRecord) -> str:
    kinds = [str(claim.get("kind")) for claim in record.claims]
    return f"one split a claim: {', '.join(map(plain_words, kinds))}" if record.statement else ""


def _part(name: str, what: str) -> Finder:
    def find(record: StudyRecord) -> str:
        return what if any(record.part(name).values()) else ""

    return find


def _registered(record: StudyRecord) -> str:
    return "study hash and signature" if record.registration.get("signature") else ""


def _represented(record: StudyRecord) -> str:
    shown = [card.name for card in record.data if card.counts]
    return f"who is in {', '.join(shown)}" if shown else ""


def _hashed(record: StudyRecord) -> str:
    is_whole = bool(record.manifest) and not record.altered
    return f"{count(len(record.manifest))} files under a manifest" if is_whole else ""


def _tiers(record: StudyRecord) -> str:
    found = standings(record.study, record.verdicts, record.evidence) if record.verdicts else ()
    return ", ".join(f"{one.claim} {one.tier.value}" for one in found)


def _needs(record: StudyRecord) -> str:
    found = standings(record.study, record.verdicts, record.evidence)
    is_stated = bool(record.part("context_of_use").get("influence"))
    return f"{found[0].required.value} for the risk of this use" if found and is_stated else ""


def _cautions(record: StudyRecord) -> str:
    found = record.about("cautions")
    n = sum(len(item.payload.get("cautions") or ()) for item in found)
    return f"{count(n)} raised automatically" if found else ""


STUDY, VERDICTS, SCORES = "study.json", "verdicts.json", "evidence/scores-*.json"

REQUIREMENTS: tuple[Requirement, ...] = (
    Requirement(
        "D2", "quality control", _evidence("quality", "report"), ("evidence/quality-*.json",)
    ),
    Requirement("D3", "batches judged", _evidence("batch", "report"), ("evidence/batch-*.json",)),
    Requirement("D10", "bias of sources shown", _represented, ("data.json",)),
    Requirement("A10", "automatic cautions", _cautions, ("evidence/cautions-*.json",)),
    Requirement("K11", "simple baselines beside every model", _baselines, ("models.json", SCORES)),
    Requirement("E6", "splits by claim", _splits, ("splits/*.parquet",)),
    Requirement(
        "E7", "stability", _evidence("stability", "spreads"), ("evidence/stability-*.json",)
    ),
    Requirement("E8", "parameters and compute time", _costs, (LEDGER,)),
    Requirement("E9", "grouped cross-validation", _folds, ("evidence/selection-*.json",)),
    Requirement("E14", "gate metrics have a registered definition", _identified, (STUDY,)),
    Requirement("E18", "Spearman", _metrics(("spearman",), "scored"), (SCORES,)),
    Requirement("L1", "inner entry: partition, quality, batches", _gates(Slot.ENTRY), (VERDICTS,)),
    Requirement(
        "L2", "concordance and uncertainty", _metrics(("coverage", "interval"), "scored"), (SCORES,)
    ),
    Requirement(
        "L3", "registered threshold and interval width", _gates(Slot.DECISION), (VERDICTS,)
    ),
    Requirement("L4", "inner feedback", _feedback, (VERDICTS,)),
    Requirement("P1", "consent", _consent, ("evidence/consent-*.json",)),
    Requirement(
        "R1", "seven steps of the FDA draft", _part("context_of_use", "crosswalk above"), (STUDY,)
    ),
    Requirement("R6", "a rationale beside every threshold", _rationale, (STUDY,)),
    Requirement(
        "R9",
        "licences of the data cover the use",
        _passed("licence", "stated for every source"),
        ("evidence/licence-*.json",),
    ),
    Requirement(
        "B1",
        "declared boundary, asked nothing outside",
        _boundary,
        ("evidence/boundary-*.json",),
    ),
    Requirement("C1", "a tier per claim", _tiers, (VERDICTS,)),
    Requirement("C2", "the tier that a use needs", _needs, (STUDY,)),
    Requirement(
        "F4", "attributions", _evidence("attribution", "of"), ("evidence/attribution-*.json",)
    ),
    Requirement("I1", "rights recorded", _part("rights", "the parties named"), (STUDY,)),
    Requirement("O2", "portable evidence, verified offline", _hashed, ("ro-crate-metadata.json",)),
    Requirement("O2", "registered before the run", _registered, ("registration.json",)),
)


def requirements(record: StudyRecord) -> Section:
    """Requirement ids with the evidence this record holds; those without are listed as such."""
    rows, missing = [], []
    for item in REQUIREMENTS:
        told, files = item.find(record), item.shown_by(record)
        if told and files:
            small = _named(files)
            rows.append((Cell(item.id, is_strong=True), Cell(item.text), Cell(told, small)))
        else:
            missing.append(f"{item.id} ({item.text})")
    columns = (Column("id"), Column("requirement"), Column("evidence here", hint="and its file"))
    told = f"{plural(len(rows), 'requirement')} with evidence in this bundle"
    table = Fold(told, (Table(columns, tuple(rows), is_stacked=True),))
    note = f"No evidence here for: {'; '.join(missing)}." if missing else ""
    return Section(
        "requirements",
        "Requirements met, with their evidence",
        "Requirements",
        (table, Text(note, is_soft=True)) if note else (table,),
    )


def _named(files: tuple[str, ...]) -> str:
    more = len(files) - NAMED
    return ", ".join(files[:NAMED]) + (f" and {more} more" if more > 0 else "")
