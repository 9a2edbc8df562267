"""Claims: what a study says about cells it has not seen, and how far it has come."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Claim", "ClaimKind", "ClaimStatus", "Tier"]


class ClaimKind(StrEnum):
    """What is unseen; each kind has its own split and leak report."""

    UNSEEN_PERTURBATION = "unseen_perturbation"
    UNSEEN_COMBINATION = "unseen_combination"
    UNSEEN_PAIR = "unseen_pair"
    UNSEEN_DOSE = "unseen_dose"
    UNSEEN_TIME = "unseen_time"
    UNSEEN_CONTEXT = "unseen_context"
    UNSEEN_DONOR = "unseen_donor"
    UNSEEN_BATCH = "unseen_batch"
    RANDOM = "random"


class ClaimStatus(StrEnum):
    """How far a claim has come; a function of the verdicts of all three loops."""

    HYPOTHESIS = "hypothesis"
    SUPPORTED = "supported"
    CONFIRMED = "confirmed"
    TRANSFERABLE = "transferable"
    REFUTED = "refuted"


class Tier(StrEnum):
    """Credibility: T0 exploratory, T1 inner loop passed, T2 powered experiment confirmed,
    T3 replicated elsewhere or prospectively, T4 decision-ready.
    """

    T0 = "T0"
    T1 = "T1"
    T2 = "T2"
    T3 = "T3"
    T4 = "T4"


@dataclass(frozen=True, slots=True)
class Claim:
    """A statement about unseen cells, in a context of use, with its status and tier."""

    name: str
    kind: ClaimKind
    statement: str
    context_of_use: str
    status: ClaimStatus
    tier: Tier
