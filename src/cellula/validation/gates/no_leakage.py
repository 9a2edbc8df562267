"""The entry gate on leakage: nothing held out may reach training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, final

from cellula.core.errors import EvidenceError
from cellula.core.evidence import Evidence
from cellula.core.gate import Feedback, Loop, Outcome, Slot, Verdict
from cellula.core.model import Options
from cellula.validation.gates.required import required

__all__ = ["NoLeakage"]

#: What it reads of the evidence.
FIELDS = ("checks",)
#: The check that no leak report goes without.
UNITS = "shared_units"


@final
class NoLeakage:
    """Passes when no check of the leak report found a leak."""

    name: ClassVar[str] = "no_leakage"
    loop: ClassVar[Loop] = Loop.INNER
    slot: ClassVar[Slot] = Slot.ENTRY
    options_type: ClassVar[type[Options]] = Options
    needs: ClassVar[tuple[str, ...]] = ("leakage",)

    def __init__(self, options: Options) -> None:
        self.options = options

    def decide(self, evidence: Mapping[str, Evidence]) -> Verdict:
        """Decide by the evidence ``leakage`` of one claim."""
        report = required(self.name, "leakage", FIELDS, evidence)
        checks = report.payload["checks"]
        if not any(check["name"] == UNITS for check in checks):
            raise EvidenceError(
                f"gate {self.name!r} cannot decide: the leak report of {report.subject!r} has no "
                f"check {UNITS!r}; make it again"
            )
        leaks = [check for check in checks if check["is_leak"]]
        if leaks:
            outcome = Outcome.FAILED
            reason = "; ".join(
                f"{check['name']}: {check['count']} ({', '.join(check['examples'])})"
                for check in leaks
            )
        else:
            outcome = Outcome.PASSED
            units = next(check["total"] for check in checks if check["name"] == UNITS)
            reason = f"0 of {units:,} held-out units in training; {len(checks)} checks clean"
        return Verdict(
            gate=self.name,
            loop=self.loop,
            slot=self.slot,
            subject=report.subject,
            outcome=outcome,
            reason=reason,
            number=float(sum(check["count"] for check in checks)),
            threshold=0.0,
            feedback=Feedback.DATA_CLEANING if leaks else None,
            evidence={"leakage": report.hash},
        )
