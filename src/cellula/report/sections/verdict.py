"""What the evidence supports, and the nine gates it passed or did not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from cellula.core.claim import Tier
from cellula.core.gate import Loop, Slot, Verdict
from cellula.core.numerals import NO_BREAK, count, estimate, number, percent
from cellula.report.blocks import (
    Absent,
    Banner,
    Block,
    Board,
    Cell,
    Column,
    Fold,
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
from cellula.report.record import StudyRecord
from cellula.report.sections.cautions import n_cautions
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
from cellula.validation.credibility import (
    STEPS,
    ClaimStanding,
    model_risk,
    required_tier,
    standings,
)

__all__ = ["banner", "gates", "overall_status", "standing_status"]

#: Loop and slot -> what stands there once it exists.
TO_COME: Mapping[tuple[Loop, Slot], str] = {
    (Loop.INNER, Slot.ENTRY): "consent, licences, boundary, leakage, quality and batches",
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
LINES = 8


def banner(record: StudyRecord) -> Section:
    """The verdict: permitted use in a sentence, then every claim with tier and number."""
    found = standings(record.study, record.verdicts, record.evidence)
    use = record.part("context_of_use")
    facts = (
        ("Use in question", str(use.get("role") or "not stated")),
        ("Tier required", _required(use) if found else "none"),
        ("Cautions", n_cautions(record)),
        ("Standing", "Model evidence is supplementary: it ranks and prioritises experiments."),
    )
    block = Banner(
        status=overall_status(found),
        headline=_headline(found, str(use.get("role") or "the stated use")),
        standings=tuple(_standing(record, one) for one in found),
        facts=facts,
    )
    return Section("verdict", "Verdict", "Verdict", (block,))


def _required(use: Mapping[str, Any]) -> str:
    """The tier that the use requires, and what reaching it takes."""
    tier = required_tier(use)
    return f"{tier.value}, for a use of {model_risk(use)} risk: {STEPS[tier]}"


def overall_status(found: tuple[ClaimStanding, ...]) -> Status:
    """Passed or failed where all claims are, else undecided."""
    statuses = {standing_status(one) for one in found}
    if statuses == {"pass"}:
        return "pass"
    return "fail" if statuses == {"fail"} else "wait"


def standing_status(one: ClaimStanding) -> Status:
    """Passed, failed or undecided, as every section shows it."""
    if one.is_adequate:
        return "pass"
    is_refused = one.tier is Tier.T0 and one.is_decided and not one.is_underpowered
    return "fail" if is_refused else "wait"


def _headline(found: tuple[ClaimStanding, ...], role: str) -> str:
    """The permitted use in words; what is not supported or not known is always said as well."""
    scopes = _scopes(found)
    yes = [one for one in found if one.is_adequate]
    some = [one for one in found if not one.is_adequate and one.tier >= Tier.T1]
    rest = [one for one in found if one.tier is Tier.T0]
    few = [one for one in rest if one.is_decided and one.is_underpowered]
    no = [one for one in rest if one not in few]
    parts: list[str] = []
    if yes:
        parts.append(f"The evidence supports this use – {role} – for {_joined(yes, scopes)}.")
    if some:
        parts.append(
            f"For {_joined(some, scopes)} it supports exploration only: this use requires "
            f"{some[0].required.value}."
        )
    if no:
        opening = "It does not support it" if yes or some else "The evidence does not support use"
        parts.append(f"{opening} for {_joined(no, scopes)}.")
    if few:
        parts.append(
            f"Undecided for {_joined(few, scopes)}: the units of replication are too few to tell."
        )
    return " ".join(parts) or "No claim is registered, so the evidence supports no use."


def _scopes(found: tuple[ClaimStanding, ...]) -> Mapping[str, str]:
    """Claim -> what it speaks of; its name as well where several speak of the same."""
    kinds = Counter(one.kind for one in found)
    return {
        one.claim: claim_scope(one.kind) + (f" ({one.claim})" if kinds[one.kind] > 1 else "")
        for one in found
    }


def _joined(found: list[ClaimStanding], scopes: Mapping[str, str]) -> str:
    """What the claims speak of, as one list in words."""
    parts = [scopes[one.claim] for one in found]
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
        text = " ".join(_score_sentence(s, v) for s, v in told) + _anchors(scores)
    blocked = [v for v in one.verdicts if not v.has_passed and v.slot is Slot.ENTRY]
    if blocked:
        text += f" Entry gate {plain_words(blocked[0].gate)}: {blocked[0].reason}"
    return Standing(one.claim, one.tier.value, standing_status(one), one.word, text)


def _score_sentence(score: GateScore, verdict: Verdict) -> str:
    """The anchored score of a metric beside what was required of it."""
    anchored = score.anchored
    told = estimate(anchored.value, anchored.lower, anchored.upper)
    found = f"{capital(metric_words(score.metric))} {told}"
    if verdict.threshold is None:
        return f"{found}: {verdict.reason}."
    words = {"pass": "reached", "fail": "not reached", "wait": "undecided"}
    word = words[OUTCOME_STATUS[verdict.outcome]]
    if word == "not reached" and anchored.lower >= verdict.threshold:
        word = "reached, but the interval is too wide"
    return f"{found}, lower bound required{NO_BREAK}{_limit(verdict)}: {word}."


def _anchors(scores: tuple[GateScore, ...]) -> str:
    """What 0 and 1 stand for, once where all scores share it."""
    ends = dict.fromkeys((score.anchored.baseline, score.anchored.ceiling) for score in scores)
    told = [f"0 is the {model_words(base)}, 1 the {model_words(top)}" for base, top in ends]
    return f" On this scale {'; or '.join(told)}." if told else ""


def gates(record: StudyRecord) -> Section:
    """The board of nine, every verdict with its reason, and the thresholds with theirs."""
    loops = tuple((LOOPS[loop], tuple(_card(record, loop, slot) for slot in Slot)) for loop in Loop)
    blocks: list[Block] = [Board(loops, tuple(SLOTS[slot] for slot in Slot))]
    if record.verdicts:
        blocks.append(_every_verdict(record.verdicts))
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
    all_failed = not passed and all(OUTCOME_STATUS[v.outcome] == "fail" for v in here)
    here.sort(key=lambda v: v.has_passed)
    lines = [_gate_line(v) for v in here[:LINES]]
    note = f"and {len(here) - LINES} more below" if len(here) > LINES else ""
    statuses = {OUTCOME_STATUS[v.outcome] for v in here}
    status: Status = "fail" if "fail" in statuses else "wait" if "wait" in statuses else "pass"
    word = f"{passed} of {len(here)} passed"
    word = word if passed < len(here) else f"all {passed} passed" if passed > 1 else "passed"
    word = "failed" if all_failed else word
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
    """A verdict on the board: its number, and its reason where it did not pass."""
    told = _measured(verdict)
    note = "" if verdict.has_passed else capital(verdict.reason.rstrip(".")) + "."
    if verdict.feedback is not None:
        note += f" Next: {FEEDBACK_ADVICE[verdict.feedback]}."
    is_score = verdict.slot is Slot.DECISION and verdict.about
    name = _about(verdict) if is_score else plain_words(verdict.gate)
    return GateLine(
        status=_status(verdict),
        word=plain_words(verdict.outcome.value),
        name=f"{name} · {verdict.subject}",
        number=told,
        note=note,
    )


def _status(verdict: Verdict) -> Status:
    found = OUTCOME_STATUS[verdict.outcome]
    return "pass" if found == "pass" else "fail" if found == "fail" else "wait"


def _measured(verdict: Verdict) -> str:
    is_count = verdict.slot is Slot.ENTRY and verdict.threshold == 0
    if verdict.number is None or verdict.threshold is None or is_count:
        return ""
    told = estimate(verdict.number, verdict.lower, verdict.upper)
    if verdict.slot is Slot.EXIT:
        told = f"sd {told}"
    return f"{told}, required{NO_BREAK}{_limit(verdict)}"


def _limit(verdict: Verdict) -> str:
    """The threshold as a decision gate demands it (at least) and as the others do (at most)."""
    if verdict.threshold is None:
        return ""
    sign = "≥" if verdict.slot is Slot.DECISION else "≤"
    whole = float(verdict.threshold).is_integer()
    return f"{sign}{NO_BREAK}{number(verdict.threshold, None if whole else 2)}"


def _about(verdict: Verdict) -> str:
    """What the number of a verdict measures, in words: ``sd of variance explained``."""
    what, of, metric = verdict.about.rpartition(" of ")
    return f"{what}{of}{metric_words(metric)}"


def _every_verdict(verdicts: tuple[Verdict, ...]) -> Fold:
    missed = sum(not v.has_passed for v in verdicts)
    told = f"{count(missed)} of {count(len(verdicts))} not passed" if missed else "all passed"
    return Fold(f"Every verdict with its reason: {told}", (_verdict_table(verdicts),))


def _verdict_table(verdicts: tuple[Verdict, ...]) -> Table:
    rows = []
    for v in verdicts:
        back = FEEDBACK_ADVICE[v.feedback] if v.feedback else ""
        rows.append(
            (
                Cell(plain_words(v.gate), f"{LOOPS[v.loop].lower()}, {SLOTS[v.slot]}"),
                Cell(v.subject),
                Cell(plain_words(v.outcome.value), status=_status(v)),
                Cell(estimate(v.number, v.lower, v.upper), _about(v), is_prose=True),
                Cell(_limit(v) or "–"),
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
        _threshold_row(str(claim.get("id", "")), gate, _spent(record, claim, place))
        for claim in record.claims
        for place, gate in enumerate(claim.get("gate") or ())
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


def _spent(record: StudyRecord, claim: Mapping[str, Any], place: int) -> str:
    """The level that earlier attempts left to a gate's interval; "" where it is the full one."""
    told = (record.statement.get("attempts") or {}).get(claim.get("id")) or {}
    if not told.get("earlier_attempts"):
        return ""
    return f"{100 * told['levels'][place]:.6g}\u202f%, attempts counted"


def _threshold_row(claim: str, gate: Mapping[str, Any], spent: str) -> tuple[Cell, ...]:
    fails = gate.get("on_fail")
    return (
        Cell(claim),
        Cell(metric_words(str(gate.get("metric", ""))), str(gate.get("metric", ""))),
        Cell(number(gate.get("at_least"), 2)),
        Cell(percent(gate.get("ci")), spent),
        Cell(number(gate.get("ci_width_max"), 2)),
        Cell(
            str(gate.get("why") or "no reason was written"),
            f"On failure: {plain_words(str(fails))}." if fails else "",
        ),
    )
