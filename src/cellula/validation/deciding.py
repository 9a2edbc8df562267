"""Deciding: gates by name through the registry, each a pure function of its evidence."""

from __future__ import annotations

from collections.abc import Sequence

from cellula.core import registry
from cellula.core.evidence import Evidence
from cellula.core.gate import Gate, Outcome, Verdict
from cellula.validation.study import Study

__all__ = ["ENTRY_GATES", "decide_entry", "decide_study", "exit_code"]

#: Entry gate of the inner loop -> the evidence that it reads.
ENTRY_GATES = {"no_leakage": "leakage", "quality": "quality", "batch_calibration": "batch"}

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
        found = [
            item for item in evidence if item.kind == "anchored_score" and item.subject == claim.id
        ]
        for rule, item in zip(claim.gate, found, strict=False):
            options = {
                "at_least": rule.at_least,
                "ci_width_max": rule.ci_width_max,
                "on_fail": rule.on_fail,
            }
            gate: Gate = registry.create("gate", "anchored_score", options)
            verdicts.append(gate.decide({"anchored_score": item}))
    return tuple(verdicts)


def exit_code(verdicts: Sequence[Verdict]) -> int:
    """0 when every gate passed, else the code of the gravest outcome."""
    outcomes = {verdict.outcome for verdict in verdicts}
    return next((code for outcome, code in EXIT_CODES if outcome in outcomes), 0)
