"""The entry gate on quality: the data can carry the question."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, final

from cellula.core.evidence import Evidence
from cellula.core.gate import Feedback, Loop, Outcome, Slot, Verdict
from cellula.core.model import Options
from cellula.validation.gates.required import required

__all__ = ["Quality"]

#: What it reads of the evidence.
FIELDS = ("checks",)


@final
class Quality:
    """Passes when every check of the quality report is within its limit."""

    name: ClassVar[str] = "quality"
    loop: ClassVar[Loop] = Loop.INNER
    slot: ClassVar[Slot] = Slot.ENTRY
    options_type: ClassVar[type[Options]] = Options
    needs: ClassVar[tuple[str, ...]] = ("quality",)

    def __init__(self, options: Options) -> None:
        self.options = options

    def decide(self, evidence: Mapping[str, Evidence]) -> Verdict:
        """Decide by the evidence ``quality``."""
        report = required(self.name, "quality", FIELDS, evidence)
        checks = report.payload["checks"]
        bad = [check for check in checks if not check["is_ok"]]
        reason = "; ".join(
            f"{check['name']} is {check['value']}, limit {check['limit']}: {check['note']}"
            for check in bad
        )
        return Verdict(
            gate=self.name,
            loop=self.loop,
            slot=self.slot,
            subject=report.subject,
            outcome=Outcome.FAILED if bad else Outcome.PASSED,
            reason=reason or f"{len(checks)} checks within their limits",
            number=float(len(bad)),
            threshold=0.0,
            feedback=Feedback.DATA_CLEANING if bad else None,
            evidence={"quality": report.hash},
        )
