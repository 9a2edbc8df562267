"""The gate kit passes a correct toy and catches every fault planted in it."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import count
from typing import ClassVar, final

import pytest

from cellula.core.errors import EvidenceError
from cellula.core.evidence import Evidence
from cellula.core.gate import Feedback, Loop, Outcome, Slot, Verdict
from cellula.core.model import Options
from cellula.testing import GateConformance, NotConformant

GOOD = {"count": Evidence("count", "claim-1", {"n": 9}), "batch": Evidence("batch", "c", {})}
BAD = {"count": Evidence("count", "claim-1", {"n": 1})}
CALLS = count()


class ToyOptions(Options):
    at_least: int = 5
    fault: str = ""


@final
class Toy:
    name: ClassVar[str] = "toy"
    loop: ClassVar[Loop] = Loop.INNER
    slot: ClassVar[Slot] = Slot.DECISION
    options_type: ClassVar[type[Options]] = ToyOptions
    needs: ClassVar[tuple[str, ...]] = ("count",)

    def __init__(self, options: ToyOptions) -> None:
        self.options = options

    def decide(self, evidence: Mapping[str, Evidence]) -> Verdict:
        fault = self.options.fault
        if "count" not in evidence and fault != "lenient":
            raise EvidenceError("evidence is missing" if fault == "vague" else "no 'count'")
        found = evidence.get("count", GOOD["count"])
        n = found.payload.get("n", 99) if fault == "default" else found.payload["n"]
        if fault == "moves":
            found.payload["seen"] = True  # type: ignore[index]
        is_good = n >= self.options.at_least or fault == "always"
        if fault == "never":
            is_good = False
        reason = f"{n} counts"
        if fault == "counts_calls":
            reason += f", call {next(CALLS)}"
        if fault == "curious":
            reason += f", {len(evidence)} pieces"
        outcome = Outcome.PASSED if is_good else Outcome.FAILED
        if fault == "outcome":
            outcome = Outcome.CONFIRMED
        has_feedback = not is_good if fault != "feedback" else is_good
        return Verdict(
            gate="other" if fault == "name" else self.name,
            loop=Loop.MIDDLE if fault == "loop" else self.loop,
            slot=Slot.EXIT if fault == "slot" else self.slot,
            subject="claim-2" if fault == "subject" else found.subject,
            outcome=outcome,
            reason="" if fault == "reason" else reason,
            number=float(n),
            threshold=float(self.options.at_least),
            feedback=Feedback.DATA_CLEANING if has_feedback and fault != "loop" else None,
            evidence={} if fault == "hashes" else {"count": found.hash},
            about=7 if fault == "about" else "counts",  # type: ignore[arg-type]
        )


@pytest.mark.requirement("L12")
def test_a_correct_gate_passes() -> None:
    GateConformance(Toy, passing=[GOOD], failing=[BAD]).check()


@pytest.mark.requirement("L12")
@pytest.mark.parametrize(
    ("fault", "rule"),
    [
        ("lenient", "missing 'count' is an EvidenceError"),
        ("vague", "names 'count'"),
        ("default", "without content is an error"),
        ("moves", "left as it was"),
        ("always", "does not pass on bad evidence"),
        ("never", "passes on good evidence"),
        ("counts_calls", "the same verdict"),
        ("curious", "other evidence does not move it"),
        ("outcome", "one of its loop"),
        ("feedback", "where to go back to"),
        ("name", "names the gate"),
        ("loop", "gate's loop"),
        ("slot", "gate's slot"),
        ("subject", "subject"),
        ("reason", "has a reason"),
        ("hashes", "carries the hashes"),
        ("about", "about names what a number measures"),
    ],
)
def test_a_planted_fault_is_caught(fault: str, rule: str) -> None:
    good = {kind: Evidence(e.kind, e.subject, dict(e.payload)) for kind, e in GOOD.items()}
    with pytest.raises(NotConformant, match=rule):
        GateConformance(Toy, {"fault": fault}, [good], [BAD]).check()


def test_a_gate_without_needs_is_caught() -> None:
    wrong = type("Wrong", (), {**dict(vars(Toy)), "needs": ()})
    with pytest.raises(NotConformant, match="needs names the kinds"):
        GateConformance(wrong).check()
