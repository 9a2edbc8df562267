"""What a claim's verdicts permit: its tier, the tier its use requires, and the words for both.

Risk = influence x consequence, each low, medium or high: their ranks (0, 1, 2) are added, and
0-1 is low, 2 medium, 3-4 high. Low risk requires T1, medium T2, high T4 with a signature.
A tier is what the rigour of the validation reached, capped by how many units of replication
there are: no rigour makes up for too few of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cellula.core.claim import Tier
from cellula.core.evidence import Evidence
from cellula.core.gate import Loop, Outcome, Slot, Verdict

__all__ = [
    "RANKS",
    "STEPS",
    "ClaimStanding",
    "model_risk",
    "required_tier",
    "standings",
    "units_needed",
    "volume_cap",
]

RANKS = ("low", "medium", "high")
REQUIRED: Mapping[str, Tier] = {"low": Tier.T1, "medium": Tier.T2, "high": Tier.T4}
#: Fewest units of replication -> the highest tier that so many allow: five give an interval at
#: all, ten a usable one, twenty carry a claim elsewhere.
VOLUME = ((5, Tier.T1), (10, Tier.T2), (20, Tier.T4))
#: Tier -> what reaching it takes beyond the tier below.
STEPS: Mapping[Tier, str] = {
    Tier.T1: "all gates of the computation passed",
    Tier.T2: "a powered experiment that confirms the claim",
    Tier.T3: "a replication elsewhere, or prospective data",
    Tier.T4: "an independent signature under the whole record",
}


def volume_cap(n_units: int | None) -> Tier:
    """The highest tier that so many units of replication allow; None, not counted yet: no cap."""
    if n_units is None:
        return Tier.T4
    return max((tier for fewest, tier in VOLUME if n_units >= fewest), default=Tier.T0)


def units_needed(tier: Tier) -> int:
    """The fewest units of replication that allow a tier."""
    return next((fewest for fewest, most in VOLUME if most >= tier), VOLUME[-1][0])


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
    claim, those about the data included. tier: what the verdicts reached, capped by the units of
    replication; n_units: the fewest that any of its scores rests on, None before it is scored.
    """

    claim: str
    kind: str
    use: str
    tier: Tier
    required: Tier
    verdicts: tuple[Verdict, ...]
    n_units: int | None = None

    @property
    def is_adequate(self) -> bool:
        """Whether the evidence supports the stated use: its tier is the required one or higher.

        Evidence of a model alone is supplementary: it never supports a use of high risk.
        """
        is_high = self.required >= REQUIRED["high"]
        return self.tier >= self.required and not (is_high and self.is_model_only)

    @property
    def is_model_only(self) -> bool:
        """Whether no experiment has confirmed the claim."""
        return not any(v.loop is not Loop.INNER and v.has_passed for v in self.verdicts)

    @property
    def missing(self) -> tuple[str, ...]:
        """What stands between the evidence and the tier that the use requires; none if adequate."""
        if self.is_adequate:
            return ()
        steps = [text for tier, text in STEPS.items() if self.tier < tier <= self.required]
        if self.tier >= self.required:
            steps.append(STEPS[Tier.T2])
        if self.n_units is not None and volume_cap(self.n_units) < self.required:
            fewest = units_needed(self.required)
            steps.append(f"{fewest} units of replication (there are {self.n_units})")
        return tuple(steps)

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


def standings(
    study: Mapping[str, Any], verdicts: Sequence[Verdict], evidence: Sequence[Evidence] = ()
) -> tuple[ClaimStanding, ...]:
    """How far every claim has come, in the order of the study file (``study.json`` as read).

    evidence: that behind the verdicts; its ``anchored_score`` tells the units of replication.
    """
    claims = study.get("claim") or ()
    names = {str(claim.get("id", "")) for claim in claims}
    use = study.get("context_of_use") or {}
    found: list[ClaimStanding] = []
    for claim in claims:
        name = str(claim.get("id", ""))
        bearing = tuple(v for v in verdicts if v.subject == name or v.subject not in names)
        n_units = _units(evidence, name)
        found.append(
            ClaimStanding(
                claim=name,
                kind=str(claim.get("kind", "")),
                use=str(use.get("role") or "the stated use"),
                tier=min(_tier(bearing, name), volume_cap(n_units)),
                required=required_tier(use),
                verdicts=bearing,
                n_units=n_units,
            )
        )
    return tuple(found)


def _units(evidence: Sequence[Evidence], claim: str) -> int | None:
    """The fewest units that a score of the claim rests on; None before it is scored."""
    counts = [
        item.payload["n_units"]
        for item in evidence
        if (item.kind, item.subject) == ("anchored_score", claim)
    ]
    return min((int(n) for n in counts if isinstance(n, int | float)), default=None)


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
