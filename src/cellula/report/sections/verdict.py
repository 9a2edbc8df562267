"""What the evidence supports, and the nine gates it passed or did not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cellula.core.claim import Tier
from cellula.core.gate import Loop, Slot, Verdict
from cellula.report.blocks import (
    Absent,
    Banner,
    Block,
    Board,
    Cell,
    Column,
    GateLine,
    Heading,
    Section,
    SlotCard,
    Standing,
    Status,
    Table,
    Text,
)
from cellula.report.cards import GateScore
from cellula.report.numerals import NO_BREAK, estimate, number, percent
from cellula.report.record import StudyRecord
from cellula.report.standing import ClaimStanding, standings
from cellula.report.words import (
    FEEDBACK_ADVICE,
    LOOPS,
    OUTCOME_STATUS,
    SLOTS,
    capital,
    claim_scope,
    metric_words,
    model_words,
    plain_words,
)

__all__ = ["banner", "gates"]

#: Loop and slot -> what stands there once it exists.
TO_COME: Mapping[tuple[Loop, Slot], str] = {
    (Loop.INNER, Slot.ENTRY): "leakage, quality and batches of the data",
    (Loop.INNER, Slot.DECISION): "the registered thresholds on held-out data",
    (Loop.INNER, Slot.EXIT): "stability over seeds and resampling",
    (Loop.MIDDLE, Slot.ENTRY): "assay, endpoint and power, fixed in advance",
    (Loop.MIDDLE, Slot.DECISION): "the experiment beside its prediction",
    (Loop.MIDDLE, Slot.EXIT): "what the experiment changed in the model",
    (Loop.OUTER, Slot.ENTRY): "another platform, or data acquired after the freeze",
    (Loop.OUTER, Slot.DECISION): "five evidence slots and bands per stratum",
    (Loop.OUTER, Slot.EXIT): "an independent signature",
}
#: A card of the board lists so many verdicts; the table beneath lists all.
LINES = 6


def banner(record: StudyRecord) -> Section:
    """The verdict: permitted use in a sentence, then every claim with tier and number."""
    found = standings(record)
    use = record.part("context_of_use")
    required = found[0].required.value if found else "none"
    facts = (
        ("Use in question", str(use.get("role") or "not stated")),
        ("Tier required", f"{required}, for the risk of this use"),
        ("Standing", "Model evidence is supplementary: it ranks and prioritises experiments."),
    )
    block = Banner(
        status=_overall(found),
        headline=_headline(found, str(use.get("role") or "the stated use")),
        standings=tuple(_standing(record, one) for one in found),
        facts=facts,
    )
    return Section("verdict", "Verdict", "Verdict", (block,))


def _overall(found: tuple[ClaimStanding, ...]) -> Status:
    statuses = {one.status for one in found}
    if statuses == {"pass"}:
        return "pass"
    return "fail" if statuses == {"fail"} else "wait"


def _headline(found: tuple[ClaimStanding, ...], role: str) -> str:
    """The permitted use in words; what is not supported is always said as well."""
    yes = [claim_scope(one.kind) for one in found if one.is_adequate]
    some = [one for one in found if not one.is_adequate and one.tier >= Tier.T1]
    no = [one for one in found if one.tier is Tier.T0]
    parts: list[str] = []
    if yes:
        parts.append(f"The evidence supports this use – {role} – for {_joined(yes)}.")
    if some:
        scopes = _joined([claim_scope(one.kind) for one in some])
        parts.append(
            f"For {scopes} it supports exploration only: this use requires "
            f"{some[0].required.value}."
        )
    if no:
        scopes = _joined([claim_scope(one.kind) for one in no])
        opening = "It does not support it" if yes or some else "The evidence does not support use"
        parts.append(f"{opening} for {scopes}.")
    return " ".join(parts) or "No claim is registered, so the evidence supports no use."


def _joined(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + " and " + parts[-1]


def _standing(record: StudyRecord, one: ClaimStanding) -> Standing:
    scores = record.gate_scores(one.claim)
    decisions = [v for v in one.verdicts if v.slot is Slot.DECISION and v.subject == one.claim]
    if not decisions:
        text = "Not decided yet: no held-out label has been opened for it."
    elif len(scores) != len(decisions):
        text = " ".join(verdict.reason for verdict in decisions)
    else:
        told = zip(scores, decisions, strict=True)
        text = " ".join(f"{_score_sentence(s)} {_requirement(v)}" for s, v in told)
    blocked = [v for v in one.verdicts if not v.has_passed and v.slot is Slot.ENTRY]
    if blocked:
        text += f" Entry gate {plain_words(blocked[0].gate)}: {blocked[0].reason}"
    return Standing(one.claim, one.tier.value, one.status, one.word, text)


def _score_sentence(score: GateScore) -> str:
    anchored = score.anchored
    told = estimate(anchored.value, anchored.lower, anchored.upper)
    return (
        f"{capital(metric_words(score.metric))}, anchored: {told}. Baseline (0): "
        f"{model_words(anchored.baseline)}; ceiling (1): {model_words(anchored.ceiling)}."
    )


def _requirement(verdict: Verdict) -> str:
    if verdict.threshold is None:
        return verdict.reason
    words = {"pass": "reached", "fail": "not reached", "wait": "undecided"}
    return f"Required: {number(verdict.threshold, 2)}, {words[OUTCOME_STATUS[verdict.outcome]]}."


def gates(record: StudyRecord) -> Section:
    """The board of nine, every verdict with its reason, and the thresholds with theirs."""
    loops = tuple((LOOPS[loop], tuple(_card(record, loop, slot) for slot in Slot)) for loop in Loop)
    blocks: list[Block] = [Board(loops, tuple(SLOTS[slot] for slot in Slot))]
    if record.verdicts:
        blocks += [Heading("Every verdict, with its reason"), _verdict_table(record.verdicts)]
    else:
        blocks.append(Absent("No gate has decided yet; verdicts appear here after the run."))
    thresholds = _threshold_table(record)
    if thresholds.rows:
        blocks += [
            Heading("Thresholds, registered before any held-out label was opened"),
            thresholds,
            Text(
                "A gate passes when the lower bound of the anchored score reaches the threshold "
                "and the interval is no wider than allowed.",
                is_soft=True,
            ),
        ]
    return Section("gates", "Nine gates", "Gates", tuple(blocks))


def _card(record: StudyRecord, loop: Loop, slot: Slot) -> SlotCard:
    here = [v for v in record.verdicts if v.loop is loop and v.slot is slot]
    if not here:
        planned = _planned(record, loop, slot)
        word = "planned" if planned else "nothing yet"
        return SlotCard(LOOPS[loop], SLOTS[slot], "none", word, note=planned or TO_COME[loop, slot])
    passed = sum(v.has_passed for v in here)
    here.sort(key=lambda v: v.has_passed)
    lines = [_gate_line(v) for v in here[:LINES]]
    note = f"and {len(here) - LINES} more below" if len(here) > LINES else ""
    statuses = {OUTCOME_STATUS[v.outcome] for v in here}
    status: Status = "fail" if "fail" in statuses else "wait" if "wait" in statuses else "pass"
    word = f"{passed} of {len(here)} passed" if passed < len(here) else "passed"
    return SlotCard(LOOPS[loop], SLOTS[slot], status, word, tuple(lines), note)


def _planned(record: StudyRecord, loop: Loop, slot: Slot) -> str:
    """What the study file already says about a slot without a verdict."""
    if loop is Loop.MIDDLE and slot is Slot.ENTRY and record.part("middle"):
        assay = record.part("middle").get("assay") or {}
        return f"{assay.get('endpoint', 'endpoint')} in {plain_words(str(assay.get('system', '')))}"
    if loop is Loop.OUTER and slot is Slot.DECISION and record.part("outer").get("require"):
        return "requires " + ", ".join(map(plain_words, record.part("outer")["require"]))
    return ""


def _gate_line(verdict: Verdict) -> GateLine:
    status = _status(verdict)
    note = ""
    if not verdict.has_passed:
        note = verdict.reason.rstrip(".") + "."
        if verdict.feedback is not None:
            note += f" Next: {FEEDBACK_ADVICE[verdict.feedback]}."
    return GateLine(
        status=status,
        word=plain_words(verdict.outcome.value),
        name=f"{plain_words(verdict.gate)} · {verdict.subject}",
        number=_measured(verdict),
        note=note,
    )


def _status(verdict: Verdict) -> Status:
    found = OUTCOME_STATUS[verdict.outcome]
    return "pass" if found == "pass" else "fail" if found == "fail" else "wait"


def _measured(verdict: Verdict) -> str:
    if verdict.number is None:
        return ""
    told = estimate(verdict.number, verdict.lower, verdict.upper)
    if verdict.threshold is None:
        return told
    word = "required" if verdict.slot is Slot.DECISION else "limit"
    return f"{told}, {word}{NO_BREAK}{number(verdict.threshold)}"


def _verdict_table(verdicts: tuple[Verdict, ...]) -> Table:
    rows = []
    for v in verdicts:
        back = FEEDBACK_ADVICE[v.feedback] if v.feedback else ""
        rows.append(
            (
                Cell(plain_words(v.gate), f"{LOOPS[v.loop].lower()}, {SLOTS[v.slot]}"),
                Cell(v.subject),
                Cell(plain_words(v.outcome.value), status=_status(v)),
                Cell(estimate(v.number, v.lower, v.upper)),
                Cell(number(v.threshold)),
                Cell(v.reason, f"Next: {back}." if back else ""),
            )
        )
    columns = (
        Column("gate", is_name=True),
        Column("about", is_name=True),
        Column("verdict"),
        Column("number", is_number=True),
        Column("threshold", is_number=True),
        Column("reason"),
    )
    return Table(columns, tuple(rows), is_stacked=True)


def _threshold_table(record: StudyRecord) -> Table:
    rows = [
        _threshold_row(str(claim.get("id", "")), gate)
        for claim in record.claims
        for gate in claim.get("gate") or ()
    ]
    columns = (
        Column("claim", is_name=True),
        Column("metric"),
        Column("at least", is_number=True),
        Column("interval", is_number=True),
        Column("widest", is_number=True),
        Column("why this threshold"),
    )
    return Table(columns, tuple(rows), is_stacked=True)


def _threshold_row(claim: str, gate: Mapping[str, Any]) -> tuple[Cell, ...]:
    fails = gate.get("on_fail")
    return (
        Cell(claim),
        Cell(metric_words(str(gate.get("metric", ""))), str(gate.get("metric", ""))),
        Cell(number(gate.get("at_least"), 2)),
        Cell(percent(gate.get("ci"))),
        Cell(number(gate.get("ci_width_max"), 2)),
        Cell(
            str(gate.get("why") or "no reason was written"),
            f"On failure: {plain_words(str(fails))}." if fails else "",
        ),
    )
