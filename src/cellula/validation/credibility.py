"""What a claim's verdicts permit: its tier, the tier its use requires, and the words for both.

Risk = influence x consequence, each low, medium or high: their ranks (0, 1, 2) are added, and
0-1 is low, 2 medium, 3-4 high. Low risk requires T1, medium T2, high T4 with a signature.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cellula.core.claim import Tier
from cellula.core.gate import Loop, Outcome, Slot, Verdict

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

    use: what the model is to be used for, in the study's words. verdicts: all that bear on the
    claim, those about the data included.
    """

    claim: str
    kind: str
    use: str
    tier: Tier
    required: Tier
    verdicts: tuple[Verdict, ...]

    @property
    def is_adequate(self) -> bool:
        """Whether the evidence supports the stated use: its tier is the required one or higher."""
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
    def word(self) -> str:
        """The status in a word or two."""
        if self.is_adequate:
            return "supports"
        if self.tier >= Tier.T1:
            return "exploratory use only"
        if not self.is_decided:
            return "not decided yet"
        return "underpowered" if self.is_underpowered else "does not support"

    @property
    def permitted_use(self) -> str:
        """What the evidence lets the model be used for, in a few words."""
        if self.is_adequate:
            return self.use
        return "exploration only" if self.tier >= Tier.T1 else "none"


def standings(study: Mapping[str, Any], verdicts: Sequence[Verdict]) -> tuple[ClaimStanding, ...]:
    """How far every claim has come, in the order of the study file (``study.json`` as read)."""
    claims = study.get("claim") or ()
    names = {str(claim.get("id", "")) for claim in claims}
    use = study.get("context_of_use") or {}
    found: list[ClaimStanding] = []
    for claim in claims:
        name = str(claim.get("id", ""))
        bearing = tuple(v for v in verdicts if v.subject == name or v.subject not in names)
        found.append(
            ClaimStanding(
                claim=name,
                kind=str(claim.get("kind", "")),
                use=str(use.get("role") or "the stated use"),
                tier=_tier(bearing, name),
                required=required_tier(use),
                verdicts=bearing,
            )
        )
    return tuple(found)


def _tier(verdicts: tuple[Verdict, ...], claim: str) -> Tier:
    """T1 when all three gates of the inner loop have spoken and every one passed; T2 when the
    middle loop's decision also confirmed it. Higher tiers need the outer loop.
    """
    inner = [v for v in verdicts if v.loop is Loop.INNER]
    slots = {v.slot for v in inner if v.slot is Slot.ENTRY or v.subject == claim}
    if slots != set(Slot) or not all(v.has_passed for v in inner):
        return Tier.T0
    middle = [v for v in verdicts if v.loop is Loop.MIDDLE and v.slot is Slot.DECISION]
    if middle and all(v.outcome is Outcome.CONFIRMED for v in middle):
        return Tier.T2
    return Tier.T1
