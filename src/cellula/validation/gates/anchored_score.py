"""The decision gate of the inner loop: concordance and the width of its interval."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar, final

from pydantic import Field

from cellula.core.evidence import Evidence
from cellula.core.gate import Feedback, Loop, Outcome, Slot, Verdict
from cellula.core.model import Options
from cellula.core.numerals import at_least, at_most, plural
from cellula.validation.gates.required import required

__all__ = ["AnchoredScoreGate", "AnchoredScoreOptions"]

#: With fewer units of replication no interval is to be trusted.
FEWEST_UNITS = 5
#: What it reads of the evidence.
FIELDS = ("metric", "value", "lower", "upper", "n_units", "unit", "reason")


class AnchoredScoreOptions(Options):
    """The registered threshold, the width that is still an answer, and where to go on failure."""

    at_least: float
    """What the lower bound must reach: 0 the best trivial answer, 1 a replicate."""
    ci_width_max: float = Field(gt=0)
    """The widest interval that still is an answer, in units of the anchored score."""
    on_fail: Feedback = Feedback.REGULARIZATION
    """Where a failure sends the study back to."""


@final
class AnchoredScoreGate:
    """Passes when the lower bound reaches ``at_least`` AND the interval is narrow enough.

    With fewer than 5 units of replication the verdict is ``underpowered``, with the number
    needed for the registered width (the width shrinks as one over the square root of the
    units).
    """

    name: ClassVar[str] = "anchored_score"
    loop: ClassVar[Loop] = Loop.INNER
    slot: ClassVar[Slot] = Slot.DECISION
    options_type: ClassVar[type[Options]] = AnchoredScoreOptions
    needs: ClassVar[tuple[str, ...]] = ("anchored_score",)

    def __init__(self, options: AnchoredScoreOptions) -> None:
        self.options = options

    def decide(self, evidence: Mapping[str, Evidence]) -> Verdict:
        """Decide by the evidence ``anchored_score`` of one claim."""
        found = required(self.name, "anchored_score", FIELDS, evidence)
        score = found.payload
        outcome, reason = self._outcome(score)
        return Verdict(
            gate=self.name,
            loop=self.loop,
            slot=self.slot,
            subject=found.subject,
            outcome=outcome,
            reason=reason,
            number=score["value"],
            lower=score["lower"],
            upper=score["upper"],
            threshold=self.options.at_least,
            feedback=self.options.on_fail if outcome is Outcome.FAILED else None,
            evidence={"anchored_score": found.hash},
            about=str(score["metric"]),
        )

    def _outcome(self, score: Mapping[str, object]) -> tuple[Outcome, str]:
        n_units, unit = _integer(score["n_units"]), str(score["unit"])
        value, lower, upper = (_number(score[name]) for name in ("value", "lower", "upper"))
        needed = self._units_needed(n_units, lower, upper)
        if n_units < FEWEST_UNITS:
            return (
                Outcome.UNDERPOWERED,
                f"{plural(n_units, unit)}: an interval needs at least {FEWEST_UNITS}, and the "
                f"registered width about {max(needed, FEWEST_UNITS)}",
            )
        if math.isnan(value) or math.isnan(lower) or math.isnan(upper):
            return Outcome.FAILED, f"no score: {score['reason'] or 'no interval'}"
        width = upper - lower
        least, widest = self.options.at_least, self.options.ci_width_max
        is_narrow = width <= widest
        told = f"lower bound {at_least(lower, least)}, width {at_most(width, widest)}"
        if lower >= least and is_narrow:
            return Outcome.PASSED, told
        remedy = "" if is_narrow else f"; about {plural(needed, unit)} would be narrow enough"
        return Outcome.FAILED, f"{told}{remedy}"

    def _units_needed(self, n_units: int, lower: float, upper: float) -> int:
        width = upper - lower
        if math.isnan(width) or n_units < 2:
            return FEWEST_UNITS
        return math.ceil(n_units * max(1.0, (width / self.options.ci_width_max) ** 2))


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else math.nan


def _integer(value: object) -> int:
    return int(value) if isinstance(value, int) else 0
