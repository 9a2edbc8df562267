"""The entry gate on batches: no uncalibrated shift, and never one that hides the effect."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, final

from cellula.core.evidence import Evidence
from cellula.core.gate import Feedback, Loop, Outcome, Slot, Verdict
from cellula.core.model import Options
from cellula.validation.gates.required import required

__all__ = ["BatchCalibration"]

#: What it reads of the evidence.
FIELDS = ("is_applicable", "is_confounded", "is_shifted", "reason")


@final
class BatchCalibration:
    """Passes without batches or with batches that do not shift; a confounded batch fails.

    Where batches were corrected it judges the data after that: no shift may be left, batches
    must be mixed, and the correction must have kept what is biology.
    """

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
        outcome, reason = _judged(found)
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


def _judged(found: Mapping[str, Any]) -> tuple[Outcome, str]:
    """The outcome and its reason."""
    corrected = found.get("harmonise")
    if found["is_applicable"] and found["is_confounded"]:
        return Outcome.FAILED, (
            f"the batch is confounded with the perturbation ({found['reason']}): no "
            "correction can tell them apart; spread the perturbations over the batches"
        )
    if corrected is not None:
        return _judged_after(str(corrected["name"]), found)
    if not found["is_applicable"]:
        return Outcome.PASSED, f"not applicable: {found['reason']}"
    if found["is_shifted"]:
        return Outcome.FAILED, (
            f"a batch shift is left ({found['reason']}); correct it: write harmonise = "
            '{ name = "combat" } or "harmony" to the [[data]] of the profiles'
        )
    return Outcome.PASSED, f"no shift that matters: {found['reason']}"


def _judged_after(name: str, found: Mapping[str, Any]) -> tuple[Outcome, str]:
    """What is left of the batches, and of the biology, after a correction."""
    why = str(found.get("kept_reason") or found["reason"])
    if found.get("is_biology_kept") is False:
        return Outcome.FAILED, (
            f"{name} removes biology with the batches ({why}); correct less, or keep the roles: "
            "covariates of combat, a smaller theta of harmony"
        )
    if found["is_shifted"]:
        return Outcome.FAILED, (
            f"a batch shift is left after {name} ({found['reason']}); try another transform"
        )
    if found.get("is_mixed") is False:
        return Outcome.FAILED, f"batches stay apart after {name} ({why}); try another transform"
    if not found["is_applicable"]:
        return Outcome.PASSED, f"not applicable after {name}: {found['reason']}"
    return Outcome.PASSED, f"no shift is left after {name}: {found['reason']}; {why}"
