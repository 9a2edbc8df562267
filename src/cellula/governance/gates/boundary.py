"""The entry gate on the boundary: a study asks nothing outside what it declares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, final

from cellula.core.evidence import Evidence
from cellula.core.gate import Loop, Outcome, Slot, Verdict
from cellula.core.model import Options
from cellula.core.roles import role_words
from cellula.validation.gates.required import required

__all__ = ["Boundary"]

#: What it reads of the evidence.
FIELDS = ("aspects",)
#: A reason names so many of the labels that lie outside.
NAMED = 5


@final
class Boundary:
    """Passes when no question lies outside the declared boundary.

    What the data do not tell (no column of the species) is a caution, not a failure.
    """

    name: ClassVar[str] = "boundary"
    loop: ClassVar[Loop] = Loop.INNER
    slot: ClassVar[Slot] = Slot.ENTRY
    options_type: ClassVar[type[Options]] = Options
    needs: ClassVar[tuple[str, ...]] = ("boundary",)

    def __init__(self, options: Options) -> None:
        self.options = options

    def decide(self, evidence: Mapping[str, Evidence]) -> Verdict:
        """Decide by the evidence ``boundary``."""
        found = required(self.name, "boundary", FIELDS, evidence)
        aspects = found.payload["aspects"]
        outside = [row for row in aspects if row["asked_outside"]]
        n_outside = sum(n for row in outside for _, n in row["asked_outside"])
        return Verdict(
            gate=self.name,
            loop=self.loop,
            slot=self.slot,
            subject=found.subject,
            outcome=Outcome.NOT_ELIGIBLE if outside else Outcome.PASSED,
            reason="; ".join(map(_outside, outside)) if outside else _inside(aspects),
            number=float(n_outside),
            threshold=0.0,
            evidence={"boundary": found.hash},
        )


def _outside(row: Mapping[str, Any]) -> str:
    labels = [f"{label} ({n:,} held-out profiles)" for label, n in row["asked_outside"][:NAMED]]
    more = len(row["asked_outside"]) - NAMED
    rest = f" and {more} more" if more > 0 else ""
    return (
        f"boundary.{row['aspect']} is {', '.join(row['declared'])}, and the study asks about "
        f"{', '.join(labels)}{rest}: widen the boundary or leave these out"
    )


def _inside(aspects: Sequence[Mapping[str, Any]]) -> str:
    """Which aspects were compared, and which could not be."""
    told = []
    for state, words in (
        ("compared", "inside: {}"),
        ("not_told", "not told by the data: {}"),
        ("not_limited", "not limited: {}"),
    ):
        names = [role_words(row["aspect"]) for row in aspects if row["state"] == state]
        told += [words.format(", ".join(names))] if names else []
    return "; ".join(told)
