"""What a claim's verdicts permit: its tier, the tier its use requires, and the words for both.

Risk = influence x consequence, each low, medium or high: their ranks (0, 1, 2) are added, and
0-1 is low, 2 medium, 3-4 high. Low risk requires T1, medium T2, high T4 with a signature.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cellula.core.claim import Tier
from cellula.core.gate import Loop, Outcome, Slot, Verdict
from cellula.report.blocks import Status
from cellula.report.record import StudyRecord

__all__ = ["ClaimStanding", "model_risk", "required_tier", "standings"]

RANKS = ("low", "medium", "high")
REQUIRED: Mapping[str, Tier] = {"low": Tier.T1, "medium": Tier.T2, "high": Tier.T4}


def model_risk(use: Mapping[str, Any]) -> str:
    """``low``, ``medium`` or ``high`` from the influence and consequence of a context of use.

    What is not stated counts as high: silence never lowers a requirement.
    """
    total = sum(_rank(use.get(name)) for name in ("influence", "consequence"))
    return RANKS[0] if total <= 1 else RANKS[1] if total == 2 else RANKS[2]


def _rank(level: object) -> int:
    return RANKS.index(level) if isinstance(level, str) and level in RANKS else 2


def required_tier(use: Mapping[str, Any]) -> Tier:
    """The tier that a context of use requires."""
    return REQUIRED[model_risk(use)]


@dataclass(frozen=True, slots=True)
class ClaimStanding:
    """How far one claim has come.

    verdicts: all that bear on it, those about the data included. is_adequate: its tier is the
    required one or higher.
    """

    claim: str
    kind: str
    tier: Tier
    required: Tier
    verdicts: tuple[Verdict, ...]

    @property
    def is_adequate(self) -> bool:
        """Whether the evidence supports the stated use."""
        return self.tier >= self.required

    @property
    def is_underpowered(self) -> bool:
        """Whether nothing failed but something lacked power."""
        outcomes = {v.outcome for v in self.verdicts}
        return Outcome.UNDERPOWERED in outcomes and outcomes <= {
            Outcome.PASSED,
            Outcome.CONFIRMED,
            Outcome.UNDERPOWERED,
        }

    @property
    def is_decided(self) -> bool:
        """Whether any decision gate has spoken about the claim."""
        return any(v.slot is Slot.DECISION and v.subject == self.claim for v in self.verdicts)

    @property
    def status(self) -> Status:
        """Passed, failed or undecided, as the banner shows it."""
        if self.is_adequate:
            return "pass"
        if self.tier is Tier.T0 and self.is_decided and not self.is_underpowered:
            return "fail"
        return "wait"

    @property
    def word(self) -> str:
        """The status in a word or two."""
        if self.is_adequate:
            return "supports"
        if self.tier >= Tier.T1:
            return "exploratory use only"
        if not self.is_decided:
            return "not decided yet"
        return "underpowered" if self.is_underpowered else "does not support"


def standings(record: StudyRecord) -> tuple[ClaimStanding, ...]:
    """How far every claim of the study has come, in the order of the study file."""
    names = {str(claim.get("id", "")) for claim in record.claims}
    use = record.part("context_of_use")
    found: list[ClaimStanding] = []
    for claim in record.claims:
        name = str(claim.get("id", ""))
        bearing = tuple(v for v in record.verdicts if v.subject == name or v.subject not in names)
        found.append(
            ClaimStanding(
                claim=name,
                kind=str(claim.get("kind", "")),
                tier=_tier(bearing, name),
                required=required_tier(use),
                verdicts=bearing,
            )
        )
    return tuple(found)


def _tier(verdicts: tuple[Verdict, ...], claim: str) -> Tier:
    """T1 when the inner loop's entry and decision gates exist and every inner gate passed;
    T2 when the middle loop's decision also confirmed it. Higher tiers need the outer loop.
    """
    inner = [v for v in verdicts if v.loop is Loop.INNER]
    slots = {v.slot for v in inner if v.slot is not Slot.DECISION or v.subject == claim}
    if not {Slot.ENTRY, Slot.DECISION} <= slots or not all(v.has_passed for v in inner):
        return Tier.T0
    middle = [v for v in verdicts if v.loop is Loop.MIDDLE and v.slot is Slot.DECISION]
    if middle and all(v.outcome is Outcome.CONFIRMED for v in middle):
        return Tier.T2
    return Tier.T1
