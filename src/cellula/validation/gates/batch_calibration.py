"""The entry gate on batches: no uncalibrated shift, and never one that hides the effect."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, final

from cellula.core.evidence import Evidence
from cellula.core.gate import Feedback, Loop, Outcome, Slot, Verdict
from cellula.core.model import Options
from cellula.validation.gates.required import required

__all__ = ["BatchCalibration"]

#: What it reads of the evidence.
FIELDS = ("is_applicable", "is_confounded", "is_shifted", "reason")


@final
class BatchCalibration:
    """Passes without batches or with batches that do not shift; a confounded batch fails."""

    name: ClassVar[str] = "batch_calibration"
    loop: ClassVar[Loop] = Loop.INNER
    slot: ClassVar[Slot] = Slot.ENTRY
    options_type: ClassVar[type[Options]] = Options
    needs: ClassVar[tuple[str, ...]] = ("batch",)

    def __init__(self, options: Options) -> None:
        self.options = options

    def decide(self, evidence: Mapping[str, Evidence]) -> Verdict:
        """Decide by the evidence ``batch``."""
        report = required(self.name, "batch", FIELDS, evidence)
        found = report.payload
        if not found["is_applicable"]:
            outcome, reason = Outcome.PASSED, f"not applicable: {found['reason']}"
        elif found["is_confounded"]:
            outcome = Outcome.FAILED
            reason = (
                f"the batch is confounded with the perturbation ({found['reason']}): no "
                "correction can tell them apart; spread the perturbations over the batches"
            )
        elif found["is_shifted"]:
            outcome = Outcome.FAILED
            reason = f"a batch shift is left ({found['reason']}); correct it before opening"
        else:
            outcome, reason = Outcome.PASSED, found["reason"]
        return Verdict(
            gate=self.name,
            loop=self.loop,
            slot=self.slot,
            subject=report.subject,
            outcome=outcome,
            reason=reason,
            number=found.get("variance_explained"),
            feedback=Feedback.DATA_CLEANING if outcome is Outcome.FAILED else None,
            evidence={"batch": report.hash},
        )
