"""The seven steps of FDA's 2025 draft credibility framework, the risk of the use, and tiers.

Source: U.S. Food and Drug Administration, "Considerations for the Use of Artificial
Intelligence to Support Regulatory Decision-Making for Drug and Biological Products", draft
guidance, January 2025.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cellula.core.numerals import count, plural
from cellula.report.blocks import Block, Cell, Column, Heading, Section, Status, Table, Text
from cellula.report.record import StudyRecord
from cellula.report.sections.verdict import overall_status, standing_status
from cellula.report.words import listing, plain_words
from cellula.validation.credibility import (
    RANKS,
    ClaimStanding,
    model_risk,
    required_tier,
    standings,
)

__all__ = ["crosswalk"]

EXPERIMENT = "needs an experiment"


@dataclass(frozen=True, slots=True)
class Step:
    """One of the seven: what is here, details of it, and what is not reached yet."""

    name: str
    here: str
    details: str = ""
    open: str = ""
    status: Status = ""


def crosswalk(record: StudyRecord) -> Section:
    """What this study offers to each of the seven steps, its risk, and what each claim misses."""
    rows = tuple(
        (
            Cell(str(place)),
            Cell(step.name, is_strong=True),
            Cell(step.here or "nothing yet", step.details, step.status),
            Cell(step.open or "–"),
        )
        for place, step in enumerate(_steps(record), start=1)
    )
    columns = (
        Column("step", is_number=True),
        Column("asks for"),
        Column("here"),
        Column("not reached yet"),
    )
    blocks: tuple[Block, ...] = (
        Table(columns, rows, is_stacked=True),
        Heading("Risk of the use: influence × consequence"),
        *_risk(record),
        Heading("Tier required, tier reached"),
        *_tiers(record),
        Text(
            "A crosswalk to help a reviewer, not a claim of acceptance: the evidence supports, "
            "the reviewer decides. Evidence of a model alone never supports a use of high risk.",
            is_soft=True,
        ),
    )
    return Section(
        "credibility",
        "Credibility, in the seven steps of FDA's 2025 draft",
        "Credibility",
        blocks,
    )


def _standings(record: StudyRecord) -> tuple[ClaimStanding, ...]:
    return standings(record.study, record.verdicts, record.evidence)


def _steps(record: StudyRecord) -> list[Step]:
    study, use = record.part("study"), record.part("context_of_use")
    found = _standings(record)
    return [
        Step("Question of interest", str(study.get("question") or "")),
        Step("Context of use", str(use.get("role") or ""), _use(use)),
        Step(
            "Model risk",
            f"{model_risk(use)}: influence {use.get('influence', 'not stated')} × consequence "
            f"{use.get('consequence', 'not stated')}",
            f"requires tier {required_tier(use).value}; what is not stated counts as high",
        ),
        _plan(record),
        _execution(record),
        Step(
            "Results and deviations",
            "this dossier, the bundle and its verdicts" if record.verdicts else "",
            "see deviations and attempts",
            f"what was measured beside what was predicted: {EXPERIMENT}",
        ),
        Step(
            "Adequacy",
            _adequacy(found),
            "model evidence is supplementary",
            _open(found),
            overall_status(found),
        ),
    ]


def _plan(record: StudyRecord) -> Step:
    statement = record.statement
    gates = sum(len(claim.get("gate") or ()) for claim in record.claims)
    told = f"the study file, version {statement['version']}, signed" if statement else ""
    study_hash = str(statement.get("study_hash", ""))[:16]
    small = f"{count(gates)} thresholds with their reasons; study hash {study_hash}…"
    planned = bool(record.part("middle"))
    rest = "" if planned else f"assay, endpoint and power of a confirmation: {EXPERIMENT}"
    return Step("Credibility plan", told, small if statement else "", rest)


def _execution(record: StudyRecord) -> Step:
    runs = len(record.entries("run_finished"))
    told = f"{plural(runs, 'run')} finished" if runs else ""
    if not told and record.verdicts:
        told = "run; the ledger that counts attempts is not at hand"
    opened = len(record.entries("labels_opened"))
    small = f"held-out labels opened {count(opened)} times in all" if record.ledger else ""
    return Step("Execution", told, small, f"the assay itself: {EXPERIMENT}")


def _use(use: Mapping[str, Any]) -> str:
    parts = (f"{plain_words(key)}: {listing(value)}" for key, value in use.items() if key != "role")
    return ", ".join(parts)


def _adequacy(found: tuple[ClaimStanding, ...]) -> str:
    return "; ".join(
        f"{one.claim}: {one.word} ({one.tier.value}, required {one.required.value})"
        for one in found
    )


def _open(found: tuple[ClaimStanding, ...]) -> str:
    """What the claims still miss; a step beyond the computation says that it is one."""
    if not found or all(one.is_adequate for one in found):
        return f"a tier above {found[0].tier.value}: {EXPERIMENT}" if found else ""
    steps = dict.fromkeys(text for one in found for text in one.missing)
    is_beyond = any("experiment" in text for text in steps)
    return "; ".join(steps) + (f" ({EXPERIMENT})" if is_beyond else "")


# -- risk and tiers -------------------------------------------------------------------------------
def _risk(record: StudyRecord) -> list[Block]:
    """The matrix of all nine risks, with the study's own cell."""
    use = record.part("context_of_use")
    here = (use.get("influence"), use.get("consequence"))
    rows = tuple(
        (
            Cell(f"{consequence} consequence", is_strong=True),
            *(_risk_cell(influence, consequence, here) for influence in RANKS),
        )
        for consequence in reversed(RANKS)
    )
    columns = (Column(""), *(Column(f"{influence} influence") for influence in RANKS))
    return [Table(columns, rows, is_stacked=True)]


def _risk_cell(influence: str, consequence: str, here: tuple[object, object]) -> Cell:
    use = {"influence": influence, "consequence": consequence}
    text = f"{model_risk(use)}, {required_tier(use).value}"
    is_here = here == (influence, consequence)
    return Cell(text, "this study" if is_here else "", is_strong=is_here)


def _tiers(record: StudyRecord) -> list[Block]:
    """Per claim the tier reached, the one required, what it rests on and what it misses."""
    rows = tuple(
        (
            Cell(one.claim),
            Cell(one.tier.value, status=standing_status(one)),
            Cell(one.required.value),
            Cell("not scored yet" if one.n_units is None else count(one.n_units)),
            Cell("; ".join(one.missing) or "nothing for this use"),
        )
        for one in _standings(record)
    )
    columns = (
        Column("claim", is_name=True),
        Column("reached"),
        Column("required"),
        Column("units", is_number=True, hint="of replication"),
        Column("missing"),
    )
    note = (
        "Units of replication cap the tier: five allow T1, ten T2, twenty T3 and T4. T2 needs a "
        "powered experiment, T3 a replication elsewhere, T4 an independent signature."
    )
    return [Table(columns, rows, is_stacked=True), Text(note, is_soft=True)]
