"""Deciding: gates by name through the registry, each a pure function of its evidence.

The exit gate also reads the verdicts of the decision gates before it, as evidence of the kind
``decisions``: they stand in the list of verdicts, so no file of their own repeats them.
"""

from __future__ import annotations

from collections.abc import Sequence

from cellula.core import registry
from cellula.core.canonical import plain
from cellula.core.evidence import Evidence
from cellula.core.gate import Gate, Outcome, Verdict
from cellula.validation.study import Claim, Study

__all__ = ["ENTRY_GATES", "decide_entry", "decide_study", "exit_code"]

#: Entry gate of the inner loop -> the evidence that it reads.
ENTRY_GATES = {
    "consent": "consent",
    "licence": "licence",
    "boundary": "boundary",
    "no_leakage": "leakage",
    "quality": "quality",
    "batch_calibration": "batch",
}

#: The exit gate of the inner loop.
EXIT_GATE = "stability"

#: Outcome -> exit code of the command line, the gravest first.
EXIT_CODES = (
    (Outcome.NOT_ELIGIBLE, 4),
    (Outcome.FAILED, 2),
    (Outcome.UNDERPOWERED, 5),
)


def decide_entry(evidence: Sequence[Evidence]) -> tuple[Verdict, ...]:
    """The verdicts of the entry gates, one for each piece of evidence that they read."""
    verdicts: list[Verdict] = []
    for name, kind in ENTRY_GATES.items():
        gate: Gate = registry.create("gate", name)
        found = [item for item in evidence if item.kind == kind]
        verdicts += [gate.decide({kind: item}) for item in found] or [gate.decide({})]
    return tuple(verdicts)


def decide_study(study: Study, evidence: Sequence[Evidence]) -> tuple[Verdict, ...]:
    """Every verdict of the inner loop from its evidence alone: same evidence, same verdicts."""
    verdicts = list(decide_entry(evidence))
    for claim in study.claim:
        about = [item for item in evidence if item.subject == claim.id]
        decided = _decide_claim(claim, about)
        verdicts += [*decided, *_decide_exit(claim, decided, about)]
    return tuple(verdicts)


def _decide_claim(claim: Claim, evidence: Sequence[Evidence]) -> list[Verdict]:
    """The decision gates of a claim in the order of the study file; none before it is scored."""
    found = [item for item in evidence if item.kind == "anchored_score"]
    verdicts: list[Verdict] = []
    for rule, item in zip(claim.gate, found, strict=False):
        options = {
            "at_least": rule.at_least,
            "ci_width_max": rule.ci_width_max,
            "on_fail": rule.on_fail,
        }
        gate: Gate = registry.create("gate", "anchored_score", options)
        verdicts.append(gate.decide({"anchored_score": item}))
    return verdicts


def _decide_exit(
    claim: Claim, decided: Sequence[Verdict], evidence: Sequence[Evidence]
) -> list[Verdict]:
    """Whether the claim leaves the inner loop; nothing to say before it was decided."""
    if not decided:
        return []
    gate: Gate = registry.create("gate", EXIT_GATE)
    verdicts = Evidence("decisions", claim.id, {"verdicts": plain(list(decided))})
    found = {item.kind: item for item in evidence if item.kind in gate.needs}
    return [gate.decide({**found, "decisions": verdicts})]


def exit_code(verdicts: Sequence[Verdict]) -> int:
    """0 when every gate passed, else the code of the gravest outcome."""
    outcomes = {verdict.outcome for verdict in verdicts}
    return next((code for outcome, code in EXIT_CODES if outcome in outcomes), 0)
